"""Periods that members' gateways settle over the network: opened with their totals, and the shares that come in.

Opening a period fixes its terms: the signed days of all members, both totals of each day, the key, the meters. They
are checked, written down as a settlement's file without a share, and published: every gateway proves its household's
shares of exactly these (`api.gateway.period_shares`). A share is accepted by its proof, which nobody can make without
the openings of the member's days; so who brings it does not matter, and no signature is needed. The first share of a
member and side stays, and with it the root.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.operator.community import Community
from api.operator.database.engine import add_once
from api.operator.database.tables import MaskedSum, ProvenShare, SettledPeriod, SharedDay
from api.operator.running_sum import CLASS
from api.operator.shared_days import kept_record
from api.protocol import settlement_file
from api.protocol.meters import Assignment, Meters
from api.protocol.period import SIDES, Key, Period, PeriodError, Side, check
from api.protocol.settlement import Settlement, Share
from api.protocol.share_check import verify_shares
from data.interval import IntervalMinutes, interval_of

_SUM = "shared"
VerifyShares = Callable[[bytes, str, Mapping[Side, Share]], None]
"""`verify_shares`, here or in another process."""


class ShareRefused(Exception):
    """A share that a period does not take. `code`: the API's name for the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class OpenPeriod:
    """A period as its members see it. `missing`: shares that have not come in. `closes_at`: UTC seconds, None until
    the server has set it. `settled`: how many shares the written settlement has; None before the period is closed.
    `is_final`: the chain holds what was settled for good."""

    name: str
    first_day: int
    last_day: int
    members: int
    missing: int
    closes_at: int | None
    settled: int | None
    is_final: bool

    @property
    def is_closed(self) -> bool:
        return self.settled is not None

    @property
    def proven(self) -> int:
        """Shares that have come in."""
        return len(SIDES) * self.members - self.missing


class OpenPeriods:
    """The periods of a community that settles by its gateways."""

    def __init__(self, community: Community) -> None:
        self._community = community

    def open(self, name: str, days: range, *, incomplete: bool = False) -> OpenPeriod:
        """Open a period; one that is open, or closed, stays as it is.

        `incomplete`: leave out days without totals. Raises PeriodError where one is missing, what there is can't be
        settled, or a day is in another period.
        """
        with self._community.sessions.begin() as session:
            if session.get(SettledPeriod, name) is None:
                period, meters = self._recorded(session, days, incomplete)
                fewest = self._community.config.settlement.fewest_days
                checked = check(period, meters, fewest_days=fewest)
                self._check_once(session, name, period)
                terms = settlement_file.written(Settlement(checked.period, {}), meters)
                row = SettledPeriod(
                    name=name, first_day=period.first, last_day=period.last, members=len(period.households),
                    terms=terms,
                )  # fmt: skip
                add_once(session, row)
        found = self.get(name)
        assert found is not None
        return found

    def all(self) -> list[OpenPeriod]:
        """In the order of their names."""
        with self._community.sessions() as session:
            rows = list(session.scalars(select(SettledPeriod).order_by(SettledPeriod.name)))
            return [_shown(session, row) for row in rows]

    def get(self, name: str) -> OpenPeriod | None:
        with self._community.sessions() as session:
            row = session.get(SettledPeriod, name)
            return None if row is None else _shown(session, row)

    def terms(self, name: str) -> bytes:
        """What members prove their shares of. Raises ShareRefused where no such period was opened."""
        with self._community.sessions() as session:
            return _row(session, name).terms

    def take(
        self, name: str, household: str, shares: Mapping[Side, Share], verify: VerifyShares = verify_shares
    ) -> bool:
        """Take a member's shares, whether the period is closed or not: one that comes late joins the next settlement.

        Returns whether any is new; False: these very shares were taken before, and `verify` was not asked. Raises
        ShareRefused for a stranger and for other shares than those that were taken, ProofError for a share that is
        not the member's.
        """
        new = self.new(name, household, shares)
        if new:
            verify(self.terms(name), household, new)
            self._keep(name, household, new)
        return bool(new)

    def new(self, name: str, household: str, shares: Mapping[Side, Share]) -> dict[Side, Share]:
        """Those of a member's shares that were not taken before; no proof is checked. Raises ShareRefused."""
        with self._community.sessions() as session:
            if household not in _households(_row(session, name).terms):
                raise ShareRefused("not-in-period", f"{household} was no member on any day of {name}")
            known = _known(session, name, household, shares)
        return {side: share for side, share in shares.items() if side not in known}

    def _keep(self, name: str, household: str, shares: Mapping[Side, Share]) -> None:
        with self._community.sessions.begin() as session:
            for side, share in shares.items():
                add_once(
                    session,
                    ProvenShare(period=name, household=household, side=side, share_wh=share.wh, proof=share.proof),
                )
            _known(session, name, household, shares)  # another proof of them may have come in meanwhile

    def settlement(self, name: str) -> tuple[Settlement, Meters]:
        """A period with the shares that have come in. Raises ShareRefused."""
        with self._community.sessions() as session:
            row = _row(session, name)
            rows = session.scalars(select(ProvenShare).where(ProvenShare.period == name))
            shares = {(one.household, side_of(one.side)): Share(one.share_wh, one.proof) for one in rows}
            without, meters = settlement_file.read(row.terms)
        return Settlement(without.period, shares), meters

    def _recorded(self, session: Session, days: range, incomplete: bool) -> tuple[Period, Meters]:
        """The period from the totals that were opened. Raises PeriodError."""
        community = self._community
        found = session.scalars(select(SharedDay).where(SharedDay.day >= days[0], SharedDay.day <= days[-1])).all()
        interval = _interval(found, community.config.settlement.interval_minutes)
        rows = {row.day: row for row in found if row.interval_minutes == interval}
        if others := sorted(row.day for row in found if row.day not in rows and not incomplete):
            raise PeriodError(
                f"{len(others)} days were summed by another interval than the others ({interval} minutes), the first "
                f"one is {community.clock.date_of(others[0])}: settle them as a period of their own, or leave them "
                "out with --incomplete"
            )
        if absent := [day for day in days if day not in rows and not incomplete]:
            raise PeriodError(
                f"{len(absent)} days have no totals of shared energy, the first one is "
                f"{community.clock.date_of(absent[0])} ({_why_none(session, absent[0])}): settle when they are open, "
                "or leave them out with --incomplete"
            )
        if not rows:
            raise PeriodError(f"no day from {days[0]} to {days[-1]} has totals of shared energy")
        in_order = [row for _, row in sorted(rows.items())]
        records = tuple(map(kept_record, in_order))
        key = Key(community.config.settlement.key, self._numbers(session, in_order))
        period = Period(community.config.community.name, key, records, interval)
        return period, meters_on([(row.day, row.meters) for row in in_order])

    def _check_once(self, session: Session, name: str, period: Period) -> None:
        """Raises PeriodError for a day of a period that was opened before: nobody proves a second share of it."""
        overlapping = SettledPeriod.first_day <= period.last, SettledPeriod.last_day >= period.first
        others = select(SettledPeriod).where(*overlapping, SettledPeriod.name != name)
        for row in session.scalars(others.order_by(SettledPeriod.name)):
            before, _ = settlement_file.read(row.terms)
            days = set(before.period.day_numbers) & set(period.day_numbers)
            if days:
                raise PeriodError(
                    f"{len(days)} days are in the period {row.name}, which was opened before, the first one is "
                    f"{self._community.clock.date_of(min(days))}: a day is settled once. Name a period without them, "
                    "or settle that one by its name"
                )

    def _numbers(self, session: Session, rows: Sequence[SharedDay]) -> dict[str, int]:
        """The class or part of each member of these days. Raises PeriodError where the settings have none.

        Who was a member is what the days say, and in which class, the sum of the day: the settings may list others
        by now. Of a home that has left, `settlement.numbers` has to keep the part.
        """
        config, found = self._community.config, dict[str, int]()
        if not config.settlement.numbers:
            return found
        listed = {entry.household: entry.home for entry in config.community.members if entry.home}
        for row in rows:
            begun = session.get(MaskedSum, (row.day, _SUM))
            members = {} if begun is None else begun.members
            homes = listed | {told["household"]: home for home, told in members.items()}
            for household in row.meters:
                home = homes.get(household, household)
                counted = members.get(home, {}).get(CLASS)
                number = config.settlement.numbers.get(home) if counted is None else int(counted)
                date = self._community.clock.date_of(row.day)
                if number is None:
                    raise PeriodError(
                        f"settlement.numbers has nothing of {home}, a member on {date}: list it there, as it was "
                        "then, until the period is opened; community.members need not list it any more"
                    )
                if found.setdefault(household, number) != number:
                    raise PeriodError(
                        f"{home} is in class {number} on {date}, and in {found[household]} before: settle the days "
                        "before as a period of their own"
                    )
        return found


