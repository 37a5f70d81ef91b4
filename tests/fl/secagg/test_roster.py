"""The roster: a coordinator that invents homes, or plays true ones, gets no sum out of a home that has one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.clientapp.typing import Mod
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fl.client_mods import client_mods
from fl.deployment.keys import make_agent_key, roster_of_agents
from fl.errors import KeysError
from fl.plan import LocalPlan
from fl.protection_settings import SecAggSettings
from fl.rounds import Rounds
from fl.secagg.client_mod import SecAggMod
from fl.secagg.roster import Roster, identity_of, is_signed, sign
from fl.secagg.sum_record import SumRecord
from fl.secure_gather import SecureGather
from fl.settings import FederationSettings
from fl.store import RoundReport, RoundStore
from fl.weights import Weights
from tests.fl.guarded import Guarded
from tests.fl.local_grid import ZERO, LeastSquares
from tests.fl.watched_grid import WatchedGrid

HOMES = ("ada", "bob", "cyd", "dee", "eve")
SYBILS = ("ada", "mal-1", "mal-2", "mal-3", "mal-4")
SECURE = SecAggSettings(enabled=True)
STRANGER = ec.generate_private_key(ec.SECP384R1())


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The coordinator's keys folder, with the gateways' pairs beside their public keys."""
    for home in HOMES:
        make_agent_key(tmp_path / "keys", home)
    return tmp_path / "keys"


def settings(keys: Path, roster: Path | None, **secure: Any) -> FederationSettings:
    return FederationSettings.model_validate(
        {
            "rounds": 1, "min_homes": 3, "evaluate_every": 0, "wait_for_homes_s": 0.1, "attempts": 1,
            "secure_aggregation": {"enabled": True, "roster": roster, **secure}, "deployment": {"keys_dir": keys},
            "strategy": {"weighting": "equal"},
        }
    )  # fmt: skip


def written(keys: Path) -> Path:
    path = keys.parent / "roster.json"
    roster_of_agents(keys).write(path)
    return path


def trained(
    homes: tuple[str, ...], mods_of: Callable[[str], Sequence[Mod]], folder: Path, roster: dict[str, bytes] | None
) -> tuple[NDArray[np.float32], RoundReport]:
    """The model after one round, and the report. `roster`: the coordinator's own."""
    grid, store = WatchedGrid([LeastSquares(home) for home in homes], mods_of=mods_of), RoundStore(folder)
    gather = SecureGather(SECURE, "equal", roster=None if roster is None else lambda: roster)
    model = Rounds(unguarded(), store, gather=gather).run(grid, ZERO)
    return model["w"], store.load(1).report


def unguarded() -> FederationSettings:
    """Of homes without a roster, which no agent runs with."""
    return settings(Path("keys"), None)


def alone(home: str) -> Weights:
    """The model of one home after the round's local training."""
    plan = LocalPlan(1, 0, unguarded().local.epochs, 0.0, 1, 0.0)
    return LeastSquares(home).fit(ZERO, plan)[0]


def test_homes_with_one_roster_train_as_without(tmp_path: Path) -> None:
    agents = Guarded(tmp_path)
    guarded, _ = agents.train(agents.grid())
    free, _ = trained(HOMES, lambda home: [SecAggMod(unguarded(), home)], tmp_path / "free", None)
    np.testing.assert_allclose(guarded["w"], free, atol=1e-6)
    np.testing.assert_allclose(free, np.mean([alone(home)["w"] for home in HOMES], axis=0), atol=1e-6)


class Inventor:
    """A coordinator all of whose homes but ada are its own, each with the same key."""

    def __init__(self, agents: Guarded | None) -> None:
        self.agents = agents
        self.roster = None if agents is None else roster_of_agents(agents.keys).members

    def roster_with(self, homes: tuple[str, ...]) -> dict[str, bytes] | None:
        """Ada's own line is true, else she would be lost to it."""
        if self.roster is None:
            return None
        return dict.fromkeys(homes, identity_of(STRANGER.public_key())) | {"ada": self.roster["ada"]}

    def mods(self, homes: tuple[str, ...]) -> Callable[[str], Sequence[Mod]]:
        def of(home: str) -> Sequence[Mod]:
            if home == "ada":
                return [SecAggMod(unguarded(), home)] if self.agents is None else self.agents.mods(home)
            return [SecAggMod(unguarded(), home, STRANGER, self.roster_with(homes))]

        return of


def test_a_coordinator_that_invents_homes_finds_an_update_unless_there_is_a_roster(tmp_path: Path) -> None:
    free = Inventor(None)
    mean, _ = trained(SYBILS, free.mods(SYBILS), tmp_path / "free", None)
    theirs = np.sum([alone(home)["w"] for home in SYBILS[1:]], axis=0)
    np.testing.assert_allclose(5 * mean - theirs, alone("ada")["w"], atol=1e-5)  # ada's own, laid bare

    inventor = Inventor(Guarded(tmp_path / "guarded"))
    mean, report = trained(SYBILS, inventor.mods(SYBILS), tmp_path / "rounds", inventor.roster_with(SYBILS))
    assert "not in the roster: mal-1, mal-2, mal-3, mal-4" in report.left_out["ada"]
    np.testing.assert_allclose(4 * mean, theirs, atol=1e-5)  # it has the sum of its own inventions


