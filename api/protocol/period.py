"""A period of shared energy: the days that meters signed, the totals that were opened of them, and what follows.

Everything here is public, and everybody comes to the same from it: the operator that settles, a gateway before it
proves its household's share, an auditor. `check` is what all of them begin with. Nothing else makes a
`CheckedPeriod`, and only that gives statements: whoever proves for coefficients that somebody tells it opens a
combination of readings that somebody chose, a single hour for instance.

A day has as many blocks of 24 values as its interval gives: one by the hour, four by the quarter of an hour
(`data.interval`). Everything but the blocks counts days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from eth_utils.address import is_checksum_address, to_checksum_address

from api.config.settings import CommunitySettings
from api.config.settlement_settings import KeyKind
from api.protocol.meters import Meters, meter_on
from api.protocol.shared_energy import (
    WHOLE,
    Hours,
    by_class,
    coefficients,
    equal_part,
    fixed_part,
    shared,
)
from data.errors import MeterError
from data.interval import IntervalMinutes, block_name, block_numbers, blocks_per_day, day_of_block
from data.meter import SignedDay, verify_signed_block
from zkp.errors import ProofError
from zkp.statements import allotted_energy, shared_energy
from zkp.statements.context import Context
from zkp.statements.period import MOST_DAYS, PeriodStatement
from zkp.statements.total import Total, verify_measured

Side = Literal["import", "export"]
SIDES: tuple[Side, ...] = ("import", "export")
FEWEST_DAYS = 28
"""A share is opened for a billing period: of a day it would show habits."""
FEWEST_HOMES = 3


class PeriodError(ValueError):
    """A period that can't be settled or is not what it claims to be. The message names day and household."""


@dataclass(frozen=True)
class Key:
    """How shared energy is split among those who took it.

    `numbers`, by household: for `priority` its class, served in rising order from 1; for `static` its part in
    ten-thousandths; else nothing.
    """

    kind: KeyKind = "pro_rata"
    numbers: Mapping[str, int] = field(default_factory=dict)

    @property
    def classes(self) -> range:
        return range(1, max(self.numbers.values(), default=1) + 1) if self.kind == "priority" else range(1, 2)

    def class_of(self, household: str) -> int:
        return self.numbers[household] if self.kind == "priority" else 1

    def check(self, households: Sequence[str]) -> None:
        """Raises PeriodError where the key does not say how to split among these households."""
        if self.kind not in ("priority", "static"):
            if self.numbers:
                raise PeriodError(f"the key {self.kind} takes no number of a household")
            return
        what = "class" if self.kind == "priority" else "part"
        if unnamed := sorted(set(households) - self.numbers.keys()):
            raise PeriodError(f"the key {self.kind} needs a {what} for each household, and has none of {unnamed[0]}")
        if any(number < 1 for number in self.numbers.values()):
            raise PeriodError(f"a {what} is a number from 1")
        if self.kind == "static" and sum(self.numbers[h] for h in households) > WHOLE:
            raise PeriodError(f"the parts of the members of a day come to more than {WHOLE} ten-thousandths")
        # By how many there are, for a number from a file may be of any size.
        if self.kind == "priority" and max(self.numbers.values(), default=0) != len(set(self.numbers.values())):
            raise PeriodError("classes are numbered from 1 without a gap")


@dataclass(frozen=True)
class BlockRecord:
    """24 hours or quarters of an hour of a day: what its members' meters signed, and what was opened of them all.

    `imports` has a total for each class of the key; the community's is their sum.
    """

    number: int
    imported: tuple[SignedDay, ...]
    exported: tuple[SignedDay, ...]
    imports: tuple[Total, ...]
    exports: Total

    @cached_property
    def households(self) -> tuple[str, ...]:
        return tuple(signed.household for signed in self.imported)

    @cached_property
    def taken(self) -> Hours:
        """What all took (Wh), value by value."""
        return tuple(map(sum, zip(*(total.values for total in self.imports), strict=True)))

    @property
    def fed_in(self) -> Hours:
        """What all fed in (Wh)."""
        return self.exports.values

    @cached_property
    def shared(self) -> Hours:
        return shared(self.fed_in, self.taken)

    def signed(self, side: Side, household: str) -> SignedDay | None:
        blocks = self.imported if side == "import" else self.exported
        return next((signed for signed in blocks if signed.household == household), None)


