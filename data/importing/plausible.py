"""Implausible figures: a wrong unit, a register taken for energy, a register that stood still and jumps.

A message shows a figure only if no home has such figures.
"""

from pathlib import Path

import numpy as np

from data.errors import ImportRefused
from data.importing.cells import Floats, Ints
from data.importing.words import Unit, says_nothing, says_power
from data.table import MAX_WH_PER_HOUR

MICRO = 1_000_000
"""Energy is counted in millionths of a Wh: sums are exact for all that a meter writes (9 decimals of a kWh)."""
HOUR_S = 3600
USUAL_KWH_A_DAY = (0.1, 300.0)
"""A home on holiday takes more than the one, one with a car and a heat pump less than the other."""
_TOLD_KWH_A_DAY = (0.3, 300.0)
_JUDGED_HOURS = 12
_REGISTER_ROWS = 24
_RISING_ROWS = 12
_STILL_S = 3 * HOUR_S
_EVEN_STEPS = 3
ACCEPT = "If the figures are right, use --accept-unusual"


def unit_of(path: Path, name: str, numbers: Floats, hours: float, interval: int | None, *, is_register: bool) -> Unit:
    """The unit of values that name none: that in which a home takes as much. Raises ImportRefused if none is, or if
    they may be energy or power, which differ in `interval`s of less than an hour."""
    amount = float(numbers[-1] - numbers[0]) if is_register else float(numbers.sum())
    big, small = ("kw", "w") if says_power(name) else ("kwh", "wh")
    a_day = amount / max(hours, 1.0) * 24
    if says_power(name):
        a_day = float(numbers.mean()) * 24
    low, high = _TOLD_KWH_A_DAY
    if not is_register and interval is not None and interval < HOUR_S and says_nothing(name):
        problem = f"{name!r} names no unit: is it energy in each interval, or power? Specify it with --map wh={name},"
        raise ImportRefused(path, f"{problem} kwh={name}, w={name} or kw={name}")
    if a_day == 0 or low <= a_day <= high:
        return big  # type: ignore[return-value]
    if low <= a_day / 1000 <= high:
        return small  # type: ignore[return-value]
    problem = (
        f"{name!r} names no unit, and the values are implausible both in {big} and in {small}: specify it with --map"
    )
    raise ImportRefused(path, f"{problem} {big}={name}, or {small}={name}")


def check_register(path: Path, lines: Ints, numbers: Floats, *, accepted: bool) -> None:
    """Refuse values that only grow, where nobody said that they are a register: many times, or to what is far above
    their own steps."""
    steps = np.diff(numbers)
    if accepted or (steps < 0).any() or not (steps > 0).any():
        return
    is_far_above = len(numbers) >= _REGISTER_ROWS and numbers[0] > 10 * steps.max()
    if is_far_above or (steps > 0).sum() >= _RISING_ROWS:
        problem = f"the values only grow, as a cumulative register does: use --cumulative. {ACCEPT}"
        raise ImportRefused(path, problem, int(lines[0]))


def check_counter_of_day(path: Path, lines: Ints, utc: Ints, numbers: Floats, *, accepted: bool) -> None:
    """Refuse values that grow all day and begin anew each day, as a display of today's energy does."""
    steps = np.diff(numbers)
    down = np.flatnonzero(steps < 0)
    if accepted or len(numbers) < _REGISTER_ROWS or len(down) == 0 or len(down) * 6 > len(steps):
        return
    span_s, apart = int(utc[-1] - utc[0]), np.diff(utc[down + 1])
    begins_anew = (numbers[down + 1] <= 0.3 * numbers[down]).all()
    is_daily = (abs(apart - 24 * HOUR_S) <= HOUR_S).all() and len(down) >= span_s // (24 * HOUR_S)
    grows_unevenly = len(np.unique(np.round(steps[steps > 0], 6))) > _EVEN_STEPS
    if begins_anew and is_daily and grows_unevenly and (steps > 0).mean() > 0.5:
        problem = (
            "the values grow all day and begin anew each day, as a count of today's energy does: export the energy "
            f"of each hour, or the register. {ACCEPT}"
        )
        raise ImportRefused(path, problem, int(lines[down[0] + 1]))


def check_sign(path: Path, lines: Ints, numbers: Floats, flow: str) -> None:
    """Refuse negative energy."""
    below = np.flatnonzero(numbers < 0)
    if len(below) == 0:
        return
    if flow == "export":
        problem = "the export is negative: write exported energy as a positive number"
    else:
        problem = (
            "the energy is negative: a net of import and export cannot be separated; put imported energy in one "
            "column, and exported energy in export_kwh"
        )
    raise ImportRefused(path, problem, int(lines[below[0]]))


def check_size(path: Path, lines: Ints, energy: Ints, intervals: Ints, interval: int) -> None:
    """Refuse more energy (µWh) in so many intervals than a home can take."""
    limit = MAX_WH_PER_HOUR * interval / HOUR_S
    over = np.flatnonzero(energy > limit * MICRO * intervals)
    if len(over) == 0:
        return
    mwh = energy[over[0]] / MICRO / 1e6
    figure = f" (about {mwh:.2g} MWh)" if mwh >= 1 else ""
    minutes = f"{interval * int(intervals[over[0]]) / 60:g} minutes"
    problem = f"more than {limit / 1000:.0f} kWh in {minutes}{figure}: is it Wh, or a cumulative register?"
    raise ImportRefused(path, problem, int(lines[over[0]]))


def check_still(path: Path, lines: Ints, utc: Ints, register: Ints, *, accepted: bool) -> None:
    """Refuse a register that stood still for hours and then has them in one step: when they were is not known."""
    steps, times = np.diff(register), np.diff(utc)
    moving = steps[steps > 0]
    if accepted or len(moving) < _REGISTER_ROWS or (steps == 0).mean() > 0.5:
        return
    usual, rate = float(np.quantile(moving, 0.9)), float(np.median(steps / times))
    ends = np.flatnonzero((steps > 0) & np.insert(steps[:-1] == 0, 0, False))
    before = np.maximum.accumulate(np.where(steps > 0, np.arange(len(steps)), -1))  # the last step that moved
    for at in ends:
        still = int(utc[at] - utc[before[at - 1] + 1])
        if still >= _STILL_S and steps[at] > max(2 * usual, rate * still / 2):
            problem = (
                f"the register stood still for {still / HOUR_S:.0f} hours and jumps here: it was not read meanwhile; "
                f"empty the cells of these hours to leave a gap. {ACCEPT}"
            )
            raise ImportRefused(path, problem, int(lines[at + 1]))


def check_day(path: Path, hours: Ints, *, has_export: bool, accepted: bool) -> tuple[str, ...]:
    """Warnings about a home's whole hours (Wh). Raises ImportRefused for a mean that no home has."""
    if not hours.any():
        return ("all hours are zero: is that the right column, and is the meter connected?",)
    a_day = float(hours.mean()) * 24 / 1000
    low, high = USUAL_KWH_A_DAY
    if accepted or len(hours) < _JUDGED_HOURS:
        return ()
    if a_day > high:
        problem = f"that would be {_two_digits(a_day)} kWh a day: is it Wh, or W, or a cumulative register?"
        raise ImportRefused(path, f"{problem} {ACCEPT}")
    if a_day < low and not has_export:
        problem = f"that would be {_two_digits(a_day)} kWh a day: is it kWh that is named Wh, or in thousands?"
        raise ImportRefused(path, f"{problem} {ACCEPT}")
    return ()


def _two_digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}"
