"""The signed days of a period, as committed inputs of a proof.

Days of one week (day // 7) stand in different slots of the ring, so that the sum of their commitments holds all of
them side by side: a month is a row of cells for each of its five or six weeks, whichever of its days there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from eth_hash.auto import keccak

from zkp.algebra.commitment import DAY_HOURS, RING_DAYS, RING_SLOTS, ring_slots
from zkp.algebra.curve import G1_BYTES, Point
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import Setup
from zkp.algebra.vector import Vector
from zkp.argument.cells import Term
from zkp.argument.forms import DenseForm
from zkp.argument.relation import CommittedInput
from zkp.errors import InvalidStatement, WitnessError
from zkp.statements.context import Context

MOST_DAYS = 366
MAX_SHARE_WH = 1 << 40
"""A terawatt-hour: far more than a home can be given, far below where anything wraps."""


@dataclass(frozen=True)
class PeriodStatement:
    """What statements about a period have in common; `numbers` are 24 public ones for each day.

    context.day is the first of the days and context.round is 0, for no model is spoken of. `share`: whole Wh, opened.
    """

    context: Context
    days: tuple[int, ...]
    commitments: tuple[bytes, ...]
    numbers: tuple[tuple[int, ...], ...]
    share: int

    most = 0
    """Largest of the numbers."""

    def __post_init__(self) -> None:
        count = len(self.days)
        if not 0 < count <= MOST_DAYS or len(self.commitments) != count or len(self.numbers) != count:
            raise InvalidStatement(f"a period has 1 to {MOST_DAYS} days, each with a commitment and public numbers")
        if any(later <= day for day, later in zip(self.days, self.days[1:], strict=False)):
            raise InvalidStatement("the days of a period must rise: none of them twice")
        if self.days[0] != self.context.day or self.days[-1] >= 1 << 32:
            raise InvalidStatement("the days of a period begin with the day of its context, and are 32-bit numbers")
        if any(len(commitment) != G1_BYTES for commitment in self.commitments):
            raise InvalidStatement(f"a day's commitment has {G1_BYTES} bytes")
        if any(len(each) != DAY_HOURS or not 0 <= min(each) <= max(each) <= self.most for each in self.numbers):
            raise InvalidStatement(f"each day has {DAY_HOURS} public numbers from 0 to {self.most}")
        if not 0 <= self.share < MAX_SHARE_WH:
            raise InvalidStatement(f"a share is between 0 and {MAX_SHARE_WH - 1} Wh, not {self.share}")

    def encode(self) -> bytes:
        """Every public value, in one canonical order; what the transcript absorbs."""
        days = b"".join(day.to_bytes(4, "big") for day in self.days)
        numbers = b"".join(value.to_bytes(8, "big") for each in self.numbers for value in each)
        parts = [
            self.context.encode(),
            days,
            b"".join(self.commitments),
            keccak(numbers),
            self.share.to_bytes(8, "big"),
        ]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    @cached_property
    def weeks(self) -> tuple[tuple[int, ...], ...]:
        """Places, in `days`, of the days that share a row."""
        found: dict[int, list[int]] = {}
        for place, day in enumerate(self.days):
            found.setdefault(day // RING_DAYS, []).append(place)
        return tuple(map(tuple, found.values()))

    def inputs(self, setup: Setup) -> tuple[CommittedInput, ...]:
        """A row for each week: the sum of its days' commitments. Raises MalformedProof for what is no commitment."""
        return tuple(CommittedInput(name, RING_SLOTS, (point,)) for name, point in self._sums(setup))

    def _sums(self, setup: Setup) -> Iterator[tuple[str, Point]]:
        for week, places in enumerate(self.weeks):
            total = setup.curve.identity()
            for place in places:
                total = setup.curve.add(total, setup.curve.decode(self.commitments[place]))
            yield block(week), total

    def weighted(self, weights: Sequence[Sequence[int]]) -> list[Term]:
        """sum over days and hours of weight * reading, for 24 public weights of each day."""
        terms = []
        for week, places in enumerate(self.weeks):
            ring = [0] * RING_SLOTS
            for place in places:
                slots = ring_slots(self.days[place])
                ring[slots.start : slots.stop] = weights[place]
            terms.append(Term(block(week), 1, DenseForm(tuple(ring))))
        return terms

    def openings(
        self, readings: Sequence[Sequence[int]], blindings: Sequence[int]
    ) -> dict[str, Sequence[tuple[Vector, int] | None]]:
        """The rows' cells and blindings, from those of the days. Raises WitnessError where some are missing."""
        if len(readings) != len(self.days) or len(blindings) != len(self.days):
            raise WitnessError(f"the statement has {len(self.days)} days: each needs its readings and its blinding")
        if any(len(each) != DAY_HOURS for each in readings):
            raise WitnessError(f"a day has {DAY_HOURS} readings")
        out: dict[str, Sequence[tuple[Vector, int] | None]] = {}
        for week, places in enumerate(self.weeks):
            ring = np.zeros(RING_SLOTS, dtype=np.int64)
            for place in places:
                ring[list(ring_slots(self.days[place]))] = readings[place]
            blinding = sum(blindings[place] for place in places) % MODULUS
            out[block(week)] = [(Vector.from_array(ring), blinding)]
        return out


def block(week: int) -> str:
    """The name of a week's row."""
    return f"week {week}"
