"""Personal heads on their way: kept at home, pinned once on the chain, and used from the next day on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from api.gateway import proving
from api.gateway.client import ApiClient
from api.gateway.head_commitment import HeadCommitment, heads_folder, read_head_commitment, write_head_commitment
from api.gateway.home import Home
from api.gateway.not_forecast import HeadLost
from api.gateway.outbox import Submission
from api.gateway.personal_head import commit_head, keep_values, read_head
from api.gateway.proof_folder import ProofFolder
from api.operator import chain_session as community_day
from api.protocol.bundle import InferenceBundle, verify
from api.protocol.bundle_parts import from_hex
from forecasting.integer import IntegerModel
from tests.api.conftest import DAY, Village
from tests.api.gateway.submitting import submitter_of
from tests.api.gateway.test_submitter import HOME, Gateway
from tests.api.http.test_forecasts import refusal, submit
from tests.api.lying_api import LyingApi, lying_api
from zkp.errors import InvalidProof, MalformedProof
from zkp.statements import inference

ROUND = 1


def head_of(model: IntegerModel) -> Any:
    assert model.personal_head is not None
    return model.personal_head


def proven(village: Village, home: Home) -> InferenceBundle:
    """The home's forecast of the day as its folder stands, proven honestly."""
    opened = village.community.opened(home)
    prepared = opened.prepare(DAY, village.trained)
    return opened.keep(prepared, proving.make(prepared.job), ProofFolder(home.folder / "proofs"))[0]


@pytest.fixture
def elsewhere(village: Village, tmp_path: Path) -> Home:
    """The first home with a folder of its own: nothing forecast yet, no head."""
    home = village.homes[0]
    shutil.copytree(home.folder, tmp_path / "home")
    (tmp_path / "home" / f"forecast-{DAY}.json").unlink()
    shutil.rmtree(heads_folder(tmp_path / "home"))
    return Home(home.name, tmp_path / "home")


# -- a proof is made with the head that is pinned -----------------------------------------------------------------


def test_forecasts_are_proven_with_the_pinned_heads(village: Village) -> None:
    registry = village.chain_session.contracts.forecast_registry.functions
    for home in village.homes:
        bundle = village.bundle(home)
        assert (
            bundle.personal and bundle.head_digest == registry.head_in_force(home.wallet.address, ROUND, DAY).call()
        )
        own, opened = village.models[home.name], village.community.opened(home)
        job = opened.prepare(DAY, village.trained).job
        expected = own.run(job.trace.history, job.trace.steps, job.trace.exogenous).forecast
        assert tuple(expected[0]) == home.sealed(DAY).values  # type: ignore[union-attr]
        without = village.trained.integer.run(job.trace.history, job.trace.steps, job.trace.exogenous).forecast
        assert (expected != without).any()
        verify(bundle)
    assert len({village.bundle(home).head_digest for home in village.homes}) == len(village.homes)


@pytest.mark.parametrize("rows", ["none", "another home's"])
def test_a_proof_does_not_hold_for_another_head(village: Village, rows: str) -> None:
    mine, other = (village.bundle(home) for home in village.homes[:2])
    changed = mine.model_copy(update={"personal": [] if rows == "none" else other.personal})
    wanted = (MalformedProof, "malformed-proof") if rows == "none" else (InvalidProof, "invalid-proof")
    with pytest.raises(wanted[0]):
        verify(changed)
    assert refusal(submit(village, changed, village.homes[0])) == (422, wanted[1])


def test_an_honest_proof_without_the_pinned_head_is_refused(village: Village, elsewhere: Home) -> None:
    """The attack: have a head, and choose each day whether to use it."""
    bundle = proven(village, elsewhere)
    verify(bundle)
    assert not bundle.personal
    assert refusal(submit(village, bundle, elsewhere)) == (409, "wrong-head")


def test_an_honest_proof_with_a_head_made_for_the_day_is_refused(village: Village, elsewhere: Home) -> None:
    """The attack: a head made for the day's readings, to say whatever forecast one likes. It is provable, and not the
    pinned one."""
    wishes = np.full((48, village.trained.integer.shape.personal_inputs), 100)
    keep_values(elsewhere.folder, ROUND, wishes)
    note = commit_head(elsewhere.folder, ROUND, village.trained.commitment)
    assert note is not None
    write_head_commitment(elsewhere.folder, replace(note, pinned_at=1))  # the household lies to its own gateway
    bundle = proven(village, elsewhere)
    verify(bundle)
    assert refusal(submit(village, bundle, elsewhere)) == (409, "wrong-head")


# -- the API passes a pinning on ----------------------------------------------------------------------------------


