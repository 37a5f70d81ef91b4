"""From times as written to UTC: by offsets where they are written, else by a time zone with its daylight saving.

When clocks go back, an hour of wall time happens twice. The order of the rows tells which is which, if both are
there; if only one is, nobody can tell, and the file is refused. When they go forward, an hour of wall time does not
happen; files that have a row for it all the same have nothing in it.
"""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from data.errors import ImportRefused
from data.importing.cells import DAY_S, NO_OFFSET, Ints

Mask = NDArray[np.bool_]


def zone_named(path: Path, timezone: str) -> ZoneInfo:
    """The zone of an IANA name. Raises ImportRefused."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problem = f"unknown time zone {timezone!r}: use a name such as Europe/Berlin or America/Los_Angeles"
        raise ImportRefused(path, problem) from None


def to_utc(
    path: Path, lines: Ints, wall: Ints, offsets: Ints, zone: ZoneInfo | None, is_nothing: Mask
) -> tuple[Ints, Mask]:
    """UTC seconds [n] of rows in order of time, and which rows name a time that did not happen and hold nothing.

    `is_nothing` [n]: rows without energy. Raises ImportRefused with the line of a time without a zone, of one that
    happened twice and is there once, of one that did not happen.
    """
    bare = offsets == NO_OFFSET
    utc = wall - np.where(bare, 0, offsets)
    unreal = np.zeros(len(wall), dtype=bool)
    if not bare.any():
        return utc, unreal
    if zone is None:
        problem = "the time has no UTC offset: specify the time zone with --timezone"
        raise ImportRefused(path, problem, int(lines[bare.argmax()]))
    days, of_day = np.unique(wall[bare] // DAY_S, return_inverse=True)
    begins = np.array([_offset(zone, int(day) * DAY_S) for day in days], dtype=np.int64)
    ends = np.array([_offset(zone, int(day + 1) * DAY_S) for day in days], dtype=np.int64)
    shift = np.where(bare, 0, 0)
    shift[bare] = begins[of_day]
    changing = np.flatnonzero(bare)[(begins != ends)[of_day]]
    shift[changing], unreal[changing] = _of_changing_days(path, zone, lines[changing], wall[changing])
    wrong = np.flatnonzero(unreal & ~is_nothing)
    if len(wrong):
        at = _written(int(wall[wrong[0]]))
        raise ImportRefused(
            path,
            f"{at} did not occur in {zone.key}: clocks were put forward past it{_standard(zone)}",
            int(lines[wrong[0]]),
        )
    return utc - shift, unreal


def _offset(zone: ZoneInfo, wall: int, fold: int = 0) -> int:
    delta = _written(wall).replace(tzinfo=zone, fold=fold).utcoffset()
    return 0 if delta is None else int(delta.total_seconds())


def _standard(zone: ZoneInfo) -> str:
    """How to name a zone's time without daylight saving, for a refusal."""
    offset = min(_offset(zone, 86_400 * day) for day in (20_454, 20_635))  # in January and July 2026
    hours, rest = divmod(offset, 3600)
    return "" if rest else f". If the file has standard time all year, use --timezone Etc/GMT{-hours:+d}"


def _written(wall: int) -> datetime:
    return datetime.fromtimestamp(wall, UTC).replace(tzinfo=None)


def _of_changing_days(path: Path, zone: ZoneInfo, lines: Ints, wall: Ints) -> tuple[Ints, Mask]:
    """Offsets of rows on days on which clocks change, and which rows name a time that did not happen."""
    times, of_time = np.unique(wall, return_inverse=True)
    first, second = (np.array([_offset(zone, int(t), fold) for t in times], dtype=np.int64) for fold in (0, 1))
    # At a gap fold 0 has the offset before it, at a repeated time that of summer: PEP 495.
    twice, unreal = (first > second)[of_time], (first < second)[of_time]
    chosen = first[of_time]
    at = np.flatnonzero(twice)
    for night in np.split(at, np.flatnonzero(np.diff(wall[at]) > DAY_S // 2) + 1):
        if len(night) == 0:
            continue
        if _are_in_pairs(wall, night):
            chosen[night[1::2]] = second[of_time][night[1::2]]
            continue
        back = np.flatnonzero(np.diff(wall[night]) <= 0)
        if len(back) != 1:
            when = _written(int(wall[night[0]]))
            problem = (
                f"{when} occurred twice in {zone.key}, but the file has it once: write UTC offsets for that night"
                f"{_standard(zone)}"
            )
            raise ImportRefused(path, problem, int(lines[night[0]]))
        later = night[back[0] + 1 :]
        chosen[later] = second[of_time][later]
    return chosen, unreal


def _are_in_pairs(wall: Ints, night: Ints) -> bool:
    """Whether each time of a repeated hour follows itself once, as in tables that are sorted by wall time: the first
    of a pair is of the first hour. Not where the times before them are there twice, too."""
    if len(night) < 4 or len(night) % 2 or not (wall[night[::2]] == wall[night[1::2]]).all():
        return False
    before = wall[max(0, night[0] - len(night) // 2) : night[0]]
    return bool((np.diff(wall[night[::2]]) > 0).all()) and len(np.unique(before)) == len(before)
