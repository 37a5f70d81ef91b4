"""The quarters of an hour that a file has: those of hours that were measured as a whole, by fine enough readings."""

import pandas as pd

from data.importing.cells import Ints
from data.importing.grid import QUARTER_S, Hours
from data.quarters import split_up
from data.table import QUARTER, long_table


class HoursOnly(Exception):
    """A file does not tell what happened within its hours; the message says why."""


def check_interval(interval: int | None) -> None:
    """Raises HoursOnly unless intervals (seconds; None: a register read at any times) add up to quarters."""
    if interval is not None and QUARTER_S % interval:
        raise HoursOnly(f"readings are {interval / 60:g} minutes apart, which does not divide 15 minutes")


def quarters_table(home: str, imported: Hours | None, exported: Hours | None, *, accepted: bool) -> pd.DataFrame:
    """A table of quarters (`data.quarters`) from those of both flows; export is missing where it was not measured.

    Raises HoursOnly where none were measured, or where they are hours split up (unless `accepted`).
    """
    if imported is None or imported.filled.all():
        raise HoursOnly("no hour has four quarters that were measured: was the register read every 15 minutes?")
    starts, wh = imported.starts[~imported.filled], imported.wh[~imported.filled]
    export, fed_in = None, None
    if exported is not None:
        measured = ~exported.filled
        fed_in = exported.wh[measured]
        export = pd.Series(fed_in, index=exported.starts[measured]).astype("Int64").reindex(starts)
        export = export.reset_index(drop=True)
    if not accepted:
        _check_resolution(wh, "import")
        if fed_in is not None:
            _check_resolution(fed_in, "export")
    return long_table(home, pd.to_datetime(starts, unit="s", utc=True), wh, False, export, QUARTER)


def _check_resolution(wh: Ints, what: str) -> None:
    if how := split_up(wh):
        raise HoursOnly(
            f"the {what} of all hours is {how}, as by a program that had hours only. If the meter counted it so, use "
            "--accept-unusual"
        )
