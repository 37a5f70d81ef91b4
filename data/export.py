"""What a home fed in, beside what it took: a second signed commitment of the meter for each day.

The readings of `data.meter` are what a meter counts as taken from the grid; export is its other register, in the same
slots and the same whole Wh. The meter signs it as EIP-712 data of a type of its own, so that neither of the two can
be shown in the place of the other. Export stays in a vault of its own, beside the one of the readings.
"""

from data.quantity import Quantity

EXPORT_VAULT = "export.db"
QUARTER_VAULTS: dict[Quantity, str] = {"load": "quarters.db", "export": "export-quarters.db"}
"""Of the quarters of an hour, where a community settles by them; a row has the number of its block."""
