"""Hours of an exported file, read in a separate process: an agent stays small, whatever the file is."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from data.errors import SourceError
from data.process_pool import ProcessPool
from data.sources.source import Hour, Quarters

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

Result = TypeVar("Result")
_PER_HOUR = 4


def isolated(work: Callable[..., Result], *arguments: Any) -> Result:
    """What `work` returns or raises, done in a process that ends with it."""
    with ProcessPool(1) as pool:
        try:
            return pool.submit(work, *arguments).result()
        except BrokenProcessPool:
            raise SourceError("a process that reads or stores readings was ended: is there memory left?") from None


@dataclass(frozen=True)
class Export:
    """The hours of a file, and what a person should know about it."""

    hours: list[Hour] = field(repr=False)
    warnings: tuple[str, ...]


def hours_of_export(path: Path, options: dict[str, Any]) -> Export | str:
    """What a file has, quarters included; the reason if it is refused (ImportRefused cannot be pickled)."""
    from data.errors import DataError
    from data.importing.importer import import_file
    from data.importing.options import ImportOptions

    try:
        imported = import_file(path, ImportOptions(**options, quarters=True))
    except DataError as refused:
        return str(refused)
    table, quarters = imported.readings, _quarters_by_hour(imported.quarters)
    hours = [
        Hour(at.to_pydatetime().astimezone(UTC), int(wh), out, bool(filled), quarters.get(at))
        for at, wh, filled, out in zip(table["ds"], table["y"], table["filled"], _exports(table), strict=True)
    ]
    return Export(hours, imported.warnings)


def _exports(table: pd.DataFrame) -> list[int | None]:
    told = table["export"].tolist() if "export" in table else [None] * len(table)
    return [out if isinstance(out, int) else None for out in told]


def _quarters_by_hour(table: pd.DataFrame | None) -> dict[pd.Timestamp, Quarters]:
    """By the hour's start; empty where a file has none. Each hour of a table of quarters has all four."""
    if table is None:
        return {}
    imported, exported = table["y"].tolist(), _exports(table)
    found = {}
    for at in range(0, len(table), _PER_HOUR):
        four = slice(at, at + _PER_HOUR)
        known = tuple(wh for wh in exported[four] if wh is not None)
        found[table["ds"].iloc[at]] = Quarters(tuple(imported[four]), known if len(known) == _PER_HOUR else None)
    return found


def epoch_hour(moment: datetime) -> int:
    """Seconds since 1970 of the hour that `moment` is in."""
    return int(moment.timestamp()) // 3600 * 3600
