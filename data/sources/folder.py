"""A watched folder: each export placed in it is imported once."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from data.errors import SourceError
from data.importing.command_options import column_roles, date_order, row_filter
from data.sources.exports import hours_of_export, isolated
from data.sources.settings import LiveSettings
from data.sources.source import Hour, Reading, need

_log = logging.getLogger(__name__)
_FLAGS = ("end_stamps", "cumulative", "accept_unusual")
_OPTIONS = ("timezone", "map", "where", "preset", "dates", *_FLAGS)


class Folder:
    """Files that are new or have changed since they were last read; after a restart all are read again, which changes
    nothing that is stored. One that is refused is named in the log once, and read again when it has changed."""

    def __init__(self, settings: LiveSettings) -> None:
        options = need(settings, may=_OPTIONS)
        if settings.path is None:
            raise SourceError("folder needs data.live.path, the folder to watch")
        self._folder = settings.path
        self._options: dict[str, Any] = {
            "unique_id": "home",
            "timezone": options.get("timezone"),
            "stamp": "end" if settings.options.get("end_stamps") else "start",
            "cumulative": bool(settings.options.get("cumulative")),
            "accept_unusual": bool(settings.options.get("accept_unusual")),
            "preset": options.get("preset"),
            "dates": date_order(options.get("dates")),
            "columns": column_roles([options["map"]] if "map" in options else ()),
            "where": row_filter([options["where"]] if "where" in options else ()),
        }
        self._seen: dict[Path, tuple[int, int]] = {}

    def poll(self, since: datetime | None) -> Iterable[Reading]:
        """The hours of new files, the oldest file first."""
        try:
            stamps = {path: _stamp(path) for path in self._folder.iterdir() if _counts(path)}
        except OSError:
            raise SourceError(f"{self._folder} can't be read: it should be a folder of exports") from None
        new = [path for path, stamp in stamps.items() if self._seen.get(path) != stamp]
        hours: list[Hour] = []
        for path in sorted(new, key=lambda path: stamps[path]):
            found = isolated(hours_of_export, path, self._options)
            self._seen[path] = stamps[path]
            if isinstance(found, str):
                _log.warning("export refused", extra={"reason": found})
            else:
                hours += found.hours
                for warning in found.warnings:
                    _log.warning("export imported, with a warning", extra={"reason": f"{path}: {warning}"})
        return hours


def _counts(path: Path) -> bool:
    """Whether a file is an export: hidden ones, and those that are being downloaded, are not."""
    return path.is_file() and not path.name.startswith(".") and path.suffix not in (".part", ".crdownload", ".tmp")


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def open_source(settings: LiveSettings) -> Folder:
    """Raises SourceError where the folder or an option can't be."""
    return Folder(settings)
