"""The arithmetic of shared energy: whole watt-hours in, whole watt-hours out, and not one made or lost.

In each hour a community shares the smaller of what all its members fed in and what all took (for Italy: ARERA
727/2022, TIAD). A key splits it among those who took, in proportion to what they took (`pro_rata`), class by class
(`priority`), by fixed parts (`static`) or in equal ones (`equal`); among those who fed in it is split in proportion.

Proportions are public coefficients of a member's signed readings, in fixed point, rounded down; `static` and `equal`
give public allotments, of which a member gets what it took at most. All rounding is downwards, so that shares never
exceed what was shared; what is left over is the remainder, and belongs to the community.
"""

from __future__ import annotations

from collections.abc import Sequence

from zkp.algebra.commitment import MAX_READING_WH
from zkp.statements.shared_energy import ONE

Hours = tuple[int, ...]
"""A value for each hour."""
WHOLE = 10_000
"""Fixed parts are given in ten-thousandths."""


def shared(exported: Sequence[int], imported: Sequence[int]) -> Hours:
    """Shared energy of each hour (Wh) from the totals of all members (Wh)."""
    return tuple(min(fed_in, taken) for fed_in, taken in zip(exported, imported, strict=True))


def coefficients(part: Sequence[int], of: Sequence[int]) -> Hours:
    """For each hour part / of as a number of 2^-32, rounded down; 0 where there is nothing to split.

    Raises ValueError where a part is more than the whole: a member would get more than it took.
    """
    if any(not 0 <= p <= whole for p, whole in zip(part, of, strict=True)):
        raise ValueError("what is split in proportion can't be more than what it is split by")
    return tuple(ONE * p // whole if whole else 0 for p, whole in zip(part, of, strict=True))


def by_class(pot: Sequence[int], classes: Sequence[Sequence[int]]) -> list[Hours]:
    """What each class gets of the hours' shared energy: the first what it took, the next of what it leaves."""
    left, out = list(pot), []
    for taken in classes:
        given = shared(left, taken)
        left = [rest - part for rest, part in zip(left, given, strict=True)]
        out.append(given)
    return out


def fixed_part(pot: Sequence[int], ten_thousandths: int) -> Hours:
    """A member's allotment of each hour by its fixed part, rounded down to whole Wh."""
    return tuple(min(energy * ten_thousandths // WHOLE, MAX_READING_WH) for energy in pot)


def equal_part(pot: Sequence[int], members: int) -> Hours:
    """Each member's allotment of each hour in equal parts, rounded down to whole Wh."""
    return tuple(min(energy // members, MAX_READING_WH) for energy in pot)


def most_remainder(members: int, split_by: int) -> int:
    """The largest remainder (Wh) that rounding leaves of energy that is split in proportion over a period.

    Less than one Wh for each member, and for each hour less than 2^-32 of the energy (`split_by`, in all) it is split
    by.
    """
    return members + -(-split_by // ONE)
