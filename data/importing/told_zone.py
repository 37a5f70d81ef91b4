"""The time zone that a file tells of all its times: in the name of their column, above the header, or in a column.

A file that says UTC+1 and is read by the clocks of Europe/Berlin is an hour off all summer, or it means these clocks
and is right: only a person knows.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from data.errors import ImportRefused
from data.importing.cells import DAY_S, NO_OFFSET
from data.importing.mapping import Mapping
from data.importing.reading import Readings
from data.importing.sheet import Sheet
from data.importing.words import plain

_OFFSET = re.compile(r"\b(?:utc|gmt)\s?([+-]\d{1,2}(?::?00)?)?(?![\w/+:-])")
_NAMED = re.compile(r"\b(?:Africa|America|Asia|Atlantic|Australia|Europe|Indian|Pacific)/[A-Z][\w/]+")
_TELLS = re.compile(
    r"time ?zone|zeitzone|fuseau|zona horaria|fuso orario|tidszon|\btz\b|^zone$|\btimes? (?:are |is )?in\b"
)


def check_zone(
    path: Path, sheet: Sheet, mapping: Mapping, readings: Sequence[Readings], zone: ZoneInfo | None
) -> None:
    """Raises ImportRefused where times without an offset are read by another zone than the file tells of them."""
    walls = np.concatenate([part.wall[part.offsets == NO_OFFSET] for part in readings])
    told = next(_told(sheet, mapping), None)
    if zone is None or told is None or len(walls) == 0:
        return
    text, of_file = told
    for day in np.unique(walls // DAY_S).tolist():
        noon = datetime.fromtimestamp(day * DAY_S + DAY_S // 2, UTC).replace(tzinfo=None)
        if noon.replace(tzinfo=zone).utcoffset() != noon.replace(tzinfo=of_file).utcoffset():
            raise ImportRefused(
                path,
                f"says {text[:60]!r}, and that is not the time of {zone.key} on {noon:%Y-%m-%d}: use --timezone "
                f"{of_file.key}. If its times are those of {zone.key}, use --accept-unusual",
            )


def _told(sheet: Sheet, mapping: Mapping) -> Iterator[tuple[str, ZoneInfo]]:
    """The zones that a file tells, each with the words that do."""
    names = [sheet.names[at] for at in mapping.time] if sheet.names else []
    above = [" ".join(filter(None, cells)) for cells in sheet.above]
    texts = names + [text for text in above if _TELLS.search(plain(text))]
    for at, name in enumerate(sheet.names):
        cells = {row[at] for row in sheet.sample}
        if _TELLS.search(plain(name)) and len(cells) == 1:
            texts += cells
    for text in texts:
        if (zone := _zone_in(text)) is not None:
            yield text.strip(), zone


def _zone_in(text: str) -> ZoneInfo | None:
    """The zone that a text names, as UTC+1 or Europe/Berlin."""
    if match := _NAMED.search(text):
        try:
            return ZoneInfo(match[0])
        except (ZoneInfoNotFoundError, ValueError):
            return None
    if not (match := _OFFSET.search(plain(text))):
        return None
    hours = int((match[1] or "0").partition(":")[0][:3])
    return ZoneInfo(f"Etc/GMT{-hours:+d}" if hours else "UTC") if -12 <= hours <= 14 else None
