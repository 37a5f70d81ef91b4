"""The coordinator's part of vertical learning: it leads a session with the homes and the partner that are online.

A session lives as long as this process: homes learn once, and forecast each new day with the partner's values.
Another session needs new days at the homes (`federation.vertical.fresh_days`).
"""

from __future__ import annotations

import logging
import secrets
import time
from datetime import UTC, datetime

import numpy as np
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from api.config.community_yaml import ConfigError
from api.operator.community import Community
from fl.deployment.coordinator import identify_by_key
from fl.errors import QuorumMissed
from fl.exchange import Identify
from fl.settings import FederationSettings
from fl.vertical.coordinator import TooFewHomes, VerticalSession
from fl.vertical.terms import VerticalTerms

_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0
_NEXT_DAY_S = 60.0


def vertical_app(community: Community, day: int | None = None) -> ServerApp:
    """The ServerApp of a session.

    `day`: learn from the days before, forecast it, and end; None: the next day, and each one after it until stopped.

    Raises ConfigError where the settings name no partner.
    """
    federation = community.config.federation
    if federation.vertical.partner is None:
        raise ConfigError("federation.vertical.partner names nobody: vertical learning takes another party")
    app = ServerApp()

    def next_day() -> int:
        return community.clock.day_of(datetime.fromtimestamp(time.time(), UTC)) + 1

    @app.main()
    def lead(grid: Grid, context: Context) -> None:
        nodes = _online(grid, federation, identify_by_key(federation.deployment))
        session = begun(grid, nodes, federation, next_day() if day is None else day)
        if day is not None:
            return
        told = next_day()
        while True:
            time.sleep(_NEXT_DAY_S)
            if (now := next_day()) != told:
                session.forecast(np.array([now]))
                told = now

    return app


def begun(grid: Grid, nodes: dict[str, int], federation: FederationSettings, day: int) -> VerticalSession:
    """A session that has learnt from the days before `day` and had the homes forecast it.

    Raises PartnerAway, TooFewHomes.
    """
    settings = federation.vertical
    assert settings.partner is not None
    homes = tuple(sorted(nodes.keys() - {settings.partner}))
    terms = VerticalTerms(
        secrets.token_bytes(16), settings.partner, homes, len(settings.columns), 0, day, settings.fewest_homes,
        settings.cut, settings.cut_norm, settings.cut_noise, settings.gradient_norm, settings.gradient_noise,
        seed=federation.seed,
    )  # fmt: skip
    session = VerticalSession(grid, terms, nodes, federation.round_timeout_s)
    matched = session.match()
    session.regress(settings.penalty)
    session.learn(settings.steps)
    forecast = session.forecast(np.array([day]))
    if not forecast:
        reasons = "; ".join(f"{home}: {reason}" for home, reason in sorted(session.left_out.items()))
        raise TooFewHomes(f"no home has forecast day {day}; {reasons}")
    _log.info("session", extra={"homes": matched, "forecast": forecast, "left_out": session.left_out, "day": day})
    return session


def _online(grid: Grid, federation: FederationSettings, identify: Identify) -> dict[str, int]:
    """Homes and partner by name, once the partner and enough homes are there. Raises QuorumMissed."""
    settings = federation.vertical
    deadline = time.monotonic() + federation.wait_for_homes_s
    while True:
        names = {name: node for node, name in identify(grid, sorted(grid.get_node_ids())).items()}
        fewest = max(federation.min_homes, settings.fewest_homes)
        if settings.partner in names and len(names) > fewest:
            return names
        if time.monotonic() > deadline:
            raise QuorumMissed(
                f"after {federation.wait_for_homes_s:.0f} s there are {', '.join(sorted(names)) or 'none'}; the "
                f"partner {settings.partner} and {fewest} homes are needed"
            )
        time.sleep(_LOOK_EVERY_S)
