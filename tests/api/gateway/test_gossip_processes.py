"""Eight peers as processes on a chain of their own, and nobody above them: what happens to them, the others go on."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

from api.config.community_yaml import load
from api.config.tracing import GossipEpoch
from api.gateway.gossip_peer import open_client
from api.gateway.home import Home
from api.operator.chain_session import ChainSession, open_chain_session
from api.operator.community import Community as CommunityOfOperator
from api.operator.gossip import OBSERVER, deploy_training, take_accepted
from api.operator.publisher import Publisher
from bench.ports import free_port
from fl.deployment.kept_model import kept_weights
from fl.deployment.keys import make_peer_keys
from fl.gossip.draws import leader
from fl.gossip.transport import FORMAT
from fl.task import HomeFolder, initial_weights, write_homes
from forecasting.integer import IntegerModel
from forecasting.shape import ModelShape
from rewards.gossip_client import GossipClient
from rewards.membership import enrol
from tests.api.processes.gossip_peer import Given, run
from tests.fl.federation import made_up_windows
from tests.support.anvil import Anvil, anvil
from tests.support.forked import loaded
from tests.support.otlp_receiver import Receiver, SeenSpan, otlp_receiver
from tests.support.waiting import LIMIT_S, until
from zkp.lstm.weights import commit_weights

pytestmark = pytest.mark.process
HOMES = tuple(f"home-{letter}" for letter in "abcdefgh")
LIAR, SILENT, KILLED, CUT_OFF = "home-b", "home-d", "home-f", "home-h"
TRACED = "home-a"
FEDERATION = {
    "topology": "gossip", "rounds": 3, "local": {"epochs": 1, "batch_days": 8}, "deployment": {"poll_s": 0.2},
    "evaluate_every": 0,
}  # fmt: skip
HOUR, LEADER_S, SEGMENTS = 3600, 600, 4
GOSSIP = {
    "segments": SEGMENTS, "trim": 2, "settle_epochs": 2, "committee": 8, "patience_s": 5, "tolerance": 0.5,
    "bind": "127.0.0.1",
    "publish_s": HOUR, "reveal_s": HOUR, "leader_s": LEADER_S, "challenge_s": HOUR // 2, "peers": "peers.json",
}  # fmt: skip
EPOCHS = 5
START = 1_600_000_000


@dataclass
class Community:
    """The chain, its registry, and the peers that run."""

    folder: Path
    node: Anvil
    client: GossipClient
    operator: CommunityOfOperator
    session: ChainSession
    collector: Receiver
    processes: dict[str, BaseProcess] = field(default_factory=dict)

    def start(self, home: str) -> None:
        given = Given(self.folder, home, {LIAR: "lying", SILENT: "silent"}.get(home, "honest"))
        self.processes[home] = loaded().Process(target=run, args=(given,), daemon=True)
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
        """Let the chain's time pass, once challenges are answered: a busy machine takes nobody's bond."""
        until(lambda: not self._challenged(), lambda: f"{self._challenged()} do not answer: {self.logs()}")
        now = int(self.node.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        self.node.be_at(now + seconds)

    def _challenged(self) -> list[str]:
        """Homes with an open challenge, but those that are not there to answer."""
        epoch = self.client.state()[0]
        return [
            home
            for home, process in self.processes.items()
            if home != SILENT and process.is_alive() and not (self.folder / f"{home}.hold").exists()
            and any(
                self.client.is_challenged(earlier, self.member(home), segment)
                for earlier in range(max(1, epoch - 2), epoch + 1)
                for segment in range(SEGMENTS)
            )
        ]  # fmt: skip

    def member(self, home: str) -> bytes:
        return bytes.fromhex(_home(self.folder, home).wallet.address[2:])

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

    def kept(self, home: str) -> bytes:
        """The digest of the model that a gateway has kept, once it has."""
        path = self.folder / home / "model" / f"{EPOCHS:04d}.npz"
        until(path.exists, self.logs)
        return commit_weights(IntegerModel.load(path).weights).digest()


def _home(folder: Path, home: str) -> Home:
    return Home(home, folder / home / "homes" / home)


@pytest.fixture(scope="module")
def community(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Community]:
    folder = tmp_path_factory.mktemp("gossip")
    days = made_up_windows(HOMES, 24)
    write_homes(folder / "homes", days, days.between(0, 0))
    for name in (*HOMES, OBSERVER):
        make_peer_keys(folder / "keys", name, ["127.0.0.1"])
    with anvil(folder, START) as node, otlp_receiver() as collector:
        begun = _founded(folder, node, collector)
        try:
            yield begun
        finally:
            for process in begun.processes.values():
                if process.is_alive() and process.pid is not None:
                    os.kill(process.pid, signal.SIGKILL)
                    process.join(LIMIT_S)


def _founded(folder: Path, node: Anvil, collector: Receiver) -> Community:
    """The community's contracts and the training's registry are on the chain, and all have joined it."""
    ports = {home: free_port() for home in HOMES}
    wallets = {home: _home(folder, home).wallet for home in HOMES}
    peers = {wallets[home].address: f"https://127.0.0.1:{ports[home]}" for home in HOMES}
    (folder / "peers.json").write_text(json.dumps({"format": FORMAT, "peers": peers}))
    (folder / "operator.key").write_text("11" * 32)
    members = [
        {"household": wallets[home].address, "meter": _home(folder, home).meter.address, "home": home}
        for home in HOMES
    ]
    rewards = {"rpc_url": node.url, "key_file": "operator.key", "verifier": "auditor"}
    _write(folder, OBSERVER, {"rewards": rewards}, members=members)
    for wallet in (*wallets.values(), CommunityOfOperator(load(folder / f"{OBSERVER}.yaml")).operator):
        node.fund(wallet.address)
    operator = CommunityOfOperator(load(folder / f"{OBSERVER}.yaml"))
    session = open_chain_session(operator)
    for wallet in wallets.values():
        enrol(session.chain, session.contracts, operator.operator, wallet)
    registry = deploy_training(operator, session)
    _write(folder, OBSERVER, {"rewards": rewards}, {"registry": registry}, members=members)
    gateway = {"rpc_url": node.url, "forecast_registry": str(session.contracts.forecast_registry.address)}
    for home in HOMES:
        tracing = {"tracing": {"endpoint": collector.url}} if home == TRACED else {}
        _write(folder, home, {"gateway": gateway, **tracing}, {"registry": registry, "port": ports[home]})
        open_client(load(folder / f"{home}.yaml"), home).join()
    client = GossipClient(node.url, registry, operator.operator, 10**17)
    begun = Community(
        folder, node, client, CommunityOfOperator(load(folder / f"{OBSERVER}.yaml")), session, collector
    )
    begun.jump(HOUR + 1)
    return begun


def _write(
    folder: Path, name: str, parts: dict[str, object], gossip: dict[str, object] | None = None, **community: object
) -> None:
    content = {
        "community": {"name": "Elm Street", **community}, "data": {"source": "none"},
        "forecasting": {"model": {"hidden": 4}}, "api": {"state_dir": name},
        "federation": {**FEDERATION, "gossip": {**GOSSIP, **(gossip or {})}}, **parts,
    }  # fmt: skip
    (folder / f"{name}.yaml").write_text(json.dumps(content))


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
    _check_trace(community, 1)

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
    kept = {home: community.kept(home) for home in left}
    assert len(set(kept.values())) == 1, community.logs()
    _check_bonds(community, chosen)
    _check_model(community, left[0])
    assert "caught up" in community.log(CUT_OFF) or "caught up" in community.log(KILLED)

    assert all(
        community.client.leader_of(epoch) != community.member(LIAR) for epoch in range(1, EPOCHS + 1)
    )  # what it proposed as its merge was not that

    # The operator publishes what they have agreed to, and it is what they have.
    assert take_accepted(community.operator, lambda *_: None) == EPOCHS
    Publisher(community.operator, community.session).look()
    registered = community.session.contracts.model_registry.functions.digest_of(EPOCHS).call()
    assert bytes(registered) == kept[left[0]]


def _elect(community: Community, epoch: int) -> None:
    """Wait until a merge is accepted; where a leader is away, let its time pass.

    Peers need no merge of an earlier epoch once that of the last is accepted, and end: they may have been as fast.
    """
    for _ in range(len(HOMES)):
        proposed = until(
            lambda: (
                community.client.word("accepted", epoch)
                or community.client.word("accepted", EPOCHS)
                or (_is_away(community, epoch) and b"away")
            ),
            community.logs,
        )
        if proposed != b"away":
            return
        community.jump(LEADER_S + 1)
    community.accepted(epoch)


def _is_away(community: Community, epoch: int) -> bool:
    """Whether all leaders whose turn it has been are killed, held, silent, or propose what is no merge."""
    client = community.client
    passed = client.state()[2] - client.number("seeded_at", epoch)
    ranks = range(min(len(HOMES), 1 + passed // LEADER_S))
    turn = [HOMES[leader(community.seed(epoch), rank, len(HOMES))] for rank in ranks]
    return all(
        home in (SILENT, LIAR)
        or not community.processes[home].is_alive()
        or (community.folder / f"{home}.hold").exists()
        for home in turn
    )


def _check_trace(community: Community, epoch: int) -> None:
    """What the traced home did in the epoch is one trace; nobody else sends one."""
    household = f"0x{community.member(TRACED).hex()}"
    of = GossipEpoch(community.operator.config.community.identifier, community.client.registry, household, epoch)
    until(lambda: [one for one in community.collector.named("gossip epoch") if _of(one, of)], community.logs)
    seen = {one.name: one for one in community.collector.spans if _of(one, of)}
    first = seen["gossip epoch"]
    assert {"train at home", "publish update", "reveal secret", "merge models"} <= seen.keys()
    assert (first.parent, first.span) == ("", f"{of.ids[1]:016x}")
    assert {one.parent for one in seen.values() if one is not first} == {first.span}
    assert first.attributes["wattproof.homes"] == len(HOMES) and first.attributes["wattproof.epoch"] == epoch
    assert {str(one.attributes["wattproof.household"]).lower() for one in community.collector.spans} == {household}
    assert not any(TRACED.encode() in body for body in community.collector.bodies)


def _of(span: SeenSpan, of: GossipEpoch) -> bool:
    return span.trace == f"{of.ids[0]:032x}"


def _check_bonds(community: Community, dead: str) -> None:
    """The one that withheld its blocks has lost its bond. So may have the leader that was killed for good, with what
    it had published; nobody else."""
    bonds = {home: community.client.bond_of(community.member(home)) for home in HOMES}
    assert bonds.pop(SILENT) == 0
    bonds.pop(dead, None)
    assert all(bonds.values())


def _check_model(community: Community, home: str) -> None:
    """The model forecasts better than the one that they began with."""
    settings = load(community.folder / f"{home}.yaml").forecasting
    shape = ModelShape.of(settings.model)
    found = kept_weights(community.folder / home / "model", EPOCHS)
    assert found is not None
    homes = HomeFolder(community.folder / "homes", shape, settings.huber)
    start = initial_weights(shape, settings.seed)
    scored = [replace(opened, validation=opened.train) for opened in map(homes, HOMES)]
    before, after = (np.mean([opened.evaluate(weights)["loss"] for opened in scored]) for weights in (start, found))
    assert after < before
