"""The roster: a coordinator that invents homes, or plays true ones, gets no sum out of a home that has one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.clientapp.typing import Mod
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fl.errors import KeysError, QuorumMissed
from fl.home_mods import home_mods
from fl.keys import make_agent_key
from fl.plan import LocalPlan
from fl.protection_settings import SecAggSettings
from fl.roster import Roster, identity_of, is_signed, sign
from fl.rounds import Rounds
from fl.secagg_coordinator import SecureGather
from fl.secagg_home import SecAggMod
from fl.settings import FederationSettings
from fl.store import RoundReport, RoundStore
from fl.weights import Weights
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
    Roster.of_agents(keys).write(path)
    return path


def trained(
    homes: tuple[str, ...], mods_of: Callable[[str], list[Mod]], federation: FederationSettings, folder: Path
) -> tuple[NDArray[np.float32], RoundReport]:
    """The model after one round, and the report."""
    grid, store = WatchedGrid([LeastSquares(home) for home in homes], mods_of=mods_of), RoundStore(folder)
    model = Rounds(federation, store, gather=SecureGather(SECURE, "equal")).run(grid, ZERO)
    return model["w"], store.load(1).report


def alone(home: str, federation: FederationSettings) -> Weights:
    """The model of one home after the round's local training."""
    plan = LocalPlan(1, 0, federation.local.epochs, 0.0, 1, 0.0)
    return LeastSquares(home).fit(ZERO, plan)[0]


def test_homes_with_one_roster_train_as_without(keys: Path, tmp_path: Path) -> None:
    with_roster, without = settings(keys, written(keys)), settings(keys, None)
    models = [
        trained(HOMES, lambda home, own=own: home_mods(own, home), own, tmp_path / name)[0]  # type: ignore[misc]
        for name, own in (("with", with_roster), ("without", without))
    ]
    np.testing.assert_allclose(models[0], models[1], atol=1e-6)
    np.testing.assert_allclose(models[0], np.mean([alone(h, without)["w"] for h in HOMES], axis=0), atol=1e-6)


def invented(own: FederationSettings) -> Callable[[str], list[Mod]]:
    """All homes but ada are the coordinator's own, each with a key."""
    return lambda home: home_mods(own, home) if home == "ada" else [SecAggMod(SECURE, home, STRANGER)]


def test_a_coordinator_that_invents_homes_finds_an_update_unless_there_is_a_roster(
    keys: Path, tmp_path: Path
) -> None:
    unguarded = settings(keys, None)
    mean, _ = trained(SYBILS, invented(unguarded), unguarded, tmp_path / "unguarded")
    theirs = np.sum([alone(home, unguarded)["w"] for home in SYBILS[1:]], axis=0)
    np.testing.assert_allclose(5 * mean - theirs, alone("ada", unguarded)["w"], atol=1e-5)  # ada's own, laid bare

    guarded = settings(keys, written(keys))
    mean, report = trained(SYBILS, invented(guarded), guarded, tmp_path / "guarded")
    assert "not in the roster: mal-1, mal-2, mal-3, mal-4" in report.left_out["ada"]
    np.testing.assert_allclose(4 * mean, theirs, atol=1e-5)  # it has the sum of its own inventions


def test_a_coordinator_that_plays_true_homes_cannot_sign_for_them(keys: Path, tmp_path: Path) -> None:
    """It answers for the other homes itself, under their names."""
    guarded = settings(keys, written(keys))
    mean, report = trained(HOMES, invented(guarded), guarded, tmp_path / "rounds")
    assert "are not signed by the identity in the roster" in report.left_out["ada"]
    np.testing.assert_allclose(4 * mean, np.sum([alone(h, guarded)["w"] for h in HOMES[1:]], axis=0), atol=1e-5)


def test_homes_without_a_key_are_refused_by_those_with_a_roster(keys: Path, tmp_path: Path) -> None:
    guarded = settings(keys, written(keys))

    def mods(home: str) -> list[Mod]:
        return [SecAggMod(SECURE, home)] if home == "bob" else home_mods(guarded, home)

    with pytest.raises(QuorumMissed, match="keys of bob are not signed"):
        trained(HOMES, mods, guarded, tmp_path / "rounds")


# The file.


def test_a_roster_is_read_as_it_was_written_and_its_fingerprint_tells_others_apart(keys: Path) -> None:
    path = written(keys)
    roster = Roster.read(path)
    assert set(roster.members) == set(HOMES) and roster == Roster.of_agents(keys)
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
        (lambda c: c | {"members": {h: c["members"][h] for h in ("ada", "bob")}}, "lists 2 homes, and .* asks for 3"),
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
        home_mods(settings(keys, path), "ada")


def test_an_agent_with_a_roster_and_no_key_is_refused(keys: Path) -> None:
    path = written(keys)
    (keys / "agents" / "ada.key").unlink()
    with pytest.raises(KeysError, match="missing"):
        home_mods(settings(keys, path), "ada")


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
