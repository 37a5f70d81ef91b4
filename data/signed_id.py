"""A household's id for one partner, as its meter signs it: what homes and a partner match records by.

A meter's address can be guessed, or read from the chain, so unsigned ids would let a party to a matching test who the
other's customers are. The meter's signature cannot: the household gives it to the partner when it becomes a customer,
and nobody else has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.address import is_address, to_checksum_address

from data.errors import MeterError
from data.meter import DOMAIN, Meter, check_signed

_TYPES = {"PartnerId": [{"name": "household", "type": "address"}, {"name": "partner", "type": "string"}]}
_LONGEST_PARTNER = 64


@dataclass(frozen=True)
class SignedId:
    """`household`: checksummed address; `partner`: its name; `signature`: 65 bytes, for the two of them only."""

    household: str
    partner: str
    signature: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """What is matched: the same bytes at both, and nobody else's to know."""
        return b"\0".join((self.household.encode(), self.partner.encode(), self.signature))


def sign_id(meter: Meter, household: str, partner: str) -> SignedId:
    """The id that the household hands to the partner. Raises MeterError for a name or address that is none."""
    _check(household, partner)
    return SignedId(to_checksum_address(household), partner, meter.sign(_message(household, partner)))


def verify_signed_id(signed: SignedId, meter_address: str) -> None:
    """Raise MeterError unless `meter_address` signed exactly this id, in the one canonical form."""
    _check(signed.household, signed.partner)
    what = f"the id of {signed.household} for {signed.partner}"
    check_signed(_message(signed.household, signed.partner), signed.signature, meter_address, what)


def _check(household: str, partner: str) -> None:
    if not is_address(household):
        raise MeterError(f"{household!r:.60} is no household's address")
    if not 0 < len(partner) <= _LONGEST_PARTNER or "\0" in partner:
        raise MeterError(f"a partner's name has 1 to {_LONGEST_PARTNER} characters")


def _message(household: str, partner: str) -> SignableMessage:
    return encode_typed_data(DOMAIN, _TYPES, {"household": to_checksum_address(household), "partner": partner})
