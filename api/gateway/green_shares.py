"""A home's green shares: once a day's claim is taken, what percentage of its load was green is proven by itself.

The community's weights of the hours come from its API. What it may ask is bounded: one set of weights a day, of which
six hours weigh a quarter or more, so that a percentage tells of no single hour; and the contract takes no proof by
other weights than those that were registered before the day started. Runs in the agent's main process; the proof is
made in a separate one.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from api.gateway.day_traces import DayTraces
from api.gateway.jobs import Isolated, prove_green
from api.gateway.outbox import Outbox, State, Submission
from api.protocol.bounded_client import ApiRefused, Unreachable
from fl.deployment.background import Attempt
from fl.deployment.backoff import Backoff
from rewards.green_rule import is_wide

if TYPE_CHECKING:
    from api.config.community_yaml import Config
    from api.gateway.client import ApiClient

_log = logging.getLogger(__name__)


class GreenShares:
    """Proves the green share of each day whose claim was taken; the submitter sends it.

    Args:
        first_s: the first wait before something that failed is tried again.
    """

    def __init__(
        self, config: Config, home: str, outbox: Outbox, client: ApiClient, run: Isolated, first_s: float
    ) -> None:
        self._home, self._outbox, self._client, self._config = home, outbox, client, config
        self._first_s, self._attempts = first_s, dict[int, Attempt]()
        self._run = run
        self._traces = DayTraces(config.community.identifier, config.api.homes_dir / home)
        self._wait = Backoff(first_s, config.gateway.retry_max_s)

    def run_once(self) -> None:
        """Prove what is due, if its time has come. What fails is logged, and tried again."""
        if not self._config.gateway.green_shares or not self._wait.due:
            return
        for day in self._outbox.without_green_share():
            try:
                weights = self._client.green_hours(day)
            except (Unreachable, ApiRefused) as down:
                self._tell_later(day, str(down))
                return
            self._wait.worked()
            attempt = self._attempts.setdefault(day, Attempt("proving a green share", _log, self._first_s))
            attempt(partial(self._settle, day, weights))

    def _settle(self, day: int, weights: tuple[int, ...] | None) -> None:
        """Put the day's green share into the outbox, or why there is none."""
        if (self._config.api.green_dir / str(day) / f"{self._home}.json").exists():  # proven before a restart
            self._put(day, "waiting")
            return
        if weights is None:
            self._put(day, "done", "no-green-hours")
        elif not is_wide(weights):
            _log.error("green hours refused", extra={"home": self._home, "day": day, "reason": "too few hours"})
            self._put(day, "refused", "narrow-hours")
        else:
            self._prove(day, weights)

    def _prove(self, day: int, weights: tuple[int, ...]) -> None:
        config = self._config
        with self._traces.proving_green(day):
            why = self._run(prove_green, config.data, config.community, config.api, self._home, day, weights)
        if not why:
            _log.info("green share proven", extra={"home": self._home, "day": day})
        self._put(day, "done" if why else "waiting", why)

    def _put(self, day: int, state: State, code: str = "") -> None:
        self._outbox.put(Submission("green", day, int(time.time())).ended(state, code))

    def _tell_later(self, day: int, reason: str) -> None:
        again_s = self._wait.failed()
        context = {"home": self._home, "day": day, "reason": reason, "again_in_s": round(again_s, 1)}
        _log.warning("green hours not asked for yet", extra=context)
