"""The time zone that a file tells of all its times: in the name of their column, above the header, or in a column.

A file that says UTC+1 and is read by the clocks of Europe/Berlin is an hour off all summer, or it means these clocks
and is right: only a person knows. Of one that says MEZ or EST most mean the clocks, summer and winter: these are read
by them, and the person is told.
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
from data.importing.plausible import HOUR_S
from data.importing.reading import Readings
from data.importing.sheet import Sheet
from data.importing.words import plain

_OFFSET = re.compile(r"\b(?:utc|gmt)\s?([+-]\d{1,2}(?::?00)?)?(?![\w/+:-])")
_NAMED = re.compile(r"\b(?:Africa|America|Asia|Atlantic|Australia|Europe|Indian|Pacific)/[A-Z][\w/]+")
_TELLS = re.compile(
    r"time ?zone|zeitzone|fuseau|zona horaria|fuso orario|tidszon|\btz\b|^zone$|\btimes? (?:are |is )?in\b|"
    r"\bzeit(?:en|angaben|stempel)?(?: sind| jeweils)? in\b|\bheures? en\b|\bhoras? en\b|\bor(?:a|e|ari|ario) in\b"
)
_HOURS_FROM_UTC = {
    "WET": 0.0, "WEZ": 0.0, "WEST": 1.0, "WESZ": 1.0, "CET": 1.0, "MEZ": 1.0, "CEST": 2.0, "MESZ": 2.0, "EET": 2.0,
    "OEZ": 2.0, "EEST": 3.0, "OESZ": 3.0, "BST": 1.0, "IST": 1.0, "NST": -3.5, "NDT": -2.5, "AST": -4.0, "ADT": -3.0,
    "EST": -5.0, "EDT": -4.0, "CST": -6.0, "CDT": -5.0, "MST": -7.0, "MDT": -6.0, "PST": -8.0, "PDT": -7.0,
    "AKST": -9.0, "AKDT": -8.0, "AWST": 8.0, "ACST": 9.5, "ACDT": 10.5, "AEST": 10.0, "AEDT": 11.0, "NZST": 12.0,
    "NZDT": 13.0,
}  # fmt: skip
"""What clocks are called in one half of the year, where they are changed in the other."""
_ABBREVIATION = re.compile(rf"\b({'|'.join(_HOURS_FROM_UTC)})\b")


def check_zone(
    path: Path, sheet: Sheet, mapping: Mapping, readings: Sequence[Readings], zone: ZoneInfo | None
) -> tuple[str, ...]:
    """Warnings for the person who imports. Raises ImportRefused where times without an offset are read by another
    zone than the file tells of them."""
    walls = np.concatenate([part.wall[part.offsets == NO_OFFSET] for part in readings])
    if zone is None or len(walls) == 0:
        return ()
    noons = [
        datetime.fromtimestamp(day * DAY_S + DAY_S // 2, UTC).replace(tzinfo=None)
        for day in np.unique(walls // DAY_S).tolist()
    ]
    texts = list(_texts(sheet, mapping))
    if told := next(((text, found) for text in texts if (found := _zone_in(text)) is not None), None):
        _check_told(path, *told, zone, noons)
        return ()
    for text in texts:
        names = set(_ABBREVIATION.findall(text))
        if len(names) == 1:  # MEZ/MESZ: clocks that are changed
            return _read_by(text, names.pop(), zone, noons)
    return ()


def _check_told(path: Path, text: str, of_file: ZoneInfo, zone: ZoneInfo, noons: Sequence[datetime]) -> None:
    for noon in noons:
        if noon.replace(tzinfo=zone).utcoffset() != noon.replace(tzinfo=of_file).utcoffset():
            raise ImportRefused(
                path,
                f"says {text[:60]!r}, and that is not the time of {zone.key} on {noon:%Y-%m-%d}: use --timezone "
                f"{of_file.key}. If its times are those of {zone.key}, use --accept-unusual",
            )


def _read_by(text: str, name: str, zone: ZoneInfo, noons: Sequence[datetime]) -> tuple[str, ...]:
    """How times were read whose file tells an abbreviation that is not that of the zone's clocks on each day."""
    hours = _HOURS_FROM_UTC[name]
    other = next((noon for noon in noons if _hours_from_utc(zone, noon) != hours), None)
    if other is None:
        return ()
    fixed = f"Etc/GMT{-int(hours):+d}" if hours == int(hours) else "a place whose clocks are always at that"
    told, read = f"UTC{_shown(hours)}", f"UTC{_shown(_hours_from_utc(zone, other))}"
    return (
        f"the file says {text[:60]!r}, {told}; its times were read by the clocks of {zone.key}, which are at {read} "
        f"on {other:%Y-%m-%d}. If its own are at {told} on that day, too, import with --timezone "
        f"{fixed if hours else 'UTC'}",
    )


def _hours_from_utc(zone: ZoneInfo, noon: datetime) -> float:
    offset = noon.replace(tzinfo=zone).utcoffset()
    return 0.0 if offset is None else offset.total_seconds() / HOUR_S


def _shown(hours: float) -> str:
    """As +1, -5 or +9:30."""
    minutes = round(abs(hours) * 60)
    return f"{'-' if hours < 0 else '+'}{minutes // 60}" + (f":{minutes % 60:02d}" if minutes % 60 else "")


def _texts(sheet: Sheet, mapping: Mapping) -> Iterator[str]:
    """What a file says of its times: the names of their columns, lines above, cells of a column of zones."""
    names = [sheet.names[at] for at in mapping.time] if sheet.names else []
    above = [" ".join(filter(None, cells)) for cells in sheet.above]
    texts = names + [text for text in above if _TELLS.search(plain(text))]
    for at, name in enumerate(sheet.names):
        cells = {row[at] for row in sheet.sample}
        if _TELLS.search(plain(name)) and len(cells) == 1:
            texts += cells
    return (text.strip() for text in texts)


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
