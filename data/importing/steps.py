"""How far apart readings are: the interval of a file, and its grid."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import ImportRefused
from data.importing.cells import Ints
from data.importing.plausible import HOUR_S
from data.importing.series import Series

INTERVALS_S = (10, 15, 20, 30, *(60 * minutes for minutes in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)))
_RUN = 4
"""That many equal steps in a row, longer than the interval, are not gaps but another interval."""
_SHARE, _FEWEST = 0.1, 5
"""As are that many of all steps, wherever they are."""
_BESIDE_S = 60
"""A register that is polled at the quarter may be read so many seconds beside it."""


@dataclass(frozen=True)
class Steps:
    """`interval`: seconds; None for a register that is read at any times. `names_last`: times are those of the last
    second, or minute, of each interval."""

    interval: int | None
    names_last: bool = False

    def on_grid(
        self, path: Path, lines: Ints, utc: Ints, energy: Ints, *, is_register: bool
    ) -> tuple[Ints, Ints, Ints]:
        """Readings with their times on the grid of UTC hours. Raises ImportRefused for one that is not on it."""
        if self.interval is None:
            return lines, utc, energy
        beside = _beside(utc, self.interval)
        off = np.flatnonzero(np.abs(beside) > _allowed(self.interval))
        if len(off):
            problem = f"the time is not on the {_minutes(self.interval)} grid of UTC hours: export at full intervals"
            raise ImportRefused(path, problem, int(lines[off[0]]))
        utc = utc - beside
        twice = np.flatnonzero(np.diff(utc) == 0)
        if len(twice) and not is_register:
            problem = "two readings are in the same interval: keep each reading once"
            raise ImportRefused(path, problem, int(lines[twice[0] + 1]))
        if len(twice):
            kept = np.insert(np.diff(utc) != 0, 0, True)
            return lines[kept], utc[kept], energy[kept]
        return lines, utc, energy


def steps_of(path: Path, series: list[Series], *, is_register: bool) -> Steps:
    """The interval of the columns of one flow: their most common step. Raises ImportRefused where there is none."""
    utc = np.unique(np.concatenate([one.utc for one in series])) if len(series) > 1 else series[0].utc
    lines = series[0].lines
    if len(utc) < 2:
        raise ImportRefused(path, "has only one reading, which does not determine the interval", int(lines[0]))
    steps = np.diff(utc)
    rounded = np.where(steps < 45, steps, (steps + 30) // 60 * 60)
    sizes, counts = np.unique(rounded, return_counts=True)
    interval = int(sizes[np.argmax(counts)])
    if interval > HOUR_S:
        raise ImportRefused(
            path, f"readings are {interval / 60:g} minutes apart: at most 60 are supported; export at 60, 30 or 15"
        )
    if is_register and (interval not in INTERVALS_S or not _is_on_grid(utc, interval)):
        return Steps(None)
    if interval not in INTERVALS_S:
        raise ImportRefused(path, f"readings are {interval / 60:g} minutes apart: that does not divide an hour")
    if not is_register and len(series) == 1:
        _check_steady(path, lines, rounded, interval)
    beside = set(_beside(utc, interval).tolist())
    return Steps(interval, names_last=not is_register and beside in ({-1}, {-60}))


def _is_on_grid(utc: Ints, interval: int) -> bool:
    return bool((np.abs(_beside(utc, interval)) <= _allowed(interval)).all())


def _beside(utc: Ints, interval: int) -> Ints:
    """Seconds from the nearest point of the grid."""
    return (utc + interval // 2) % interval - interval // 2


def _allowed(interval: int) -> int:
    return min(_BESIDE_S, interval // 10)


def _check_steady(path: Path, lines: Ints, steps: Ints, interval: int) -> None:
    """Refuse a file whose interval changes: its longer intervals would pass for gaps, and their energy be doubled."""
    for other in INTERVALS_S:
        if other <= interval or len(steps) < _RUN:
            continue
        is_other = steps == other
        runs = np.convolve(is_other, np.ones(_RUN), mode="valid") == _RUN
        if runs.any() or is_other.sum() >= max(_FEWEST, _SHARE * len(steps)):
            at = int(runs.argmax()) if runs.any() else int(is_other.argmax())
            problem = (
                f"the interval changes: readings are {_minutes(other)} apart here, elsewhere {_minutes(interval)}; "
                "import each part"
            )
            raise ImportRefused(path, problem, int(lines[at]))


def _minutes(seconds: int) -> str:
    return f"{seconds / 60:g} minutes" if seconds != 60 else "1 minute"
