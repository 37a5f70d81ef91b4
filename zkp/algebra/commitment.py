"""Additive, hiding vector commitments to whole-number readings and forecasts.

C = sum_k v_k tau^k G + b H: a Pedersen commitment (1991) whose bases are the ceremony's powers, so that it is at the
same time a row of the proof's committed matrix. It hides perfectly (b is uniform, H has an unknown logarithm) and
commitments add up like their contents.

A meter day stands in a ring of slots, slot = 24 * (day mod 7) + hour: the sum of seven consecutive signed days is the
commitment of the whole window, whatever day it ends on, and no day is ever committed twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from zkp.algebra.curve import Curve, Point
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import Setup, load_setup
from zkp.algebra.vector import fresh_scalars
from zkp.errors import InvalidStatement

DAY_HOURS = 24
FORECAST_VALUES = 2 * DAY_HOURS
"""A forecast's typical hours stand in the first 24 slots, its means in the next 24."""
RING_DAYS = 7
RING_SLOTS = DAY_HOURS * RING_DAYS
MAX_READING_WH = (1 << 17) - 1
"""Largest hourly reading, 131 kWh: far above a home's fuse, small enough that no sum can wrap."""


def random_blinding() -> int:
    """A uniform scalar from the operating system."""
    return fresh_scalars(1)[0]


def ring_slots(day: int) -> range:
    """The 24 slots of a community day in the ring."""
    first = DAY_HOURS * (day % RING_DAYS)
    return range(first, first + DAY_HOURS)


def window_days(day: int, horizon: int = 1) -> range:
    """The seven days that `day` is forecast from, oldest first: the last of them is `horizon` days before it."""
    origin = day - horizon + 1
    return range(origin - RING_DAYS, origin)


def window_slots(day: int, horizon: int = 1) -> list[int]:
    """Slots of the 168 hours that `day` is forecast from, oldest first."""
    return [s for d in window_days(day, horizon) for s in ring_slots(d)]


def commit_point(setup: Setup, slots: Sequence[int], values: Sequence[int], blinding: int) -> Point:
    """The commitment as a point of the set-up's curve."""
    powers = setup.powers(max(slots) + 1)
    bases = [powers[s] for s in slots] + [setup.blinder]
    return setup.curve.msm(bases, [*values, blinding])


def commit_hours(slots: Sequence[int], values: Sequence[int], blinding: int) -> bytes:
    """Commit to values (whole Wh, of either sign) in the given slots; 48 bytes. Raises InvalidStatement."""
    if len(values) != len(slots):
        raise InvalidStatement(f"{len(slots)} values are committed to together, here are {len(values)}")
    setup = load_setup()
    return setup.curve.encode(commit_point(setup, slots, list(values), blinding % MODULUS))


def commit_day(day: int, readings: Sequence[int], blinding: int) -> bytes:
    """Commit to the 24 readings (Wh, 0..MAX_READING_WH) of a community day; 48 bytes.

    Raises InvalidStatement when there are not 24 readings or one is out of range.
    """
    if len(readings) != DAY_HOURS:
        raise InvalidStatement(f"a day has {DAY_HOURS} readings, here are {len(readings)}")
    if any(not 0 <= v <= MAX_READING_WH for v in readings):
        raise InvalidStatement(f"a reading is not between 0 and {MAX_READING_WH} Wh")
    return commit_hours(ring_slots(day), readings, blinding)


def commit_forecast(values: Sequence[int], blinding: int) -> bytes:
    """Commit to a day's forecast: 24 typical hours, then 24 means (whole Wh, of either sign); 48 bytes."""
    return commit_hours(range(FORECAST_VALUES), values, blinding)


def add(commitments: Sequence[bytes]) -> bytes:
    """The commitment to the sum (or, for days of one ring, to the window). Raises MalformedProof."""
    curve: Curve = load_setup().curve
    total = curve.identity()
    for data in commitments:
        total = curve.add(total, curve.decode(data))
    return curve.encode(total)