def pin(village: Village, wallet: LocalAccount, number: int, digest: bytes, signed: bytes | None = None) -> Any:
    registry, chain = village.chain_session.contracts.forecast_registry, village.chain_session.chain
    fields = {
        "to": registry.address, "data": registry.encode_abi("pin_head", args=[number, signed or digest]),
        "gas": 200_000, "gasPrice": chain.gas_price * 2, "nonce": chain.nonce_of(wallet.address),
        "chainId": chain.chain_id, "value": 0,
    }  # fmt: skip
    transaction = "0x" + bytes(wallet.sign_transaction(fields).raw_transaction).hex()
    return village.client.post(
        "/heads", json={"round": number, "digest": "0x" + digest.hex(), "transaction": transaction}
    )


def test_a_head_is_pinned_once_and_shown(village: Village) -> None:
    home, digest = village.homes[0], b"\x09" * 32
    path = f"/households/{home.wallet.address}/heads/2"
    assert refusal(village.client.get(path)) == (404, "no-head")
    assert refusal(pin(village, home.wallet, 2, digest)) == (409, "unknown-round")
    community_day.publish_digest(village.community, village.chain_session, 2, b"\x02" * 32)
    moment = village.chain_session.chain.now
    answer = pin(village, home.wallet, 2, digest)
    assert answer.status_code == 201 and answer.json() == village.client.get(path).json()
    assert (answer.json()["digest"], answer.json()["pinned_at"]) == ("0x" + digest.hex(), moment)
    assert refusal(pin(village, home.wallet, 2, b"\x0a" * 32)) == (409, "head-exists")


def test_strangers_and_other_calls_are_not_passed_on(village: Village) -> None:
    community_day.publish_digest(village.community, village.chain_session, 2, b"\x02" * 32)
    home = village.homes[0]
    assert refusal(pin(village, Account.create(), 2, b"\x09" * 32)) == (404, "unknown-household")
    assert refusal(pin(village, home.wallet, 2, b"\x09" * 32, signed=b"\x0a" * 32)) == (409, "chain-refused")
    body = {"round": 2, "digest": "0x09", "transaction": "0x"}
    assert refusal(village.client.post("/heads", json=body)) == (422, "malformed-request")
    body = {"round": 2, "digest": "0x" + "09" * 32, "transaction": "0xzz"}
    assert refusal(village.client.post("/heads", json=body)) == (422, "malformed-transaction")


# -- a head at home ---------------------------------------------------------------------------------------------


def test_a_head_is_committed_to_once_and_its_files_are_the_owners_alone(village: Village, elsewhere: Home) -> None:
    values, commitment = head_of(village.models[elsewhere.name]), village.trained.commitment
    assert commit_head(elsewhere.folder, ROUND, commitment) is None, "there is none yet"
    keep_values(elsewhere.folder, ROUND, values)
    note = commit_head(elsewhere.folder, ROUND, commitment)
    assert note is not None and note.pinned_at is None
    keep_values(elsewhere.folder, ROUND, values + 1)
    assert commit_head(elsewhere.folder, ROUND, commitment) == note
    own = read_head(elsewhere.folder, note)
    assert (own.secret.values == values).all() and own.rows == own.secret.commit(commitment.shape)
    assert commitment.digest_of_head(own.rows) == from_hex(note.digest)
    assert {path.stat().st_mode & 0o077 for path in heads_folder(elsewhere.folder).iterdir()} == {0}
    assert str(own.secret.blindings[0]) not in repr(own) + repr(own.secret) + repr(note)


def test_the_same_values_are_hidden_differently_in_every_commitment(village: Village, elsewhere: Home) -> None:
    keep_values(elsewhere.folder, ROUND, head_of(village.models[elsewhere.name]))
    note = commit_head(elsewhere.folder, ROUND, village.trained.commitment)
    known = read_head_commitment(village.homes[0].folder, ROUND)
    assert note is not None and known is not None and note.rows != known.rows


@pytest.mark.parametrize("damage", ["gone", "cut", "key gone", "key junk"])
def test_a_head_that_is_lost_is_named_and_nothing_of_it_is_told(
    village: Village, elsewhere: Home, damage: str
) -> None:
    keep_values(elsewhere.folder, ROUND, head_of(village.models[elsewhere.name]))
    note = commit_head(elsewhere.folder, ROUND, village.trained.commitment)
    assert note is not None
    values, key = (heads_folder(elsewhere.folder) / f"0001{suffix}" for suffix in (".npz", ".key"))
    secret = json.loads(key.read_text())[0]
    match damage:
        case "gone":
            values.unlink()
        case "cut":
            values.write_bytes(values.read_bytes()[:200])
        case "key gone":
            key.unlink()
        case _:
            key.write_text(f'["{secret}z"]')
    with pytest.raises(HeadLost, match="next round") as caught:
        read_head(elsewhere.folder, note)
    assert secret not in str(caught.value) and caught.value.__cause__ is None


