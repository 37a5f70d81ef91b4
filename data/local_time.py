"""From a file's stamps to UTC: offsets where they are written, else a time zone with its daylight saving.

When clocks go back, an hour of wall time happens twice. The order of the rows tells which is which, if both are
there; if only one is, nobody can tell, and the file is refused.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from data.errors import ImportRefused


def to_utc(path: Path, lines: Sequence[int], stamps: Sequence[datetime], timezone: str | None) -> list[datetime]:
    """The stamps in UTC, strictly increasing. `timezone` (IANA name) is that of stamps without an offset.

    Raises ImportRefused naming the line of a stamp without a zone, out of order, double, ambiguous or impossible.
    """
    zone = None if timezone is None else _zone(path, timezone)
    moments: list[datetime] = []
    twice: dict[datetime, list[int]] = {}
    for line, stamp in zip(lines, stamps, strict=True):
        last = moments[-1] if moments else None
        if stamp.tzinfo is not None:
            moment = stamp.astimezone(UTC)
        elif zone is None:
            raise ImportRefused(path, "the time has no UTC offset: say in which time zone it is (--timezone)", line)
        else:
            moment, is_ambiguous = _from_wall(path, line, stamp, zone, last)
            if is_ambiguous:
                twice.setdefault(stamp, []).append(line)
        if last is not None and moment <= last:
            problem = "is there twice" if moment == last else "is earlier than the line before"
            raise ImportRefused(path, f"the time {problem}: keep each reading once, in order of time", line)
        moments.append(moment)
    for stamp, where in twice.items():
        if len(where) == 1:
            problem = (
                f"{stamp} happened twice in {timezone}, and the file has it once: write UTC offsets for that night"
            )
            raise ImportRefused(path, problem, where[0])
    return moments


def _zone(path: Path, timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problem = f"there is no time zone {timezone!r}: use a name such as Europe/Berlin or America/Los_Angeles"
        raise ImportRefused(path, problem) from None


def _from_wall(
    path: Path, line: int, stamp: datetime, zone: ZoneInfo, last: datetime | None
) -> tuple[datetime, bool]:
    """The moment of a wall time, and whether that wall time happened twice."""
    first = stamp.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = stamp.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) != stamp:
        raise ImportRefused(path, f"{stamp} did not happen in {zone.key}: clocks went forward over it", line)
    return (second if last is not None and first <= last else first), first != second
