"""The meter: once a day it commits to the day's 24 readings and signs the commitment (EIP-712, secp256k1).

A day of which some hours were filled in is signed as data of another type, which names the hours that were measured.
A model may read such a day, but nobody can show it in the place of a measured one, to be paid or to enter a total.

Where a community settles by the quarter of an hour, the meter also signs the day's 96 quarters, as four blocks of 24
under types of their own (`data.interval`): no block is taken for the day of the same number, nor a day for a block.

Only the commitment and the signature ever leave the home; the opening (readings and blinding) stays in its vault
(`data.vault`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_keys.exceptions import BadSignature
from eth_utils.address import is_address, to_checksum_address
from eth_utils.exceptions import ValidationError as EthValidationError

from data.atomic import write_bytes
from data.damage import FROM_BACKUP
from data.errors import DamagedFile, MeterError
from data.interval import IntervalMinutes, block_name
from data.quantity import Quantity
from zkp.algebra.commitment import DAY_HOURS, commit_day, random_blinding

DOMAIN = {"name": "Wattproof meter", "version": "1"}
_FIELDS = [
    {"name": "household", "type": "address"},
    {"name": "day", "type": "uint32"},
    {"name": "commitment", "type": "bytes"},
]
_TYPE_NAMES: dict[Quantity, str] = {"load": "DayCommitment", "export": "ExportCommitment"}
"""A type for each quantity, so that the commitment to one is never shown in the place of the other."""
TYPES = {quantity: {name: _FIELDS} for quantity, name in _TYPE_NAMES.items()}
FILLED_TYPES = {
    quantity: {f"Filled{name}": [*_FIELDS, {"name": "measured", "type": "uint32"}]}
    for quantity, name in _TYPE_NAMES.items()
}
QUARTER_TYPES = {
    quantity: {f"QuarterHour{name}": [_FIELDS[0], {"name": "block", "type": "uint32"}, _FIELDS[2]]}
    for quantity, name in _TYPE_NAMES.items()
}
"""Of a block of 24 quarters of an hour, all of them measured."""
ALL_MEASURED = (1 << DAY_HOURS) - 1
"""Bit h: hour h of the day was measured."""
COMMITMENT_BYTES = 48
SIGNATURE_BYTES = 65
_HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2


@dataclass(frozen=True)
class SignedDay:
    """The meter's public statement about a day: `commitment` (48 bytes) holds the readings of `household`.

    `day`: of a block of quarters the block's number; which of the two was signed, the check of the signature says.
    `measured`: bit h is set if hour h was measured, and clear if it was filled in.
    """

    household: str
    day: int
    commitment: bytes
    signature: bytes
    measured: int = ALL_MEASURED

    @property
    def is_measured(self) -> bool:
        """Whether every hour was measured."""
        return self.measured == ALL_MEASURED

    def to_json(self) -> dict[str, Any]:
        """Bytes as 0x-hex."""
        return {
            "household": self.household,
            "day": self.day,
            "commitment": "0x" + self.commitment.hex(),
            "signature": "0x" + self.signature.hex(),
            "measured": self.measured,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "SignedDay":
        """Inverse of `to_json`. Raises MeterError on anything else."""
        try:
            return cls(
                household=to_checksum_address(content["household"]),
                day=int(content["day"]),
                commitment=bytes.fromhex(content["commitment"].removeprefix("0x")),
                signature=bytes.fromhex(content["signature"].removeprefix("0x")),
                measured=int(content.get("measured", ALL_MEASURED)),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MeterError(f"not a signed day: {type(error).__name__} in {sorted(content)}") from None


@dataclass(frozen=True)
class DayOpening:
    """What only the home knows about a day: 24 readings in Wh and the commitment's blinding. Its repr shows
    neither."""

    readings: tuple[int, ...] = field(repr=False)
    blinding: int = field(repr=False)


class Meter:
    """A meter with its signing key (32 bytes)."""

    def __init__(self, private_key: bytes) -> None:
        self._account: LocalAccount = Account.from_key(private_key)

    @classmethod
    def from_file(cls, path: Path) -> "Meter":
        """The meter whose key is in `path` as 64 hex digits; makes one there (mode 0600) if there is none."""
        if not path.exists():
            write_bytes(path, bytes(Account.create().key).hex().encode(), private=True)
        try:
            key = bytes.fromhex(path.read_text(encoding="ascii").strip().removeprefix("0x"))
            return cls(key)
        except (ValueError, EthValidationError):
            # The library's message may quote the key.
            raise DamagedFile.of(path, "a meter's key of 64 hexadecimal digits", f"{FROM_BACKUP}.") from None

    @property
    def address(self) -> str:
        """The checksummed address under which the community knows the meter."""
        return str(self._account.address)

    def __repr__(self) -> str:
        return f"Meter({self.address})"

    def sign_day(
        self,
        household: str,
        day: int,
        readings: Sequence[int],
        measured: int = ALL_MEASURED,
        quantity: Quantity = "load",
    ) -> tuple[SignedDay, DayOpening]:
        """Commit to the 24 readings (Wh) of community day `day` under a fresh blinding and sign the commitment.

        `measured`: as in `SignedDay`; `quantity`: what the readings are of. Raises zkp.errors.InvalidStatement for
        readings that cannot be committed to.
        """
        opening = DayOpening(tuple(int(value) for value in readings), random_blinding())
        commitment = commit_day(day, opening.readings, opening.blinding)
        signature = self.sign(_message(household, day, commitment, measured, quantity))
        return SignedDay(to_checksum_address(household), day, commitment, signature, measured), opening

    def sign_block(
        self,
        household: str,
        number: int,
        values: Sequence[int],
        quantity: Quantity = "load",
        interval: IntervalMinutes = 60,
    ) -> tuple[SignedDay, DayOpening]:
        """As `sign_day`, of a block of 24 hours or quarters of an hour (Wh), all of them measured."""
        if interval == 60:
            return self.sign_day(household, number, values, quantity=quantity)
        opening = DayOpening(tuple(int(value) for value in values), random_blinding())
        commitment = commit_day(number, opening.readings, opening.blinding)
        signature = self.sign(_quarters_message(household, number, commitment, quantity))
        return SignedDay(to_checksum_address(household), number, commitment, signature), opening

    def sign(self, message: SignableMessage) -> bytes:
        """The canonical signature of EIP-712 typed data, 65 bytes, the same each time (RFC 6979)."""
        return bytes(self._account.sign_message(message).signature)


def verify_signed_day(signed: SignedDay, meter_address: str, quantity: Quantity = "load") -> None:
    """Raise MeterError unless `meter_address` signed exactly this day of this household, all of it measured.

    Only the one canonical signature passes (65 bytes r, s, v with low s and v 27 or 28), so that a record
    cannot be altered without becoming false.
    """
    if not signed.is_measured:
        filled = DAY_HOURS - (signed.measured & ALL_MEASURED).bit_count()
        raise MeterError(f"{_named(signed, quantity)}: {filled} of its hours were filled in, not measured")
    verify_day_with_filled(signed, meter_address, quantity)


def verify_day_with_filled(signed: SignedDay, meter_address: str, quantity: Quantity = "load") -> None:
    """As `verify_signed_day`, but hours may be filled in: for the week that a model reads, and nothing else."""
    what = _named(signed, quantity)
    _check_form(signed, what)
    message = _message(signed.household, signed.day, signed.commitment, signed.measured, quantity)
    check_signed(message, signed.signature, meter_address, what)


def verify_signed_block(
    signed: SignedDay, meter_address: str, quantity: Quantity = "load", interval: IntervalMinutes = 60
) -> None:
    """As `verify_signed_day`, of a block of that interval."""
    if interval == 60:
        verify_signed_day(signed, meter_address, quantity)
        return
    what = _named(signed, quantity, interval)
    if not signed.is_measured:
        raise MeterError(f"{what}: no quarter of an hour is filled in")
    _check_form(signed, what)
    message = _quarters_message(signed.household, signed.day, signed.commitment, quantity)
    check_signed(message, signed.signature, meter_address, what)


def _check_form(signed: SignedDay, what: str) -> None:
    if not is_address(signed.household) or not 0 <= signed.day < 2**32:
        raise MeterError(f"{what}: not an address and a day number")
    if not 0 <= signed.measured <= ALL_MEASURED:
        raise MeterError(f"{what}: {signed.measured} does not say which of {DAY_HOURS} hours were measured")
    if len(signed.commitment) != COMMITMENT_BYTES or len(signed.signature) != SIGNATURE_BYTES:
        raise MeterError(f"{what}: a commitment has {COMMITMENT_BYTES} bytes and a signature {SIGNATURE_BYTES}")


def _named(signed: SignedDay, quantity: Quantity, interval: IntervalMinutes = 60) -> str:
    of = "" if quantity == "load" else f"the {quantity} of "
    return f"{of}{block_name(signed.day, interval)} of household {signed.household}"


def check_signed(message: SignableMessage, signature: bytes, meter_address: str, what: str) -> None:
    """Raise MeterError unless `meter_address` signed the message, in the canonical form; `what` names it."""
    if len(signature) != SIGNATURE_BYTES:
        raise MeterError(f"{what}: a signature has {SIGNATURE_BYTES} bytes")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER or signature[64] not in (27, 28):
        raise MeterError(f"{what}: the signature is not in its canonical form")
    try:
        signer = Account.recover_message(message, signature=signature)
    except (BadSignature, EthValidationError, ValueError):
        raise MeterError(f"{what}: the signature is not one of secp256k1") from None
    if signer != to_checksum_address(meter_address):
        raise MeterError(f"{what}: signed by {signer}, not by the household's meter {meter_address}")


def verify_opening(signed: SignedDay, opening: DayOpening, interval: IntervalMinutes = 60) -> None:
    """Raise MeterError unless `opening` opens the signed commitment. `interval`: of the readings, for the message."""
    if (
        len(opening.readings) != DAY_HOURS
        or commit_day(signed.day, opening.readings, opening.blinding) != signed.commitment
    ):
        raise MeterError(f"{_named(signed, 'load', interval)}: readings are not those committed to")


def _message(household: str, day: int, commitment: bytes, measured: int, quantity: Quantity) -> SignableMessage:
    content: dict[str, Any] = {"household": to_checksum_address(household), "day": day, "commitment": commitment}
    if measured == ALL_MEASURED:
        return encode_typed_data(DOMAIN, TYPES[quantity], content)
    return encode_typed_data(DOMAIN, FILLED_TYPES[quantity], content | {"measured": measured})


def _quarters_message(household: str, number: int, commitment: bytes, quantity: Quantity) -> SignableMessage:
    content = {"household": to_checksum_address(household), "block": number, "commitment": commitment}
    return encode_typed_data(DOMAIN, QUARTER_TYPES[quantity], content)