def test_a_head_is_in_force_on_days_that_start_after_its_pinning() -> None:
    note = HeadCommitment(1, ("0x",), "0x", pinned_at=100)
    assert [note.is_in_force(start) for start in (99, 100, 101)] == [False, False, True]
    assert not replace(note, pinned_at=None).is_in_force(10**9)


def test_a_forecast_by_another_head_than_the_proofs_commitment_cannot_be_proven(village: Village) -> None:
    """The attack: pin one head and run another."""
    opened = village.community.opened(village.homes[0])
    job = opened.prepare(DAY, village.trained).job
    assert job.secrets.personal is not None
    other = replace(job.secrets.personal, values=job.secrets.personal.values + 1)
    with pytest.raises((InvalidProof, ValueError)):
        proof = inference.prove(job.statement, job.trace, job.weights, replace(job.secrets, personal=other))
        inference.verify(job.statement, proof)


# -- the submitter ------------------------------------------------------------------------------------------------


@pytest.fixture
def api() -> Iterator[LyingApi]:
    with lying_api() as made:
        yield made


@pytest.fixture
def gateway(tmp_path: Path, api: LyingApi) -> Gateway:
    """A gateway that has committed to a head of round 2."""
    gateway = Gateway(tmp_path, api)
    folder = gateway.config.api.homes_dir / HOME
    write_head_commitment(folder, HeadCommitment(2, ("0x" + "8f" * 48,), "0x" + "09" * 32))
    api.answers["POST /heads"] = 201, {}
    return gateway


def told(gateway: Gateway, digest: str, pinned_at: int = 1_700_000_000) -> None:
    path = f"GET /households/{gateway.wallet.address}/heads/2"
    gateway.api.answers[path] = 200, {"digest": digest, "pinned_at": pinned_at}


def settle(gateway: Gateway) -> bool:
    submitter = submitter_of(gateway.config, HOME, ApiClient(gateway.api.url))
    return submitter.head_is_settled(2, gateway.metrics)


def submission(gateway: Gateway) -> Submission:
    found = gateway.outbox.get("head", 2)
    assert found is not None
    return found


def note_of(gateway: Gateway) -> HeadCommitment:
    note = read_head_commitment(gateway.config.api.homes_dir / HOME, 2)
    assert note is not None
    return note


def test_a_head_is_pinned_and_the_time_noted(gateway: Gateway) -> None:
    told(gateway, "0x" + "09" * 32)
    assert settle(gateway)
    assert submission(gateway).state == "done" and note_of(gateway).pinned_at == 1_700_000_000
    assert gateway.counted("ok", "head")


def test_nothing_is_forecast_while_it_is_open_whether_the_head_is_pinned(gateway: Gateway) -> None:
    gateway.api.answers["POST /heads"] = 502, b"a proxy's page"
    assert not settle(gateway) and not settle(gateway)
    assert submission(gateway).state == "waiting" and note_of(gateway).pinned_at is None
    gateway.api.answers["POST /heads"] = 409, {"error": "head-exists", "message": "it was"}
    told(gateway, "0x" + "09" * 32)
    assert settle(gateway) and note_of(gateway).pinned_at == 1_700_000_000
    bodies = [json.loads(body) for what, body in gateway.api.asked if what == "POST /heads"]
    assert len({body["transaction"] for body in bodies}) == 1, "what was signed once is sent again"


def test_a_head_that_is_not_signed_yet_keeps_nothing_back(gateway: Gateway) -> None:
    gateway.api.answers[f"GET /households/{gateway.wallet.address}/signing"] = 502, b"a proxy's page"
    assert settle(gateway) and submission(gateway).transaction is None


@pytest.mark.parametrize("digest", ["0x" + "0a" * 32, "0x09"])
def test_the_registrys_other_word_is_not_taken_for_a_pinning(gateway: Gateway, digest: str) -> None:
    told(gateway, digest)
    settle(gateway)
    assert note_of(gateway).pinned_at is None
    if len(digest) == 66:
        assert (submission(gateway).state, submission(gateway).code) == ("refused", "other-head")


def test_a_gateway_without_a_head_waits_for_nothing(tmp_path: Path, api: LyingApi) -> None:
    assert settle(Gateway(tmp_path, api)) and not api.asked