def _interval(rows: Sequence[SharedDay], wanted: int) -> IntervalMinutes:
    """The interval by which all of these days were summed, whatever the settings say by now; where there are several,
    what is `wanted`."""
    summed = {row.interval_minutes for row in rows}
    return interval_of(summed.pop() if len(summed) == 1 else wanted)


def meters_on(days: Sequence[tuple[int, Mapping[str, str]]]) -> Meters:
    """The meters of a period's households, from those of each day in rising order: one for all days, or one after
    the other."""
    found: dict[str, tuple[Assignment, ...]] = {}
    for day, meters in days:
        for household, meter in meters.items():
            known = found.setdefault(household, (Assignment(0, meter),))
            if known[-1].meter != meter:
                found[household] = (*known, Assignment(day, meter))
    return {household: known[0].meter if len(known) == 1 else known for household, known in found.items()}


@lru_cache(maxsize=64)
def _households(terms: bytes) -> frozenset[str]:
    """Who is in a period by its published terms. Raises PeriodError."""
    return frozenset(settlement_file.read(terms)[0].period.households)


def _known(session: Session, name: str, household: str, shares: Mapping[Side, Share]) -> set[Side]:
    """The sides of which these very shares were taken. Raises ShareRefused where another one was."""
    rows = {side: session.get(ProvenShare, (name, household, side)) for side in shares}
    known = {side: Share(row.share_wh, row.proof) for side, row in rows.items() if row is not None}
    if any(shares[side] != share for side, share in known.items()):
        raise ShareRefused("share-exists", f"the shares of {household} in {name} came in before, and stay")
    return set(known)


def side_of(text: str) -> Side:
    return next(side for side in SIDES if side == text)


def _row(session: Session, name: str) -> SettledPeriod:
    row = session.get(SettledPeriod, name)
    if row is None:
        raise ShareRefused("no-open-period", f"no period {name} was opened here")
    return row


def _shown(session: Session, row: SettledPeriod) -> OpenPeriod:
    count = session.scalar(select(func.count()).select_from(ProvenShare).where(ProvenShare.period == row.name)) or 0
    missing = len(SIDES) * row.members - count
    return OpenPeriod(
        row.name, row.first_day, row.last_day, row.members, missing, row.closes_at, row.settled, row.is_final
    )


def _why_none(session: Session, day: int) -> str:
    begun = session.get(MaskedSum, (day, _SUM))
    if begun is None:
        return "no gateway has asked for its sum"
    return f"its sum has failed: {begun.reason}" if begun.phase == "failed" else f"its sum is at `{begun.phase}`"
