"""The two quantities that a meter counts in each hour and that are forecast: what a home takes from the grid (`load`)
and what it feeds in (`export`).

Everything from windows to proofs works on a long table whose `y` is the quantity (`data.table.readings_as`); all
else is given the quantity's name, so that a model, a signed day or a forecast of one never stands for the other.
"""

from typing import Literal, get_args

Quantity = Literal["load", "export"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
