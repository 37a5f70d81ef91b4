"""Hours of an exported file, read in a separate process: an agent stays small, whatever the file is."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from data.errors import SourceError
from data.process_pool import ProcessPool
from data.sources.source import Hour

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


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
    """What a file has; the reason if it is refused (ImportRefused cannot be pickled)."""
    from data.errors import DataError
    from data.importing.importer import import_file
    from data.importing.options import ImportOptions

    try:
        imported = import_file(path, ImportOptions(**options))
    except DataError as refused:
        return str(refused)
    table = imported.readings
    exports = table["export"].tolist() if "export" in table else [None] * len(table)
    hours = [
        Hour(at.to_pydatetime().astimezone(UTC), int(wh), out if isinstance(out, int) else None, bool(filled))
        for at, wh, filled, out in zip(table["ds"], table["y"], table["filled"], exports, strict=True)
    ]
    return Export(hours, imported.warnings)


def epoch_hour(moment: datetime) -> int:
    """Seconds since 1970 of the hour that `moment` is in."""
    return int(moment.timestamp()) // 3600 * 3600