@dataclass(frozen=True)
class DayRecord:
    """A day's blocks in their order, and what follows: 24 values, or 96 by the quarter of an hour."""

    day: int
    blocks: tuple[BlockRecord, ...]

    @property
    def households(self) -> tuple[str, ...]:
        """The day's members: those whose blocks are in its totals, all of them."""
        return self.blocks[0].households

    @cached_property
    def taken(self) -> Hours:
        """What all took (Wh)."""
        return tuple(wh for block in self.blocks for wh in block.taken)

    @cached_property
    def fed_in(self) -> Hours:
        """What all fed in (Wh)."""
        return tuple(wh for block in self.blocks for wh in block.fed_in)

    @cached_property
    def shared(self) -> Hours:
        return tuple(wh for block in self.blocks for wh in block.shared)


@dataclass(frozen=True)
class Period:
    """Days in rising order, of a community that settles by one key. A day without totals is not in it: nothing of it
    is settled."""

    community: str
    key: Key
    days: tuple[DayRecord, ...]
    interval: IntervalMinutes = 60

    @property
    def first(self) -> int:
        return self.days[0].day

    @property
    def last(self) -> int:
        return self.days[-1].day

    @property
    def absent(self) -> list[int]:
        """Days from the first to the last that are not settled."""
        return sorted(set(range(self.first, self.last + 1)) - set(self.day_numbers))

    @property
    def identifier(self) -> bytes:
        return CommunitySettings(name=self.community).identifier

    @cached_property
    def households(self) -> tuple[str, ...]:
        """All who were members on at least one of the days."""
        return tuple(sorted({household for record in self.days for household in record.households}))

    @property
    def day_numbers(self) -> tuple[int, ...]:
        """Of the days that are settled, rising."""
        return tuple(record.day for record in self.days)

    @property
    def blocks(self) -> tuple[BlockRecord, ...]:
        """Of all days, in their order."""
        return tuple(block for record in self.days for block in record.blocks)

    @property
    def shared_wh(self) -> int:
        return sum(sum(record.shared) for record in self.days)

    @property
    def exported_wh(self) -> int:
        return sum(sum(record.fed_in) for record in self.days)

    @property
    def imported_wh(self) -> int:
        return sum(sum(record.taken) for record in self.days)


@dataclass(frozen=True)
class CheckedPeriod:
    """A period whose every signature and total was checked. Made by `check` alone."""

    period: Period

    def statement(self, household: str, side: Side, share: int = 0) -> PeriodStatement:
        """What a proof of the household's share says. Raises PeriodError for one that was no member on any day."""
        of = self.period
        if household not in of.households:
            raise PeriodError(f"{household} was no member on any day from {of.first} to {of.last}")
        found = [(block, signed) for block in of.blocks if (signed := block.signed(side, household)) is not None]
        blocks = tuple(block.number for block, _ in found)
        context = Context(of.identifier, bytes.fromhex(household[2:]), blocks[0], 0)
        kind = allotted_energy.Statement if self.is_allotted(side) else shared_energy.Statement
        numbers = tuple(self._numbers[side, block.number, of.key.class_of(household)] for block, _ in found)
        if side == "import" and of.key.kind == "static":
            part = of.key.numbers[household]
            numbers = tuple(fixed_part(block.shared, part) for block, _ in found)
        return kind(context, blocks, tuple(signed.commitment for _, signed in found), numbers, share)

    def is_allotted(self, side: Side) -> bool:
        return side == "import" and self.period.key.kind in ("static", "equal")

    @cached_property
    def _numbers(self) -> dict[tuple[Side, int, int], Hours]:
        """Coefficients or allotments of each block, by side and class."""
        out: dict[tuple[Side, int, int], Hours] = {}
        key = self.period.key
        for block in self.period.blocks:
            parts = by_class(block.shared, [total.values for total in block.imports])
            for number, part, total in zip(key.classes, parts, block.imports, strict=True):
                out["import", block.number, number] = (
                    equal_part(block.shared, len(block.households))
                    if key.kind == "equal"
                    else coefficients(part, total.values)
                )
                out["export", block.number, number] = coefficients(block.shared, block.fed_in)
        return out

    def days_of(self, statement: PeriodStatement) -> list[int]:
        """The days that a statement is of, each once: its own count is that of blocks."""
        return sorted({day_of_block(number, self.period.interval) for number in statement.days})


