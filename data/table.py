"""The long table, the one form that readings have inside Wattproof, and its file.

Columns: `unique_id` (str, the home), `ds` (datetime64[ns, UTC], the start of the hour), `y` (int64 Wh in that hour),
`filled` (bool: interpolated over a short gap, not measured). Sorted by home and time, an hour at most once for each
home; hours cut out of it are absent. A table may have one more column: `export` (Int64 Wh that flowed out in that
hour; missing where it is not known). A table without it says nothing about export.

A table of quarters of an hour (`data.quarters`) has the same form, with a step of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.atomic import write_bytes
from data.day import HOURS_PER_DAY, DayClock
from data.errors import NoReadingsYet, TableError
from data.home_name import HOME_NAME_RULE, is_home_name
from data.quantity import Quantity

COLUMNS = ("unique_id", "ds", "y", "filled")
EXPORT = "export"
_STAMP = "%Y-%m-%dT%H:%M:%SZ"
MAX_WH_PER_HOUR = (1 << 17) - 1
"""131 kWh, far above a home's fuse: more is a unit error, and a meter could not commit to it."""


@dataclass(frozen=True)
class Step:
    """How long a row of a table is: `per_hour` of them are an hour. `name`, `plural`: words for messages."""

    name: str
    plural: str
    per_hour: int

    @property
    def length(self) -> pd.Timedelta:
        return pd.Timedelta(hours=1) / self.per_hour

    @property
    def most_wh(self) -> int:
        """What a row may have at most, rounded up."""
        return -(-MAX_WH_PER_HOUR // self.per_hour)


HOUR = Step("hour", "hours", 1)
QUARTER = Step("quarter of an hour", "quarters of an hour", 4)


def long_table(
    unique_id: "pd.Series[str] | str",
    ds: "pd.DatetimeIndex | pd.Series[pd.Timestamp]",
    y: "pd.Series[int] | NDArray[np.int64]",
    filled: "pd.Series[bool] | NDArray[np.bool_] | bool" = False,
    export: "pd.Series[int] | None" = None,
    step: Step = HOUR,
) -> pd.DataFrame:
    """A long table of the given columns, sorted and validated. Raises TableError."""
    index = pd.DatetimeIndex(ds)
    if index.tz is None:
        raise TableError("ds has no time zone: give UTC times")
    table = pd.DataFrame(
        {
            "unique_id": unique_id if isinstance(unique_id, str) else list(unique_id),
            "ds": index.tz_convert("UTC").as_unit("ns"),
            "y": np.asarray(y),
            "filled": filled if isinstance(filled, bool) else np.asarray(filled),
        }
    ).astype({"unique_id": "str"})
    if export is not None:
        table[EXPORT] = export.astype("Int64").to_numpy(dtype=object)
        table[EXPORT] = table[EXPORT].astype("Int64")
    return validate_table(table.sort_values(["unique_id", "ds"], ignore_index=True), step)


def validate_table(table: pd.DataFrame, step: Step = HOUR) -> pd.DataFrame:
    """`table` itself if it is a long table of that step, otherwise TableError naming the first problem."""
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise TableError(f"the table lacks {', '.join(missing)}: it needs {', '.join(COLUMNS)}")
    if str(table["ds"].dtype) != "datetime64[ns, UTC]":
        raise TableError(f"ds is {table['ds'].dtype}, not datetime64[ns, UTC]: convert the times to UTC")
    if table["y"].dtype != "int64":
        raise TableError(f"y is {table['y'].dtype}, not int64: energy is whole Wh")
    if table["filled"].dtype != "bool":
        raise TableError(f"filled is {table['filled'].dtype}, not bool")
    if EXPORT in table and table[EXPORT].dtype != "Int64":
        raise TableError(f"export is {table[EXPORT].dtype}, not Int64: energy is whole Wh, or missing")
    if table["unique_id"].isna().any() or not pd.api.types.is_string_dtype(table["unique_id"]):
        raise TableError("unique_id must be text in every row")
    if odd := [name for name in table["unique_id"].unique() if not is_home_name(name)]:
        raise TableError(f"unique_id {odd[0]!r} can't be used: {HOME_NAME_RULE}")
    _validate_rows(table, step)
    return table


def _validate_rows(table: pd.DataFrame, step: Step) -> None:
    start = "an hour: aggregate to hours first" if step == HOUR else f"a {step.name}: import the readings again"
    checks = [
        (table["ds"] != table["ds"].dt.floor(step.length), f"is not the start of {start}"),
        (table.duplicated(["unique_id", "ds"]), f"appears twice: keep one reading per {step.name}"),
        (table["y"] < 0, "has negative energy: load is consumption, exported energy is another table"),
        (table["y"] > step.most_wh, f"has more than {step.most_wh} Wh: check the unit"),
    ]
    if EXPORT in table:
        export = table[EXPORT].fillna(0)
        checks += [
            (export < 0, "has negative export: exported energy is positive"),
            (export > step.most_wh, f"has more than {step.most_wh} Wh of export: check the unit"),
        ]
    if step != HOUR:
        checks += _of_whole_hours(table, step)
    for bad, problem in checks:
        if bad.any():
            row = table[bad].iloc[0]
            raise TableError(f"home {row['unique_id']}, {step.name} {row['ds'].isoformat()} {problem}")
    key = table[["unique_id", "ds"]]
    if not key.equals(key.sort_values(["unique_id", "ds"], ignore_index=True)):
        raise TableError("rows are not in order: sort by unique_id and ds, with a fresh index")


def _of_whole_hours(table: pd.DataFrame, step: Step) -> "list[tuple[pd.Series[bool], str]]":
    """Checks of a step shorter than an hour: its rows are measured, and those of an hour are all there or none is."""
    hour = [table["unique_id"], table["ds"].dt.floor("h")]
    rows = table["y"].groupby(hour).transform("size")
    checks = [
        (table["filled"], "is filled: only what was measured may be here"),
        (
            rows != step.per_hour,
            f"lacks others of its hour: all {step.per_hour} are needed (is it a table of hours?)",
        ),
    ]
    if EXPORT in table:
        known = table[EXPORT].notna().groupby(hour).transform("mean")
        checks.append((known.between(0, 1, inclusive="neither"), "has an hour of which export is known in part"))
    return checks


def write_table(table: pd.DataFrame, path: Path, step: Step = HOUR) -> None:
    """Write a long table as CSV, whole or not at all, readable by its owner only: it holds readings."""
    validate_table(table, step)
    columns = [*COLUMNS, EXPORT] if EXPORT in table else list(COLUMNS)
    text = table.to_csv(columns=columns, index=False, date_format=_STAMP, lineterminator="\n")
    write_bytes(path, text.encode(), private=True)


def read_table(path: Path, step: Step = HOUR) -> pd.DataFrame:
    """Read what `write_table` wrote. Raises TableError naming the file (NoReadingsYet if it is missing)."""
    if not path.is_file():
        raise NoReadingsYet(
            f"{path} does not exist: import readings first (wattproof data import), or set "
            "data.source: none on a machine that has no home's readings"
        )
    try:
        types = {"unique_id": "str", "y": "int64", "filled": "bool", EXPORT: "Int64"}
        # A home may be called NA: nothing but an empty cell is missing, and only in the column of export.
        table = pd.read_csv(path, dtype=types, keep_default_na=False, na_values={EXPORT: [""]})
        table["ds"] = pd.to_datetime(table["ds"], utc=True, format=_STAMP).dt.as_unit("ns")
        return validate_table(table, step)
    except TableError as error:
        raise TableError(f"{path}: {error}") from None
    except (ValueError, KeyError, pd.errors.ParserError):
        # The parser's own message may quote a cell, that is a reading.
        raise TableError(
            f"{path} is damaged, or not a table that Wattproof wrote: restore a copy from your backup, or "
            "move it away and import the readings again"
        ) from None


def readings_as(readings: pd.DataFrame, quantity: Quantity) -> pd.DataFrame:
    """A long table whose `y` (int64 Wh) is the quantity, in the hours of which it is known.

    Raises TableError where the table says nothing about it.
    """
    if quantity == "load":
        return readings
    if EXPORT not in readings or readings[EXPORT].isna().all():
        raise TableError(
            f"the readings have no column {EXPORT}: import a table of both registers of the meter (docs/meters.md)"
        )
    known = readings[readings[EXPORT].notna()]
    table = known.assign(y=known[EXPORT].astype("int64"))[list(COLUMNS)]
    return validate_table(table.reset_index(drop=True))


def whole_days(readings: pd.DataFrame, unique_id: str, clock: DayClock) -> dict[int, NDArray[np.int64]]:
    """The days of which the home has all 24 hours: day -> int64 [24] Wh. Raises TableError for an unknown home."""
    home = readings[readings["unique_id"] == unique_id]
    if home.empty:
        raise TableError(f"there are no readings of home {unique_id!r}")
    days, first, count = np.unique(clock.days_of(home["ds"]), return_index=True, return_counts=True)
    y = home["y"].to_numpy()
    whole = count == HOURS_PER_DAY
    return {int(day): y[at : at + HOURS_PER_DAY] for day, at in zip(days[whole], first[whole], strict=True)}


def differing_rows(kept: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The hours (or quarters) that two long tables have both measured, with different values: unique_id, ds."""
    both = kept[~kept["filled"]].merge(new[~new["filled"]], on=["unique_id", "ds"])
    differs = both["y_x"] != both["y_y"]
    if EXPORT in kept and EXPORT in new:
        differs |= (both[f"{EXPORT}_x"] != both[f"{EXPORT}_y"]).fillna(False).astype(bool)
    return both.loc[differs, ["unique_id", "ds"]].reset_index(drop=True)


def named_rows(rows: pd.DataFrame, step: Step = HOUR) -> str:
    """Words for some rows (unique_id, ds; at least one): whose they are, how many, from when to when."""
    first, last, count = rows["ds"].min(), rows["ds"].max(), len(rows)
    homes = ", ".join(sorted(set(rows["unique_id"])))
    when = f"{first.isoformat()}" if count == 1 else f"from {first.isoformat()} to {last.isoformat()}"
    return f"{count} {step.plural if count > 1 else step.name} of {homes} ({when})"


def joined_tables(
    files: Sequence[Path], setting: str, read: Callable[[Path], pd.DataFrame], step: Step = HOUR
) -> pd.DataFrame:
    """The tables of all files (at least one), which `setting` names, in one. Raises TableError if two disagree."""
    table = read(files[0])
    for path in files[1:]:
        other = read(path)
        if len(changed := differing_rows(table, other)):
            raise TableError(
                f"{path} and another of {setting} have different values for {named_rows(changed, step)}: name one "
                "table for each home there"
            )
        table = merge_tables(table, other, step)
    return table


def merge_tables(kept: pd.DataFrame, new: pd.DataFrame, step: Step = HOUR) -> pd.DataFrame:
    """Both long tables in one. Where both have a row: a measured value, else a filled one; of two measured values
    the new, of two filled ones the kept. Export that one of them does not know is the other's."""
    if EXPORT in kept or EXPORT in new:
        kept, new = (t if EXPORT in t else t.assign(**{EXPORT: pd.array([pd.NA] * len(t), dtype="Int64")})
                     for t in (kept, new))  # fmt: skip
    both = pd.concat([kept, new], ignore_index=True)
    is_new = np.repeat([False, True], [len(kept), len(new)])
    rank = np.where(both["filled"], 2 + is_new, 1 - is_new)
    ordered = both.assign(rank=rank).sort_values(["unique_id", "ds", "rank"]).drop(columns="rank")
    merged = ordered.drop_duplicates(["unique_id", "ds"]).reset_index(drop=True)
    if EXPORT in merged:
        known = ordered.dropna(subset=[EXPORT]).drop_duplicates(["unique_id", "ds"])[["unique_id", "ds", EXPORT]]
        merged = merged.drop(columns=EXPORT).merge(known, on=["unique_id", "ds"], how="left")
    return validate_table(merged, step)
