"""The community's next surplus hours, for the home's own page and sensors: fetched, and checked before they are told.

The file comes from the community's API with every proof behind it, and is checked as an auditor does, in a process of
its own. Runs in the agent's main process, beside the daily task.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from api.gateway.jobs import Isolated
from api.gateway.own_surplus import own_surplus
from api.protocol.bounded_client import ApiRefused, Unreachable
from api.protocol.calls import NotAsDocumented
from data.errors import DamagedFile
from fl.deployment.background import Attempt

if TYPE_CHECKING:
    from api.gateway.client import ApiClient

_log = logging.getLogger(__name__)
_LOOK_S = 900.0


class SurplusHoursUpdater:
    """Keeps the newest day of which the community knows the surplus hours.

    Args:
        folder: the home's own.
        community: the name that the file has to be of. `day_start_utc`: the hour at which its days start.
        first_s: the first wait before something that failed is tried again.
    """

    def __init__(
        self,
        folder: Path,
        community: str,
        day_start_utc: int,
        client: ApiClient,
        run: Isolated,
        first_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._community, self._start = folder, community, day_start_utc
        self._client, self._run, self._now = client, run, now
        self._attempt = Attempt("fetching the surplus hours", _log, first_s)
        self._look_at = 0.0

    def run_once(self) -> None:
        """Fetch and check what is new, every quarter of an hour. What fails is logged, and tried again."""
        if self._now() >= self._look_at:
            self._attempt(self._update)

    def _update(self) -> None:
        self._look_at = self._now() + _LOOK_S
        try:
            newest = self._client.newest_surplus_day()
            if newest is None or newest <= self._kept_day():
                return
            data = self._client.surplus_file(newest)
        except (Unreachable, ApiRefused, NotAsDocumented) as down:
            _log.info("no surplus hours from the API", extra={"reason": str(down)})
            return
        why = self._run(keep_checked, data, self._community, newest, self._start, self._folder)
        context = {"day": newest} | ({"reason": why} if why else {})
        if why:
            _log.error("surplus hours refused: they do not follow from proven forecasts", extra=context)
        else:
            _log.info("surplus hours checked and kept", extra=context)

    def _kept_day(self) -> int:
        try:
            kept = own_surplus(self._folder)
        except DamagedFile:  # it is fetched again
            return -1
        return -1 if kept is None else kept.day


def keep_checked(data: bytes, community: str, day: int, day_start_utc: int, folder: Path) -> str:
    """Check a day's file and keep what is shown of it; why it was refused, or nothing. In a process of its own."""
    from api.gateway.own_surplus import keep_surplus
    from api.protocol import surplus_file
    from api.protocol.surplus import SurplusError, check, shown
    from data.day import DayClock

    try:
        surplus = surplus_file.read(data)
        if (surplus.community, surplus.day) != (community, day):
            raise SurplusError(f"it is of day {surplus.day} of {surplus.community!r}")
        check(surplus)
    except SurplusError as why:
        return str(why)
    keep_surplus(folder, shown(surplus, DayClock(day_start_utc)))
    return ""