def test_a_coordinator_that_plays_true_homes_cannot_sign_for_them(tmp_path: Path) -> None:
    """It answers for the other homes itself, under their names."""
    inventor = Inventor(Guarded(tmp_path / "guarded"))
    mean, report = trained(HOMES, inventor.mods(HOMES), tmp_path / "rounds", inventor.roster_with(HOMES))
    assert "ada" in report.left_out and "ada" not in report.participants
    np.testing.assert_allclose(4 * mean, np.sum([alone(home)["w"] for home in HOMES[1:]], axis=0), atol=1e-5)


def test_a_home_without_its_key_is_left_out_by_the_coordinator_and_stops_nobody(tmp_path: Path) -> None:
    agents = Guarded(tmp_path)
    roster = roster_of_agents(agents.keys).members

    def mods(home: str) -> Sequence[Mod]:
        return [SecAggMod(agents.settings, home, STRANGER, roster)] if home == "bob" else agents.mods(home)

    mean, report = agents.train(agents.grid(mods_of=mods))
    assert "keys of bob are not signed by the identity in the roster" in report.left_out["bob"]
    others = [home for home in HOMES if home != "bob"]
    np.testing.assert_allclose(mean["w"], np.mean([alone(home)["w"] for home in others], axis=0), atol=1e-6)


def test_an_agent_under_secure_aggregation_does_not_start_without_a_roster(keys: Path) -> None:
    with pytest.raises(KeysError, match=r"without secure_aggregation.roster: the coordinator could invent"):
        client_mods(settings(keys, None), "ada")


# The file.


def test_a_roster_is_read_as_it_was_written_and_its_fingerprint_tells_others_apart(keys: Path) -> None:
    path = written(keys)
    roster = Roster.read(path)
    assert set(roster.members) == set(HOMES) and roster == roster_of_agents(keys)
    assert len(roster.fingerprint.replace(" ", "")) == 16
    other = Roster(roster.members | {"ada": identity_of(STRANGER.public_key())})
    fewer = Roster({home: key for home, key in roster.members.items() if home != "eve"})
    assert len({roster.fingerprint, other.fingerprint, fewer.fingerprint}) == 3


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (None, "is missing"),
        (lambda c: "no json", "is not a roster"),
        (lambda c: [], "is not a roster"),
        (lambda c: c | {"format": "wattproof/roster/9"}, "its format is not"),
        (lambda c: c | {"members": ["ada"]}, "is not a roster"),
        (lambda c: c | {"members": c["members"] | {"ada": "zz"}}, "is not a roster"),
        (lambda c: c | {"members": c["members"] | {"ada": "00" * 49}}, "what stands for ada is not a public key"),
        (lambda c: c | {"members": c["members"] | {"mal": c["members"]["bob"]}}, "bob and mal have the same key"),
        (lambda c: c | {"members": {h: k for h, k in c["members"].items() if h != "ada"}}, "not in its own roster"),
        (
            lambda c: c | {"members": c["members"] | {"ada": identity_of(STRANGER.public_key()).hex()}},
            "gives ada another key",
        ),
        (lambda c: c | {"members": {h: c["members"][h] for h in ("ada", "bob")}}, "lists 2 homes, but .* requires 3"),
    ],
)  # fmt: skip
def test_a_roster_that_cannot_be_used_is_refused_with_what_to_do(
    keys: Path, change: Callable[[Any], Any] | None, complaint: str
) -> None:
    path = written(keys)
    if change is None:
        path.unlink()
    else:
        path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(KeysError, match=complaint):
        opened(keys, path)


def opened(keys: Path, roster: Path) -> None:
    with closing(SumRecord(keys.parent / "sums.jsonl")) as record:
        client_mods(settings(keys, roster), "ada", record=record)


def test_an_agent_with_a_roster_and_no_key_is_refused(keys: Path) -> None:
    path = written(keys)
    (keys / "agents" / "ada.key").unlink()
    with pytest.raises(KeysError, match="missing"):
        opened(keys, path)


@given(message=st.binary(max_size=50), place=st.integers(0, 95))
def test_a_signature_is_of_one_message_by_one_key(message: bytes, place: int) -> None:
    identity, signature = identity_of(STRANGER.public_key()), sign(STRANGER, message)
    assert is_signed(identity, message, signature)
    assert not is_signed(identity, message + b"x", signature)
    assert not is_signed(identity_of(ec.generate_private_key(ec.SECP384R1()).public_key()), message, signature)
    assert not is_signed(identity, message, signature[:place])
    assert not is_signed(
        identity, message, signature[:place] + bytes([signature[place] ^ 1]) + signature[place + 1 :]
    )