def most_days(interval: IntervalMinutes) -> int:
    """Days of the longest period: a proof takes `MOST_DAYS` blocks."""
    return MOST_DAYS // blocks_per_day(interval)


def check(
    period: Period, meters: Meters, *, fewest_homes: int = FEWEST_HOMES, fewest_days: int = FEWEST_DAYS
) -> CheckedPeriod:
    """Check every signature and total of a period. Raises PeriodError, which names what is false.

    Args:
        meters: the addresses of each enrolled household's meter, or meters one after the other.
        fewest_homes: fewer in a total (a class's total, too) would say something about each of them.
        fewest_days: what is opened of fewer days would show habits.
    """
    interval = period.interval
    if len(period.days) < fewest_days:
        raise PeriodError(f"a period has {fewest_days} days at least, and this one {len(period.days)}")
    if len(period.days) > most_days(interval):
        raise PeriodError(
            f"a period by intervals of {interval} minutes has {most_days(interval)} days at most, and this one "
            f"{len(period.days)}: settle it in parts"
        )
    for place, record in enumerate(period.days):
        if place and record.day <= (before := period.days[place - 1].day):
            raise PeriodError(f"a period's days follow one another: after day {before} comes day {record.day}")
        try:
            _check_blocks(record, interval)
            _check_members(record, meters, interval)
            period.key.check(record.households)
        except (MeterError, PeriodError) as problem:
            raise PeriodError(f"day {record.day}: {problem}") from None
        for block in record.blocks:
            try:
                _check_totals(block, period.key, fewest_homes)
            except (ProofError, PeriodError) as problem:
                raise PeriodError(f"{block_name(block.number, interval)}: {problem}") from None
    return CheckedPeriod(period)


def _check_blocks(record: DayRecord, interval: IntervalMinutes) -> None:
    """All blocks of the day, each with the same members: who is one is one for the whole day."""
    numbers, whole = [block.number for block in record.blocks], block_numbers(record.day, interval)
    if numbers != list(whole):
        raise PeriodError(
            f"it has the blocks {numbers}: by intervals of {interval} minutes a day has {', '.join(map(str, whole))}"
        )
    if any(block.households != record.households for block in record.blocks):
        raise PeriodError("its blocks have different members: a home is a member of the whole day, or not at all")


def _check_members(record: DayRecord, meters: Meters, interval: IntervalMinutes) -> None:
    for household in record.households:
        if not is_checksum_address(household):  # in another spelling it would be another member
            raise PeriodError(f"{household} is not an address in its checksummed form")
    households = list(record.households)
    known = set[str]()
    for block in record.blocks:
        if households != sorted(set(households)) or households != [s.household for s in block.exported]:
            raise PeriodError("import and export are listed once for each member, in the order of the households")
        for imported, exported in zip(block.imported, block.exported, strict=True):
            if (meter := meter_on(meters, imported.household, record.day)) is None:
                raise PeriodError(f"{imported.household} is not enrolled with a meter")
            if {imported.day, exported.day} != {block.number}:
                raise PeriodError(f"what {imported.household}'s meter signed is of another day")
            verify_signed_block(imported, meter, "load", interval)
            verify_signed_block(exported, meter, "export", interval)
            known.add(to_checksum_address(meter))
    if len(known) < len(households):
        raise PeriodError("two members have one meter: what it counts would be shared twice")


def _check_totals(block: BlockRecord, key: Key, fewest: int) -> None:
    if len(block.imports) != len(key.classes):
        raise PeriodError(f"the key has {len(key.classes)} classes, and import {len(block.imports)} totals")
    for number, total in zip(key.classes, block.imports, strict=True):
        members = [signed for signed in block.imported if key.class_of(signed.household) == number]
        if len(members) < fewest:
            raise PeriodError(
                f"a total of {len(members)} homes would say something about each of them; it takes {fewest}"
            )
        verify_measured(block.number, [signed.commitment for signed in members], total)
    verify_measured(block.number, [signed.commitment for signed in block.exported], block.exports)
