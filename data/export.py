"""What a home fed in, beside what it took: a second signed commitment of the meter for each day.

The readings of `data.meter` are what a meter counts as taken from the grid; export is its other register, in the same
slots and the same whole Wh. The meter signs it as EIP-712 data of a type of its own, so that neither of the two can
be shown in the place of the other. Export stays in a vault of its own, beside the one of the readings.
"""

from collections.abc import Sequence

from data.meter import DayOpening, Meter, SignedDay, verify_signed_day
from data.quantity import Quantity

EXPORT_VAULT = "export.db"
QUARTER_VAULTS: dict[Quantity, str] = {"load": "quarters.db", "export": "export-quarters.db"}
"""Of the quarters of an hour, where a community settles by them; a row has the number of its block."""


def sign_export(meter: Meter, household: str, day: int, export: Sequence[int]) -> tuple[SignedDay, DayOpening]:
    """Commit to the 24 hours of export (Wh) of a community day under a fresh blinding, and sign the commitment.

    Raises zkp.errors.InvalidStatement for values that no meter counts: below zero, or above 131 kWh.
    """
    return meter.sign_day(household, day, export, quantity="export")


def verify_signed_export(signed: SignedDay, meter_address: str) -> None:
    """Raise MeterError unless `meter_address` signed exactly this day of this household as export, all measured."""
    verify_signed_day(signed, meter_address, "export")
