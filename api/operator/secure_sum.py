"""The server's side of the gateways' masked sums: it starts them when their time has come, and opens them.

There is exactly one sum per day and kind: a member that entered two, over different members, would reveal its own
value as their difference. So a sum is never started again. Its state is in the database alone, and a restarted server
continues it. How a sum moves from stage to stage: `api.operator.running_sum`.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable
from threading import Lock

from sqlalchemy import select
from sqlalchemy.orm import Session as Database

from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.database.tables import (
    CommunityTotal,
    Departure,
    ExportForecast,
    ExportTotal,
    Forecast,
    Household,
    MaskedSum,
    MeasuredTotal,
    SharedDay,
)
from api.operator.running_sum import CLASS, RunningSum, SecureSumRefused, SumState, said
from api.protocol.secure_sum import NONCE_BYTES, STAGES, Kind, SumMessage
from fl.deployment.keys import roster_of_agents
from fl.errors import KeysError
from fl.secagg.aggregator import FEWEST_MEMBERS

_log = logging.getLogger(__name__)


class SecureSumServer:
    """The sums of a community; for one server process. `now`: UTC seconds."""

    def __init__(
        self, community: Community, chain_session: ChainSession, now: Callable[[], float] = time.time
    ) -> None:
        self._community, self._chain_session, self._now = community, chain_session, now
        self._lock = Lock()
        self._opening: set[tuple[int, Kind]] = set()
        self._keys_problem = ""

    def state(self, day: int, kind: Kind, home: str | None = None) -> SumState:
        """The state of the sum; starts it if its time has come. Raises SecureSumRefused if there is none (yet)."""
        now = self._chain_time(day, kind)
        with self._lock, self._community.sessions.begin() as database:
            current = self._current(database, day, kind, now)
            status, over = current.state(home), current.over
        return self._opened(day, kind, home) if over else status

    def take(self, day: int, kind: Kind, message: SumMessage) -> SumState:
        """Accept a member's message; repeats are idempotent. Raises SecureSumRefused, MeterError."""
        now = self._chain_time(day, kind)
        with self._lock, self._community.sessions.begin() as database:
            current = self._current(database, day, kind, now)
            current.take(message)
            current.advance()
            status, over = current.state(message.home), current.over
        return self._opened(day, kind, message.home) if over else status

    def _opened(self, day: int, kind: Kind, home: str | None) -> SumState:
        """Open a sum whose last phase is over, unless another thread is doing so; returns its state afterwards.

        This takes half a minute for a hundred homes; other requests do not wait for it.
        """
        with self._lock:
            mine = (day, kind) not in self._opening
            self._opening.add((day, kind))
        try:
            if mine:
                with self._community.sessions() as database:
                    outcome = self._current(database, day, kind).opened()
                with self._lock, self._community.sessions.begin() as database:
                    self._current(database, day, kind).finish(outcome)
        finally:
            if mine:
                self._opening.discard((day, kind))
        with self._community.sessions() as database:
            return self._current(database, day, kind).state(home)

    def _chain_time(self, day: int, kind: Kind) -> int:
        """The chain's time, for a sum that has not started; read before taking the lock, since a node may be slow."""
        with self._community.sessions() as database:
            begun = database.get(MaskedSum, (day, kind)) is not None
        return 0 if begun else self._chain_session.chain.now

    def _current(self, database: Database, day: int, kind: Kind, chain_time: int = 0) -> RunningSum:
        row = database.get(MaskedSum, (day, kind))
        if row is None:
            row = self._begin(database, day, kind, chain_time)
        current = RunningSum(database, row, kind, self._community.config.community.name, self._phase_s, self._now())
        current.advance()
        return current

    @property
    def _phase_s(self) -> float:
        return self._community.config.api.sum_phase_s

    def _first_phase_s(self, kind: Kind) -> float:
        """Shared energy is paid for: its sum waits for meters that are read late."""
        late_s = self._community.config.settlement.late_meter_hours * 3600 if kind == "shared" else 0
        return max(self._phase_s, late_s)

    def _begin(self, database: Database, day: int, kind: Kind, now: int) -> MaskedSum:
        who = {
            "forecast": self._forecasters, "measured": self._measured, "shared": self._sharing,
            "export": self._exporters,
        }[kind]  # fmt: skip
        members = who(database, day, now)
        if len(members) < FEWEST_MEMBERS:
            raise SecureSumRefused("no-sum", f"{len(members)} gateways could enter the total of day {day}: too few")
        interval = self._community.config.settlement.interval_minutes if kind == "shared" else 60
        row = MaskedSum(
            day=day, kind=kind, nonce=secrets.token_hex(NONCE_BYTES), members=members, phase=STAGES[0],
            until=self._now() + self._first_phase_s(kind), interval_minutes=interval,
        )  # fmt: skip
        database.add(row)
        _log.info("sum begun", extra={"day": day, "kind": kind, "members": len(members)})
        return row

    def _forecasters(self, database: Database, day: int, now: int) -> dict[str, dict[str, str]]:
        """Gateways whose forecast of the day is registered, once registration has closed."""
        if database.get(CommunityTotal, day) is not None:
            raise SecureSumRefused("already-open", f"the total of day {day} was opened before")
        _await(
            now, self._community.start_of(day) + self._community.config.rewards.grace_seconds,
            f"forecasts of day {day} can still be registered",
        )  # fmt: skip
        registered = set(database.scalars(select(Forecast.household).where(Forecast.day == day)))
        return self._gateways_of(registered)

    def _gateways_of(self, households: set[str]) -> dict[str, dict[str, str]]:
        """The gateways of these households, as far as the server has their public keys."""
        try:
            identities = roster_of_agents(self._community.config.federation.deployment.keys_dir).members
        except KeysError as error:
            if str(error) != self._keys_problem:  # gateways ask again and again
                self._keys_problem = str(error)
                _log.warning("no sums without the gateways' public keys", extra={"reason": str(error)})
            raise SecureSumRefused(
                "no-sum", "the server has no public keys of gateways (keys/agents/*.pub)"
            ) from None
        return {
            member.home: {"household": member.household, "identity": identities[member.home].hex()}
            for member in self._community.config.community.members
            if member.home in identities and member.household in households
        }

    def _sharing(self, database: Database, day: int, now: int) -> dict[str, dict[str, str]]:
        """The gateways of all members, once the day is over."""
        if not self._community.config.settlement.gateways:
            raise SecureSumRefused("no-sum", "gateways do not settle shared energy here (settlement.gateways)")
        if database.get(SharedDay, day) is not None:
            raise SecureSumRefused("already-open", f"the totals of shared energy of day {day} were opened before")
        _await(now, self._community.start_of(day + 1), f"day {day} is not over")
        left = set(database.scalars(select(Departure.household)))
        members = self._gateways_of(set(database.scalars(select(Household.address))) - left)
        return self._by_class(members, day)

    def _by_class(self, members: dict[str, dict[str, str]], day: int) -> dict[str, dict[str, str]]:
        """With each member's class, where the key knows classes: each has a total of its own."""
        classes = self._community.config.settlement.classes
        if not classes:
            return members
        if unnamed := sorted(members.keys() - classes.keys()):
            raise SecureSumRefused("no-sum", f"settlement.numbers has no class of {unnamed[0]}")
        counts = Counter(classes[home] for home in members)
        for number in range(1, max(classes.values()) + 1):
            if counts[number] < FEWEST_MEMBERS:
                raise SecureSumRefused(
                    "no-sum",
                    f"{counts[number]} gateways of class {number} could enter the total of day {day}: too few",
                )
        return {home: member | {CLASS: str(classes[home])} for home, member in members.items()}

    def _exporters(self, database: Database, day: int, now: int) -> dict[str, dict[str, str]]:
        """The gateways in the day's total of load whose forecast of export is kept.

        Without the load beside it, export would count as surplus that its own home takes up.
        """
        if database.get(ExportTotal, day) is not None:
            raise SecureSumRefused("already-open", f"the total of export of day {day} was opened before")
        load = database.get(MaskedSum, (day, "forecast"))
        if load is None or load.phase != "open":
            raise SecureSumRefused("no-sum", f"gateways have opened no total of load for day {day}")
        kept = set(database.scalars(select(ExportForecast.household).where(ExportForecast.day == day)))
        there = {home: load.members[home] for home in sorted(said(database, load, "mask"))}
        return {home: member for home, member in there.items() if member["household"] in kept}

    def _measured(self, database: Database, day: int, now: int) -> dict[str, dict[str, str]]:
        """The gateways in the day's total of forecasts, once the day is over."""
        rules = self._community.config.settlement
        if rules.gateways and rules.interval_minutes == 60:
            raise SecureSumRefused("no-sum", f"the readings of day {day} are summed as shared energy here")
        if database.get(MeasuredTotal, day) is not None:
            raise SecureSumRefused("already-open", f"the measured total of day {day} was opened before")
        before = database.get(MaskedSum, (day, "forecast"))
        if before is None or before.phase != "open":
            raise SecureSumRefused("no-sum", f"gateways have opened no total of forecasts for day {day}")
        _await(now, self._community.start_of(day + 1), f"day {day} is not over")
        members = {home: before.members[home] for home in sorted(said(database, before, "mask"))}
        if rules.gateways:
            shared, households = database.get(SharedDay, day), {one["household"] for one in members.values()}
            if shared is None or households != set(shared.meters):
                raise SecureSumRefused("no-sum", f"the quarters of day {day} were not opened of the same homes")
        return members


def _await(now: int, moment: int, meanwhile: str) -> None:
    if now <= moment:
        raise SecureSumRefused("too-early", f"{meanwhile} (now {now}, until {moment}, UTC seconds)")
