"""Shared energy split class by class over the network: a total of each class, none of which tells of few homes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import uvicorn
from sqlalchemy import delete

from api.config.community_yaml import Config
from api.config.settlement_settings import SettlementSettings
from api.gateway.client import ApiClient
from api.gateway.home import Home
from api.gateway.metered_home import MeteredHome
from api.gateway.outbox import Outbox
from api.gateway.secure_sum.client import open_sums
from api.gateway.secure_sum.contribution import Contributions, by_class
from api.gateway.secure_sum.state import SecureSumFolder
from api.http.server import make_app
from api.one_machine.settlement import meters_of
from api.operator.chain_session import ChainSession, open_chain_session
from api.operator.community import Community
from api.operator.database.tables import Household, MaskedSum, MaskedSumMessage, SharedDay
from api.operator.open_periods import _record
from api.operator.running_sum import RunningSum, SecureSumRefused
from api.operator.secure_sum import SecureSumServer
from api.protocol.period import Key, Period, check
from api.protocol.secure_sum import REGISTER, STAGES
from data.day import DayClock
from data.table import long_table
from fl.deployment.keys import make_agent_key, roster_of_agents
from fl.deployment.telemetry import AgentMetrics
from tests.support.served import uvicorn_served

pytestmark = pytest.mark.slow

CLOCK, DAY, PHASE_S = DayClock(0), 20_500, 900.0
CLASSES = {f"elm-{k}": 1 + k // 3 for k in range(6)}
"""Three homes of the first class, three of the second."""


def metered(folder: Path, home: str) -> MeteredHome:
    ds = pd.date_range(CLOCK.start_of(DAY), periods=24, freq="h", unit="ns")
    rng = np.random.default_rng(int(home[-1]))
    fed_in = pd.Series(rng.integers(0, 900, 24), dtype="Int64")
    table = long_table(home, ds, rng.integers(100, 900, 24), export=fed_in)
    return MeteredHome(Home(home, folder / "homes" / home), table, CLOCK)


@dataclass
class Street:
    """A server on loopback, and the folders of six gateways."""

    folder: Path
    config: Config
    community: Community
    chain_session: ChainSession
    homes: list[MeteredHome]
    url: str = ""
    now: float = field(default_factory=time.time)

    @property
    def server(self) -> SecureSumServer:
        return SecureSumServer(self.community, self.chain_session, lambda: self.now)

    def run(self, *homes: str, classes: dict[str, int] = CLASSES) -> None:
        """Each gateway, just restarted, looks once."""
        for home in homes or CLASSES:
            contributions = Contributions(home, self.folder / "homes" / home, lambda job, *given: job(*given))  # type: ignore[arg-type]
            client = open_sums(
                home, self.config.community.name, self.config.gateway, self.config.federation.deployment,
                self.config.api.sums_dir, ApiClient(self.url), Outbox(self.config.api.outbox_dir, home),
                contributions, lambda: [DAY], classes,
            )  # fmt: skip
            assert client is not None
            client.run_once(AgentMetrics(home))

    def row(self) -> MaskedSum:
        with self.community.sessions() as session:
            return session.get_one(MaskedSum, (DAY, "shared"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("classes")
    homes = [metered(folder, home) for home in CLASSES]
    for home in homes:
        home.signed(range(DAY, DAY + 1))
        make_agent_key(folder / "keys", home.home.name)
    roster_of_agents(folder / "keys").write(folder / "roster.json")
    config = Config.model_validate({
        "community": {"name": "Two classes", "members": [
            {"household": home.household, "meter": home.home.meter.address, "home": home.home.name} for home in homes
        ]},
        "data": {"source": "none", "day_start_utc": 0},
        "federation": {"deployment": {"keys_dir": folder / "keys", "task_interval_s": 1e-6}},
        "rewards": {"clock": "standing"},
        "api": {"state_dir": folder, "sum_phase_s": PHASE_S},
        "gateway": {"roster": folder / "roster.json", "fewest_in_total": 3, "retry_max_s": 1e-6},
        "settlement": {"gateways": True, "late_meter_hours": 0, "key": "priority", "numbers": CLASSES},
    })  # fmt: skip
    community = Community(config)
    chain_session = open_chain_session(community, DAY)
    chain_session.chain.advance_to(community.start_of(DAY + 1) + 1)
    with community.sessions.begin() as session:
        for home in homes:
            session.add(Household(address=home.household, meter=home.home.meter.address))
    made = Street(folder, config, community, chain_session, homes)
    app = make_app(community, chain_session)
    app.state.secure_sums = SecureSumServer(community, chain_session, lambda: made.now)
    with uvicorn_served(uvicorn.Config(app, log_level="warning")) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made
    chain_session.chain.close()


@pytest.fixture
def street(built: Street) -> Iterator[Street]:
    """Before anything of a sum."""
    yield built
    built.community.config = built.config
    shutil.rmtree(built.config.api.sums_dir, ignore_errors=True)
    with built.community.sessions.begin() as session:
        for table in (MaskedSum, MaskedSumMessage, SharedDay):
            session.execute(delete(table))


def test_each_class_has_a_total_of_its_own_and_the_day_can_be_settled(street: Street) -> None:
    for _ in STAGES:
        street.run()
    assert street.row().phase == "open", street.row().reason
    with street.community.sessions() as session:
        record = _record(session.get_one(SharedDay, DAY))
    for number, total in enumerate(record.blocks[0].imports, 1):
        mine = [home.readings["y"].to_numpy() for home in street.homes if CLASSES[home.home.name] == number]
        assert list(total.values) == sum(mine).tolist()  # type: ignore[union-attr]
    key = Key("priority", {home.household: CLASSES[home.home.name] for home in street.homes})
    checked = check(Period("Two classes", key, (record,)), meters_of(street.homes), fewest_days=1)
    shares = [checked.statement(home.household, "import").numbers[0] for home in street.homes]
    assert shares[0] == shares[1] != shares[3], "coefficients of the classes"


def test_a_gateway_enters_no_sum_that_counts_a_home_into_another_class(street: Street) -> None:
    """The server would choose coefficients by it; each home counts by its own settings."""
    other = CLASSES | {"elm-0": 2}
    for _ in STAGES:
        street.run("elm-0", "elm-5", classes=other)
        street.run("elm-1", classes={})
    assert street.row().phase == "keys"
    for home in ("elm-0", "elm-1", "elm-5"):
        assert SecureSumFolder(street.folder / "sums", home).get("shared", DAY) is None


def test_a_class_of_which_two_are_left_ends_the_sum(street: Street) -> None:
    for _ in range(3):
        street.run()
    street.run(*[home for home in CLASSES if home != "elm-4"])
    assert street.row().phase == "mask"
    street.now += PHASE_S + 1
    state = street.server.state(DAY, "shared")
    assert state.phase == "failed" and "a class has 2 gateways" in state.reason


def test_a_server_that_opens_the_total_of_two_all_the_same_has_nobody_that_agrees(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunningSum, "_check_classes", lambda self: None)
    for _ in range(3):
        street.run()
    there = [home for home in CLASSES if home != "elm-4"]
    street.run(*there)
    street.now += PHASE_S + 1
    assert street.server.state(DAY, "shared").phase == "agree"
    street.run(*there)
    assert street.row().phase == "agree"
    for home in there:
        part = SecureSumFolder(street.folder / "sums", home).get("shared", DAY)
        assert part is not None and part.ended == "refused"


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        (CLASSES | {"elm-3": 1}, "2 gateways of class 2"),
        ({home: number for home, number in CLASSES.items() if home != "elm-2"}, "no class of elm-2"),
    ],
)
def test_no_sum_begins_with_a_small_class_or_a_home_without_one(
    street: Street, numbers: dict[str, int], why: str
) -> None:
    rules = SettlementSettings(gateways=True, key="priority", numbers=numbers)
    street.community.config = street.config.model_copy(update={"settlement": rules})
    with pytest.raises(SecureSumRefused, match=why):
        street.server.state(DAY, "shared")


def test_classes_have_no_gap() -> None:
    with pytest.raises(ValueError, match="without a gap"):
        SettlementSettings(key="priority", numbers={"elm-0": 1, "elm-1": 3})


def test_a_home_enters_its_import_in_its_own_class_alone() -> None:
    vector = (*range(1, REGISTER + 1), *range(100, 100 + REGISTER))
    assert by_class(vector, 1, 1) == vector
    assert by_class(vector, 2, 3) == (*(0,) * REGISTER, *vector[:REGISTER], *(0,) * REGISTER, *vector[REGISTER:])
