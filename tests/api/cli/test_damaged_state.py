"""Damaged state files: whatever has become of one, the command that reads it says which, what is wrong, and what to
do, shows nothing of what is in it, changes nothing, and never advises to delete anything."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from data.errors import DamagedFile
from fl.deployment.kept_model import kept_weights
from fl.weights import save
from tests.api.files_fixture import DAY, HOME, copied, make_community, make_gateway, secrets_of, shown, wattproof
from tests.support.shared import built_once

pytestmark = pytest.mark.slow

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda content: b"",
    "cut off": lambda content: content[: len(content) // 2],
    "written over": lambda content: random.Random(7).randbytes(max(len(content), 64)),
}
STATE, PROVE = f"state/homes/{HOME}", ("prove", HOME, str(DAY), "--out", "again.json")
GATEWAY: dict[str, tuple[str, ...]] = {
    "community.yaml": ("identity", HOME),
    f"{HOME}.csv": PROVE,
    "weather.csv": PROVE,
    "state/model/0001.npz": PROVE,
    f"{STATE}/vault.db": PROVE,
    f"{STATE}/wallet.key": ("identity", HOME),
    f"{STATE}/meter.key": ("identity", HOME),
    f"{STATE}/forecast-{DAY}.json": PROVE,
    f"{STATE}/heads/0001.json": PROVE,
    f"{STATE}/heads/0001.npz": PROVE,
    f"{STATE}/heads/0001.key": PROVE,
    f"state/proofs/{DAY}/{HOME}.json": PROVE,
    f"state/proofs/{DAY}/figures/{HOME}.json": PROVE,
    "roster.json": ("roster",),
    f"keys/agents/{HOME}.pub": ("roster", "--make"),
    "keys/authority.pem": ("keys", "--home", "elm-9"),
    "keys/authority.key": ("keys", "--home", "elm-9"),
}
"""A file of the gateway's, and a command that reads it."""
AGENT = {
    file: ("agent", HOME) for file in (f"keys/agents/{HOME}.key", "keys/authority.pem", "roster.json", f"{HOME}.csv")
}
"""Files that keep an agent from starting."""
COMMUNITY: dict[str, tuple[str, ...]] = {
    "state/rounds/0001/weights.npz": ("forecast", str(DAY)),
    "state/rounds/0001/metrics.json": ("forecast", str(DAY)),
    "state/rounds/0001/digest": ("forecast", str(DAY)),
    "state/contracts.json": ("claim", str(DAY)),
    "state/chain.start": ("claim", str(DAY)),
    "state/chain.jsonl": ("claim", str(DAY)),
    "state/wattproof.sqlite": ("claim", str(DAY)),
    "state/operator.key": ("claim", str(DAY + 1)),  # of a day that is not claimed yet
}
MADE_AGAIN = {  # a command that would otherwise not look
    f"{STATE}/forecast-{DAY}.json": [f"state/proofs/{DAY}/{HOME}.json"],
    f"{STATE}/vault.db": [f"state/proofs/{DAY}/{HOME}.json"],
    f"{STATE}/heads/0001.json": [f"state/proofs/{DAY}/{HOME}.json"],
    f"{STATE}/heads/0001.npz": [f"state/proofs/{DAY}/{HOME}.json"],
    f"{STATE}/heads/0001.key": [f"state/proofs/{DAY}/{HOME}.json"],
    "state/model/0001.npz": [f"state/proofs/{DAY}/{HOME}.json"],
    "keys/authority.pem": ["keys/coordinator.pem", "keys/coordinator.key"],  # made with the authority's key
    "keys/authority.key": ["keys/coordinator.pem", "keys/coordinator.key"],
}
HEADS = re.compile(r"heads/0001\.(npz|key)$")


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_once(tmp_path_factory, "gateway", make_gateway)


@pytest.fixture(scope="session")
def community(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_once(tmp_path_factory, "community", make_community)


KNOWN: dict[Path, set[str]] = {}


def secrets_in(original: Path) -> set[str]:
    """`secrets_of`, looked for once."""
    if original not in KNOWN:
        KNOWN[original] = secrets_of(original)
    return KNOWN[original]


def check(
    original: Path, folder: Path, file: str, damage: str, command: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    secrets = secrets_in(original)
    copied(original, folder)
    for gone in MADE_AGAIN.get(file, ()):
        (folder / gone).unlink()
    path = folder / file
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    capfd.readouterr()
    ended = wattproof(folder, *command, capfd=capfd)
    said = " ".join(ended.said.split())
    assert ended.code == (4 if file == "state/operator.key" else 1), said  # 4: each home's claim is told of by itself
    assert "Internal error" not in said and "Traceback" not in said, ended.said
    assert (path.name in said) or (HEADS.search(file) and f"{HOME}/heads" in said), said
    assert not re.search(r"\b(delete|remove|rm|pickle|allow_pickle)\b", said, re.IGNORECASE), said
    assert shown(secrets, ended.said) == []
    after = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    grown = {p for p in before if p != path and p.suffix in (".db", ".sqlite")}  # what came before the damaged file
    kept = {p for p in before if p.suffix not in (".lock", ".jsonl")} - grown
    assert {p: after.get(p) for p in kept} == {p: before[p] for p in kept}, "nothing is lost, nothing half-written"


@pytest.mark.parametrize("damage", list(DAMAGES))
@pytest.mark.parametrize("file", list(GATEWAY))
def test_a_gateways_damaged_file_is_named(
    gateway: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], file: str, damage: str
) -> None:
    check(gateway, tmp_path / "elm", file, damage, GATEWAY[file], capfd)


TORN = "state/chain.jsonl", "cut off"  # nothing is lost by it, and it is mended (tests/rewards/test_journal.py)


@pytest.mark.process
@pytest.mark.parametrize(("file", "damage"), [case for case in product(COMMUNITY, DAMAGES) if case != TORN])
def test_a_communitys_damaged_file_is_named(
    community: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], file: str, damage: str
) -> None:
    check(community, tmp_path / "elm", file, damage, COMMUNITY[file], capfd)


@pytest.mark.process
@pytest.mark.parametrize("damage", list(DAMAGES))
@pytest.mark.parametrize("file", list(AGENT))
def test_an_agents_damaged_file_is_named(
    gateway: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], file: str, damage: str
) -> None:
    check(gateway, tmp_path / "elm", file, damage, AGENT[file], capfd)


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_kept_model_that_is_damaged_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "weights-0001.npz"
    save(path, {"lstm.weight": np.zeros((3, 4), np.float32)})
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(DamagedFile, match=r"weights-0001\.npz is damaged.*Move it"):
        kept_weights(tmp_path, 1)


def test_an_undamaged_gateway_and_community_show_no_secret(
    gateway: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, secrets = copied(gateway, tmp_path / "elm"), secrets_of(gateway)
    assert len(secrets) > 100 and shown(secrets, " ".join(sorted(secrets))) == sorted(secrets)
    for command in (
        ("identity", HOME), PROVE, ("roster",), ("keys", "--home", HOME), ("show", "proof.json"),
        ("doctor",), ("doctor", "--json"), ("status",),
    ):  # fmt: skip
        ended = wattproof(folder, *command, capfd=capfd)
        found_problems = command[0] in ("doctor", "status")  # its server is away
        assert ended.code == (4 if found_problems else 0) and shown(secrets, ended.said) == [], (command, ended)
