"""Four homes with registered forecasts, each with a gateway's side of the totals, at a real server on loopback."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import httpx
import numpy as np
import uvicorn
from sqlalchemy import delete, select

from api.config.community_yaml import Config
from api.config.settlement_settings import SettlementSettings
from api.gateway.client import ApiClient
from api.gateway.home import Home
from api.gateway.jobs import Isolated
from api.gateway.outbox import Outbox, Submission
from api.gateway.sealed import SealedForecast
from api.gateway.secure_sum.client import SecureSumClient, open_sums
from api.gateway.secure_sum.contribution import Contributions
from api.gateway.secure_sum.state import SecureSumFolder, SecureSumState
from api.http.server import make_app
from api.one_machine.community import LocalCommunity
from api.one_machine.day import prove_day, register
from api.operator.chain_session import ChainSession, open_chain_session, publish_round
from api.operator.database.tables import (
    CommunityTotal,
    ExportForecast,
    ExportTotal,
    Forecast,
    MaskedSum,
    MaskedSumMessage,
    MeasuredTotal,
    SharedDay,
)
from api.operator.secure_sum import SecureSumServer
from api.protocol.bundle_parts import to_hex
from api.protocol.secure_sum import Kind, SumMessage
from data.interval import IntervalMinutes
from data.tls import client_context
from fl.deployment.keys import make_agent_key, roster_of_agents
from fl.deployment.telemetry import AgentMetrics
from fl.deployment.training_process import TrainingProcess
from tests.api.untrained import untrained_model
from tests.support.served import uvicorn_served
from tests.support.waiting import LIMIT_S
from zkp.algebra import commitment
from zkp.algebra.commitment import FORECAST_VALUES

DAY = 17_316
HOMES = 4
PHASE_S = 900.0
_Result = TypeVar("_Result")
_P = ParamSpec("_P")


def community_config(folder: Path, members: list[dict[str, str]], **gateway: Any) -> Config:
    return Config.model_validate({
        "community": {"name": "Test street", "members": members},
        "data": {"source": "citylearn"},
        "forecasting": {"model": {"hidden": 8}},
        "federation": {"num_clients": HOMES, "deployment": {"keys_dir": folder / "keys", "task_interval_s": 1e-6}},
        "rewards": {"clock": "standing"},
        "api": {"state_dir": folder, "sum_phase_s": PHASE_S},
        "gateway": {"roster": folder / "roster.json", "fewest_in_total": 3, "retry_max_s": 1e-6} | gateway,
    })  # fmt: skip


class InThisProcess(Isolated):
    """Jobs run where they are asked for: four processes for each sum are not the point here (`test_*_processes`)."""

    def __call__(self, job: Callable[_P, _Result], *arguments: _P.args, **named: _P.kwargs) -> _Result:
        return job(*arguments, **named)


@dataclass
class CommunityFixture:
    folder: Path
    community: LocalCommunity
    chain_session: ChainSession
    url: str = ""
    now: float = field(default_factory=time.time)
    metrics: dict[str, AgentMetrics] = field(default_factory=dict)
    rules: SettlementSettings | None = None
    """The gateways' own, where they are others than the server's."""

    @property
    def names(self) -> list[str]:
        return [home.name for home in self.community.homes]

    @contextmanager
    def serving(self) -> Iterator[None]:
        """A server that knows nothing but what is in the database."""
        app = make_app(self.community, self.chain_session)
        app.state.secure_sums = SecureSumServer(self.community, self.chain_session, lambda: self.now)
        with uvicorn_served(uvicorn.Config(app, log_level="warning")) as port:
            self.url = f"http://127.0.0.1:{port}"
            yield

    @contextmanager
    def once_closed(self) -> Iterator[None]:
        """Served once registration is closed, before anything of a sum; what is done in it is undone."""
        chain = self.chain_session.chain
        snapshot, moment = chain.tester.take_snapshot(), chain.now
        chain.reset_clock(moment)
        self.close_registration()
        with self.serving():
            yield
        chain.tester.revert_to_snapshot(snapshot)
        chain.reset_clock(moment)
        self.clear()

    def gateway(self, name: str, **gateway: Any) -> SecureSumClient:
        """The home's side as it stands on its disk."""
        config = community_config(self.folder, [], **gateway)
        outbox = Outbox(config.api.outbox_dir, name)
        outbox.put(Submission("forecast", DAY, int(self.now), "done"))
        if Home(name, config.api.homes_dir / name).sealed(DAY, "export") is not None:
            outbox.put(Submission("export", DAY, int(self.now), "done"))
        run = InThisProcess(TrainingProcess(name, _never), config.api.log_level)
        rules = self.rules or self.community.config.settlement
        contributions = Contributions(name, config.api.homes_dir / name, run, rules.interval_minutes)
        member = open_sums(
            name, config.community.name, config.gateway, config.federation.deployment, config.api.sums_dir,
            ApiClient(self.url), outbox, contributions,
            (lambda: [DAY]) if rules.gateways else None, interval=rules.interval_minutes,
        )  # fmt: skip
        assert member is not None
        return member

    def run(self, *names: str, **gateway: Any) -> None:
        """Each gateway, just restarted, looks once."""
        for name in names or self.names:
            self.gateway(name, **gateway).run_once(self.metrics.setdefault(name, AgentMetrics(name)))

    def counted(self, name: str, outcome: str, kind: Kind = "forecast") -> float:
        labels = {"kind": kind, "outcome": outcome}
        return self.metrics[name].registry.get_sample_value("wattproof_agent_sums_total", labels) or 0

    def part(self, name: str, kind: Kind = "forecast") -> SecureSumState:
        part = SecureSumFolder(self.folder / "sums", name).get(kind, DAY)
        assert part is not None
        return part

    def get(self, path: str) -> Any:
        return httpx.get(self.url + path, verify=client_context(), timeout=LIMIT_S).json()

    def say(self, message: SumMessage, kind: Kind = "forecast") -> str:
        """What the server answers: ok, or the refusal's code."""
        answer = httpx.post(
            f"{self.url}/sums/{DAY}/{kind}", json=message.to_json(), verify=client_context(), timeout=LIMIT_S
        )
        return "ok" if answer.is_success else str(answer.json()["error"])

    def phase(self, kind: Kind = "forecast") -> str:
        return str(self.get(f"/sums/{DAY}/{kind}")["phase"])

    def settle_by_gateways(self, settles: bool = True, interval: IntervalMinutes = 60) -> None:
        """Whether the community does; a sum of shared energy waits for no late meter."""
        settlement = SettlementSettings(gateways=settles, late_meter_hours=0, interval_minutes=interval)
        self.community.config = self.community.config.model_copy(update={"settlement": settlement})

    def forecast_export(self, *names: str) -> None:
        """These homes seal a forecast of export, and the server has its commitment. (No proof is needed here.)"""
        random = np.random.default_rng(4)
        for home in self.community.homes:
            if home.name not in names:
                continue
            values = tuple(int(value) for value in random.integers(0, 900, FORECAST_VALUES))
            sealed = SealedForecast(values, commitment.random_blinding())
            home.seal(DAY, sealed, "export")
            committed = to_hex(commitment.commit_forecast(values, sealed.blinding))
            row = ExportForecast(
                household=home.wallet.address, day=DAY, round=1, commitment=committed, proof_hash=home.name,
                bundle=b"",
            )  # fmt: skip
            with self.community.sessions.begin() as session:
                session.add(row)

    def close_registration(self) -> None:
        self.chain_session.chain.advance_to(
            self.community.start_of(DAY) + self.community.config.rewards.grace_seconds + 1
        )

    def end_day(self) -> None:
        """The day is over, and the meters have signed it."""
        self.chain_session.chain.advance_to(self.community.start_of(DAY + 1) + 1)
        for home in self.community.homes:
            self.community.opened(home).days.get(DAY)

    def received(self) -> list[SumMessage]:
        """All that the server has of its gateways' sums."""
        with self.community.sessions() as session:
            return [SumMessage.from_json(row.content) for row in session.scalars(select(MaskedSumMessage))]

    def clear(self) -> None:
        with self.community.sessions.begin() as session:
            for table in (
                MaskedSum, MaskedSumMessage, CommunityTotal, MeasuredTotal, SharedDay, ExportTotal, ExportForecast,
            ):  # fmt: skip
                session.execute(delete(table))
        of_export = (self.folder / "homes").glob("*/export-forecast-*.json")
        for path in [*(self.folder / "sums").rglob("*.json"), *(self.folder / "outbox").rglob("*.json"), *of_export]:
            path.unlink()
        self.metrics.clear()


def build(folder: Path) -> None:
    """Fill a folder: the street with its forecasts registered, made by an untrained model and proven."""
    for home in LocalCommunity(community_config(folder, [])).homes:
        make_agent_key(folder / "keys", home.name)
    roster_of_agents(folder / "keys").write(folder / "roster.json")
    community = _community(folder)
    trained = untrained_model(community)
    chain_session = open_chain_session(community, DAY)
    publish_round(community, chain_session, trained)
    for home, bundle, _ in prove_day(community, DAY, trained):
        register(community, chain_session, home, bundle)
    with community.sessions() as session:
        assert len(list(session.scalars(select(Forecast)))) == HOMES
    chain_session.chain.close()


def open_fixture(folder: Path) -> CommunityFixture:
    """The street in a folder that was built."""
    community = _community(folder)
    return CommunityFixture(folder, community, open_chain_session(community, DAY))


def _community(folder: Path) -> LocalCommunity:
    homes = LocalCommunity(community_config(folder, [])).homes
    return LocalCommunity(community_config(folder, [_line(home) for home in homes]))


def _line(home: Home) -> dict[str, str]:
    return {"household": home.wallet.address, "meter": home.meter.address, "home": home.name}


def _never() -> Any:
    raise AssertionError("these gateways do not train")
