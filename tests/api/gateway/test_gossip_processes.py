"""Eight peers as processes on a chain of their own, and nobody above them: what happens to them, the others go on."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from bench.deployed import free_port
from fl.deployment.keys import make_peer_keys
from fl.gossip.draws import leader
from fl.gossip.segments import Segments
from fl.gossip.transport import FORMAT
from fl.settings import FederationSettings
from fl.task import HomeFolder, initial_weights, write_homes
from fl.weights import load
from rewards.chain import Chain
from rewards.deploy import deploy
from rewards.gossip import Terms, deploy_registry
from rewards.gossip_client import GossipClient
from rewards.settings import RewardSettings
from tests.api.processes.gossip_peer import FORECASTING, Given, run, shape
from tests.fl.federation import made_up_windows
from tests.support.anvil import Anvil, anvil
from tests.support.waiting import LIMIT_S, until

pytestmark = pytest.mark.process
HOMES = tuple(f"home-{letter}" for letter in "abcdefgh")
LIAR, SILENT, KILLED, CUT_OFF = "home-b", "home-d", "home-f", "home-h"
SETTINGS = FederationSettings.model_validate({
    "topology": "gossip", "rounds": 3, "local": {"epochs": 1, "batch_days": 8}, "deployment": {"poll_s": 0.2},
    "gossip": {"segments": 4, "trim": 2, "settle_epochs": 2, "committee": 8, "patience_s": 2, "tolerance": 0.5},
})  # fmt: skip
EPOCHS = 5
HOUR = 3600
START = 1_600_000_000


def account(number: int) -> LocalAccount:
    made: LocalAccount = Account.from_key(number.to_bytes(32, "big"))
    return made


@dataclass
class Community:
    """The chain, its registry, and the peers that run."""

    folder: Path
    node: Anvil
    client: GossipClient
    ports: dict[str, int]
    processes: dict[str, multiprocessing.process.BaseProcess] = field(default_factory=dict)

    def start(self, home: str) -> None:
        context = multiprocessing.get_context("forkserver")  # what all of them load is loaded once
        context.set_forkserver_preload(["tests.api.processes.gossip_peer"])
        manner = {LIAR: "lying", SILENT: "silent"}.get(home, "honest")
        number = 100 + HOMES.index(home)
        given = Given(
            self.folder, home, number.to_bytes(32, "big"), self.ports[home], self.node.url, self.client.registry,
            SETTINGS.model_dump_json(), manner,
        )  # fmt: skip
        self.processes[home] = context.Process(target=run, args=(given,), daemon=True)
        self.processes[home].start()

    def send_signal(self, home: str, number: int) -> None:
        process = self.processes[home]
        assert process.pid is not None
        os.kill(process.pid, number)
        if number == signal.SIGKILL:
            process.join(LIMIT_S)

    def log(self, home: str) -> str:
        path = self.folder / f"{home}.log"
        return path.read_text() if path.exists() else ""

    def logs(self) -> str:
        return "\n".join(f"== {home}\n{self.log(home)[-3000:]}" for home in HOMES)

    def jump(self, seconds: int) -> None:
        """Let the chain's time pass."""
        now = int(self.node.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        self.node.be_at(now + seconds)

    def member(self, home: str) -> bytes:
        return bytes.fromhex(account(100 + HOMES.index(home)).address[2:])

    def has_published(self, epoch: int, homes: tuple[str, ...]) -> None:
        until(
            lambda: all(self.client.entry_of(epoch, self.member(home))[0] for home in homes),
            lambda: f"{homes} in epoch {epoch}: {self.logs()}",
        )

    def has_revealed(self, epoch: int, homes: tuple[str, ...]) -> None:
        until(lambda: all(self.client.entry_of(epoch, self.member(home))[1] for home in homes), self.logs)

    def seed(self, epoch: int) -> bytes:
        return until(lambda: self.client.word("seed_of", epoch), self.logs)

    def accepted(self, epoch: int) -> bytes:
        return until(lambda: self.client.word("accepted", epoch), self.logs)

    def hold(self, home: str, epoch: int) -> None:
        (self.folder / f"{home}.hold").write_text(str(epoch))

    def let_go(self, home: str) -> None:
        (self.folder / f"{home}.hold").unlink()

    def done(self, home: str) -> dict[str, object]:
        path = self.folder / f"{home}.done"
        found: dict[str, object] = json.loads(until(lambda: path.exists() and path.read_text(), self.logs) or "")
        return found


@pytest.fixture(scope="module")
def community(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Community]:
    folder = tmp_path_factory.mktemp("gossip")
    days = made_up_windows(HOMES, 24)
    write_homes(folder / "homes", days, days.between(0, 0))
    ports = {home: free_port() for home in HOMES}
    peers = {account(100 + at).address: f"https://127.0.0.1:{ports[home]}" for at, home in enumerate(HOMES)}
    (folder / "peers.json").write_text(json.dumps({"format": FORMAT, "peers": peers}))
    for home in HOMES:
        make_peer_keys(folder / "keys", home, ["127.0.0.1"])
    with anvil(folder, START) as node:
        begun = Community(folder, node, _registry(node), ports)
        try:
            yield begun
        finally:
            for process in begun.processes.values():
                if process.is_alive() and process.pid is not None:
                    os.kill(process.pid, signal.SIGKILL)
                    process.join(LIMIT_S)


def _registry(node: Anvil) -> GossipClient:
    operator, chain = account(1), Chain.at(node.url)
    for one in (operator, *(account(100 + number) for number in range(len(HOMES)))):
        node.fund(one.address)
    contracts = deploy(chain, operator, RewardSettings(verifier="auditor"), 0, b"\x0c" * 32)
    size = sum(array.size for array in initial_weights(shape(), 1).values())
    segments = Segments(size, SETTINGS.gossip.segments)
    terms = Terms(
        segments.count, segments.size, EPOCHS, fewest=3, publish_s=HOUR, reveal_s=HOUR, leader_s=600,
        challenge_s=HOUR // 2, committee=SETTINGS.gossip.committee,
    )  # fmt: skip
    registry = deploy_registry(chain, operator, b"\x0c" * 32, contracts.forecast_registry.address, terms)
    for number in range(len(HOMES)):
        member = account(100 + number)
        chain.send(operator, contracts.forecast_registry.functions.enrol(member.address, operator.address))
        GossipClient(node.url, registry.address, member, 10**17).join()
    client = GossipClient(node.url, registry.address, operator, 10**17)
    now = int(node.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    node.be_at(now + HOUR + 1)
    return client


def test_a_training_ends_in_one_model_whatever_happens_to_some(community: Community) -> None:
    for home in (KILLED, CUT_OFF):
        community.hold(home, 2)
    for home in HOMES:
        community.start(home)

    # Epoch 1: all take part. One lies, and one does not serve what it has published.
    community.has_published(1, HOMES)
    _elect(community, 1)

    # Epoch 2: one is killed, one is cut off. The silent one has not answered its challenge.
    others = tuple(home for home in HOMES if home not in (SILENT, KILLED, CUT_OFF))
    until(lambda: all("held in epoch 2" in community.log(home) for home in (KILLED, CUT_OFF)), community.logs)
    community.send_signal(KILLED, signal.SIGKILL)
    community.send_signal(CUT_OFF, signal.SIGSTOP)
    community.has_published(2, others)
    community.jump(HOUR + 1)
    community.has_revealed(2, others)
    until(lambda: community.client.bond_of(community.member(SILENT)) == 0, community.logs)
    if community.client.state()[:2] == (2, True):  # the silent one had published, and was slashed before it revealed
        community.jump(HOUR + 1)
    community.seed(2)
    _elect(community, 2)

    # Epoch 3: both are back. The leader is killed before it proposes.
    (community.folder / "hold").touch()
    community.let_go(KILLED)
    community.start(KILLED)
    community.let_go(CUT_OFF)
    community.send_signal(CUT_OFF, signal.SIGCONT)
    back = (*others, KILLED, CUT_OFF)
    community.has_published(3, back)
    community.has_revealed(3, back)
    chosen = HOMES[leader(community.seed(3), 0, len(HOMES))]
    if chosen != SILENT:
        community.send_signal(chosen, signal.SIGKILL)
    (community.folder / "hold").unlink()
    _elect(community, 3)

    # To the end.
    left = tuple(home for home in back if home != chosen)
    for epoch in (4, 5):
        community.has_published(epoch, left)
        if community.client.state()[:2] == (epoch, False):  # somebody is waited for in vain
            community.jump(HOUR + 1)
        community.has_revealed(epoch, left)
        community.seed(epoch)
        _elect(community, epoch)
    done = {home: community.done(home) for home in left}
    assert len({str(each["digest"]) for each in done.values()}) == 1, community.logs()
    assert {each["epoch"] for each in done.values()} == {EPOCHS}
    _check_bonds(community, chosen)
    _check_model(community, left[0])
    assert "caught up" in community.log(CUT_OFF) or "caught up" in community.log(KILLED)


def _elect(community: Community, epoch: int) -> None:
    """Wait until a merge is accepted; where a leader is away, let its time pass."""
    for _ in range(len(HOMES)):
        proposed = until(
            lambda: community.client.word("accepted", epoch) or (_is_away(community, epoch) and b"away"),
            community.logs,
        )
        if proposed != b"away":
            return
        community.jump(601)
    community.accepted(epoch)


def _is_away(community: Community, epoch: int) -> bool:
    """Whether all leaders whose turn it has been are killed, held or silent."""
    client = community.client
    passed = client.state()[2] - client.number("seeded_at", epoch)
    ranks = range(min(len(HOMES), 1 + passed // 600))
    turn = [HOMES[leader(community.seed(epoch), rank, len(HOMES))] for rank in ranks]
    return all(
        home == SILENT or not community.processes[home].is_alive() or (community.folder / f"{home}.hold").exists()
        for home in turn
    )


def _check_bonds(community: Community, dead: str) -> None:
    """The one that withheld its blocks has lost its bond. So may have the leader that was killed for good, with what
    it had published; nobody else."""
    bonds = {home: community.client.bond_of(community.member(home)) for home in HOMES}
    assert bonds.pop(SILENT) == 0
    bonds.pop(dead, None)
    assert all(bonds.values())


def _check_model(community: Community, home: str) -> None:
    """The model forecasts better than the one that they began with."""
    found = load(community.folder / f"{home}.model.npz")
    homes = HomeFolder(community.folder / "homes", shape(), FORECASTING.huber)
    start = initial_weights(shape(), 1)
    scored = [replace(opened, validation=opened.train) for opened in map(homes, HOMES)]
    before, after = (np.mean([home.evaluate(weights)["loss"] for home in scored]) for weights in (start, found))
    assert after < before
