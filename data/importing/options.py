"""What a person specifies about a file, and the result of an import."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from data.errors import DataError
from data.home_name import HOME_NAME_RULE, is_home_name

if TYPE_CHECKING:
    import pandas as pd

DateOrder = Literal["dmy", "mdy", "ymd"]
ORDERS: tuple[DateOrder, ...] = ("dmy", "mdy", "ymd")


@dataclass(frozen=True)
class ImportOptions:
    """How to read a file.

    Args:
        unique_id: the home.
        timezone: IANA name, for times without an offset, and for what is told about the file.
        stamp: whether a time names the start or the end of its interval. A file or preset that tells overrules.
        cumulative: values are a register's readings at the times.
        max_fill_hours: the longest gap that is filled.
        columns: role -> names of columns (`#3` is the third): `timestamp`, `end`, `date`, `time`; `kwh`, `wh`, `kw`,
            `w`, `mwh`, and the same with `export_` before. Several columns of a role are summed.
        preset: name of one of `data.importing.presets.PRESETS`.
        where: column -> value that its rows must have.
        dates: the order of day and month, where 01/02/2026 can be either.
        accept_unusual: the figures are right, although unusual for a home.
        no_export: the home feeds nothing into the grid, so that its export is 0; the file has none.
        quarters: also take the quarters of an hour, where the file has them.
        now_s: the time of the import, Unix seconds: nothing after it was measured.
    """

    unique_id: str
    timezone: str | None = None
    stamp: Literal["start", "end"] = "start"
    cumulative: bool = False
    max_fill_hours: int = 3
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    preset: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    dates: DateOrder | None = None
    accept_unusual: bool = False
    no_export: bool = False
    quarters: bool = False
    now_s: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        if not is_home_name(self.unique_id):
            raise DataError(f"home {self.unique_id!r} can't be imported: {HOME_NAME_RULE}")
        if self.max_fill_hours < 0:
            raise DataError("max_fill_hours must be at least 0")


@dataclass(frozen=True)
class Imported:
    """What came in.

    `readings`: a long table, with the column `export` if the file has exported energy. `quarters`: the same energy by
    the quarter of an hour (`data.quarters`), if it was asked for and the file has it; `hours_only`: why it has not.
    `interval_minutes`: None for a
    register polled at no fixed interval. `offset_s`: seconds from UTC to the local time of most rows, where a file
    tells it. `warnings`: sentences for the person who imports.
    """

    readings: "pd.DataFrame" = field(repr=False)
    interval_minutes: int | None
    filled_hours: int
    cut_hours: int
    offset_s: int = 0
    warnings: tuple[str, ...] = ()
    quarters: "pd.DataFrame | None" = field(default=None, repr=False)
    hours_only: str = ""
