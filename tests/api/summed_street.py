"""A server on loopback and the gateways of some homes, of which each looks once when it is told to."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import delete

from api.config.community_yaml import Config
from api.gateway.client import ApiClient
from api.gateway.metered_home import MeteredHome
from api.gateway.outbox import Outbox
from api.gateway.secure_sum.client import open_sums
from api.gateway.secure_sum.contribution import Contributions
from api.http.server import make_app
from api.operator.chain_session import ChainSession, open_chain_session
from api.operator.community import Community
from api.operator.database.tables import Household, MaskedSum, MaskedSumMessage, SharedDay
from api.operator.secure_sum import SecureSumServer
from data.interval import IntervalMinutes
from fl.deployment.keys import make_agent_key, roster_of_agents
from fl.deployment.telemetry import AgentMetrics
from tests.support.served import uvicorn_served

PHASE_S = 900.0


@dataclass
class Street:
    """The server, and the folders of the gateways. `day`: the one that is summed."""

    folder: Path
    config: Config
    community: Community
    chain_session: ChainSession
    homes: Sequence[MeteredHome]
    day: int
    url: str = ""
    now: float = field(default_factory=time.time)

    @property
    def server(self) -> SecureSumServer:
        return SecureSumServer(self.community, self.chain_session, lambda: self.now)

    @property
    def names(self) -> list[str]:
        return [home.home.name for home in self.homes]

    def run(
        self, *homes: str, classes: Mapping[str, int] | None = None, interval: IntervalMinutes | None = None
    ) -> None:
        """Each gateway, just restarted, looks once: by the settings, where no others are given."""
        rules = self.config.settlement
        classes = rules.classes if classes is None else classes
        interval = interval or rules.interval_minutes
        for home in homes or self.names:
            contributions = Contributions(
                home,
                self.folder / "homes" / home,
                lambda job, *given: job(*given),
                interval,  # type: ignore[arg-type]
            )
            client = open_sums(
                home, self.config.community.name, self.config.gateway, self.config.federation.deployment,
                self.config.api.sums_dir, ApiClient(self.url), Outbox(self.config.api.outbox_dir, home),
                contributions, lambda: [self.day], classes, interval,
            )  # fmt: skip
            assert client is not None
            client.run_once(AgentMetrics(home))

    def row(self) -> MaskedSum:
        with self.community.sessions() as session:
            return session.get_one(MaskedSum, (self.day, "shared"))

    def clear(self) -> None:
        """Before anything of a sum."""
        self.community.config = self.config
        shutil.rmtree(self.config.api.sums_dir, ignore_errors=True)
        self.forget_sum()

    @property
    def phase(self) -> str:
        """The sum's; empty before it has begun."""
        with self.community.sessions() as session:
            row = session.get(MaskedSum, (self.day, "shared"))
            return "" if row is None else row.phase

    def forget_sum(self) -> None:
        """As a dishonest server does: the gateways' own states stay."""
        with self.community.sessions.begin() as session:
            for table in (MaskedSum, MaskedSumMessage, SharedDay):
                session.execute(delete(table))


@contextmanager
def summed_street(
    folder: Path, name: str, homes: Sequence[MeteredHome], day: int, settlement: Mapping[str, Any]
) -> Iterator[Street]:
    """The homes' gateways and their server, once the day is over and signed; days start as the homes' clock says."""
    for home in homes:
        home.signed(range(day, day + 1))
        make_agent_key(folder / "keys", home.home.name)
    roster_of_agents(folder / "keys").write(folder / "roster.json")
    config = Config.model_validate({
        "community": {"name": name, "members": [
            {"household": home.household, "meter": home.home.meter.address, "home": home.home.name} for home in homes
        ]},
        "data": {"source": "none", "day_start_utc": homes[0].clock.start_hour_utc},
        "federation": {"deployment": {"keys_dir": folder / "keys", "task_interval_s": 1e-6}},
        "rewards": {"clock": "standing"},
        "api": {"state_dir": folder, "sum_phase_s": PHASE_S},
        "gateway": {"roster": folder / "roster.json", "fewest_in_total": 3, "retry_max_s": 1e-6},
        "settlement": {"gateways": True, "late_meter_hours": 0, **settlement},
    })  # fmt: skip
    community = Community(config)
    chain_session = open_chain_session(community, day)
    chain_session.chain.advance_to(community.start_of(day + 1) + 1)
    with community.sessions.begin() as session:
        for home in homes:
            session.add(Household(address=home.household, meter=home.home.meter.address))
    made = Street(folder, config, community, chain_session, homes, day)
    app = make_app(community, chain_session)
    app.state.secure_sums = SecureSumServer(community, chain_session, lambda: made.now)
    with uvicorn_served(uvicorn.Config(app, log_level="warning")) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made
    chain_session.chain.close()
