"""Publishes surplus hours once gateways have opened both sums of a day: with every proof, checked as by auditors.

The check and the pictures are made in a process of its own, which ends with them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import select

from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.database.tables import CommunityTotal, ExportForecast, ExportTotal, Forecast
from api.operator.surplus_days import SurplusDays, keep_day
from api.operator.totals import kept_total
from api.operator.watching import watched
from api.protocol import surplus_file
from api.protocol.bundle import InferenceBundle, parse
from api.protocol.surplus import ForecastSum, SurplusDay, SurplusError, check
from data.day import DayClock
from fl.worker import WorkProcess

_log = logging.getLogger(__name__)
_EVERY_S = 5.0


class SurplusPublisher:
    """Polls for days whose sums of load and of export are open. `chain_session`: it needs none."""

    def __init__(self, community: Community, chain_session: ChainSession | None = None) -> None:
        self._community = community
        self._looked_at = set[int]()

    def look(self) -> None:
        """Publish what is new. A day whose forecasts do not check out is logged, and left alone until a restart."""
        with self._community.sessions() as session:
            opened = set(session.scalars(select(ExportTotal.day)))
        days = SurplusDays(self._community.config.api.surplus_dir, self._community.clock)
        for day in sorted(opened - self._looked_at - set(days.days())):
            self._publish(day)
            self._looked_at.add(day)

    def _publish(self, day: int) -> None:
        folder, clock = self._community.config.api.surplus_dir, self._community.clock
        try:
            data = surplus_file.written(surplus_of(self._community, day))
            with WorkProcess(_nothing) as process:
                why = process.call(_keep_checked, data, folder, clock)
        except SurplusError as problem:
            why = str(problem)
        if why:
            _log.error("no surplus hours", extra={"day": day, "reason": why})
        else:
            _log.info("surplus hours published", extra={"day": day})

    def watch(self) -> AbstractContextManager[None]:
        """Poll now and every few seconds while the block runs."""
        return watched(self.look, _EVERY_S, name="looking for surplus hours", log=_log)


def surplus_of(community: Community, day: int) -> SurplusDay:
    """Both opened sums of a day with the proofs behind them, unchecked.

    Raises SurplusError where a sum is not open, or a household in it has left, and its proof with it.
    """
    with community.sessions() as session:
        load, export = session.get(CommunityTotal, day), session.get(ExportTotal, day)
        if load is None or export is None:
            raise SurplusError(f"not both sums of day {day} are open")
        loads = session.scalars(select(Forecast).where(Forecast.day == day))
        exports = session.scalars(select(ExportForecast).where(ExportForecast.day == day))
        of_load = _sum_of(load, {row.household: row.bundle for row in loads})
        of_export = _sum_of(export, {row.household: row.bundle for row in exports})
    return SurplusDay(community.config.community.name, day, of_load, of_export)


def _sum_of(opened: CommunityTotal | ExportTotal, kept: Mapping[str, bytes]) -> ForecastSum:
    if gone := sorted(set(opened.households) - kept.keys()):
        raise SurplusError(f"{gone[0]} is in a sum of day {opened.day}, and its proof is no longer here")
    parsed = [parse(kept[household]) for household in opened.households]
    of = tuple(bundle for bundle in parsed if isinstance(bundle, InferenceBundle))
    return ForecastSum(of, kept_total(opened))


def _nothing() -> None:
    return None


def _keep_checked(_: None, data: bytes, folder: Path, clock: DayClock) -> str:
    """Check a day's file and keep it with its pictures; why it was refused, or nothing."""
    surplus = surplus_file.read(data)
    try:
        check(surplus)
    except SurplusError as why:
        return str(why)
    keep_day(folder, surplus, clock)
    return ""
