"""What a home fed in, beside what it took: a second signed commitment of the meter for each day.

The readings of `data.meter` are what a meter counts as taken from the grid; export is its other register, in the same
slots and the same whole Wh. The meter signs it as EIP-712 data of a type of its own, so that neither of the two can
be shown in the place of the other. Export stays in a vault of its own, beside the one of the readings.
"""

from collections.abc import Sequence

from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.address import is_address, to_checksum_address

from data.errors import MeterError
from data.meter import COMMITMENT_BYTES, DOMAIN, DayOpening, Meter, SignedDay, check_signed
from zkp.algebra.commitment import commit_day, random_blinding

TYPES = {
    "ExportCommitment": [
        {"name": "household", "type": "address"},
        {"name": "day", "type": "uint32"},
        {"name": "commitment", "type": "bytes"},
    ]
}
EXPORT_VAULT = "export.db"


def sign_export(meter: Meter, household: str, day: int, export: Sequence[int]) -> tuple[SignedDay, DayOpening]:
    """Commit to the 24 hours of export (Wh) of a community day under a fresh blinding, and sign the commitment.

    Raises zkp.errors.InvalidStatement for values that no meter counts: below zero, or above 131 kWh.
    """
    opening = DayOpening(tuple(int(value) for value in export), random_blinding())
    commitment = commit_day(day, opening.readings, opening.blinding)
    signature = meter.sign(_message(household, day, commitment))
    return SignedDay(to_checksum_address(household), day, commitment, signature), opening


def verify_signed_export(signed: SignedDay, meter_address: str) -> None:
    """Raise MeterError unless `meter_address` signed exactly this day of this household as export."""
    what = f"the export of day {signed.day} of household {signed.household}"
    if not is_address(signed.household) or not 0 <= signed.day < 2**32:
        raise MeterError(f"{what}: not an address and a day number")
    if len(signed.commitment) != COMMITMENT_BYTES:
        raise MeterError(f"{what}: a commitment has {COMMITMENT_BYTES} bytes")
    check_signed(_message(signed.household, signed.day, signed.commitment), signed.signature, meter_address, what)


def _message(household: str, day: int, commitment: bytes) -> SignableMessage:
    content = {"household": to_checksum_address(household), "day": day, "commitment": commitment}
    return encode_typed_data(DOMAIN, TYPES, content)
