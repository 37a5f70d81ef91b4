"""A server under load: what costs nothing comes first, what is slow waits in bounded queues, reads wait for none."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from eth_account import Account
from httpx import Response

from api.http.proof_checks import ProofChecker
from api.http.work_queue import Lane
from api.operator import chain_session as community_day
from api.operator.paid_claims import settle
from api.protocol.bundle import ClaimBundle, encode
from tests.api.conftest import DAY, Once, Village
from tests.api.http.test_forecasts import flipped, refusal, submit

pytestmark = pytest.mark.slow

READS = [
    "/livez", "/health", "/rounds", "/households", "/days", f"/forecasts/{DAY}", f"/claims/{DAY}", "/openapi.json",
]  # fmt: skip


class Spy:
    """Stands before the proof checker and counts; can be held."""

    def __init__(self, real: ProofChecker) -> None:
        self._real, self.checks, self.free = real, 0, threading.Event()
        self.free.set()

    def check(self, bundle: object) -> None:
        self.checks += 1
        assert self.free.wait(120)
        self._real.check(bundle)


@pytest.fixture
def spy(village: Village, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spy]:
    app = village.client.app
    made = Spy(app.state.work.checker)
    monkeypatch.setattr(app.state.work, "checker", made)
    yield made
    made.free.set()


@pytest.fixture
def paid(village: Village, claim: ClaimBundle, once: Once[None]) -> ClaimBundle:
    once("paid", lambda: settle(village.community, village.chain_session, claim))
    return claim


@contextmanager
def many(job: Callable[[], Response], count: int) -> Iterator[list[Future[Response]]]:
    """So many requests at once, each from a separate thread."""
    with ThreadPoolExecutor(count) as pool:
        yield [pool.submit(job) for _ in range(count)]


def refused_as_busy(requests: list[Future[Response]], least: int) -> None:
    """Wait until so many were turned away, each of them told when to come again."""
    turned = [r for r in requests if r.done() and r.result().status_code == 429]
    while len(turned) < least:
        threading.Event().wait(0.05)
        turned = [r for r in requests if r.done() and r.result().status_code == 429]
    for request in turned:
        answer = request.result()
        assert answer.json()["error"] == "busy" and 1 <= int(answer.headers["retry-after"]) <= 60


def shortened(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane that holds three jobs."""
    monkeypatch.setattr(lane, "_most", 3)


def post_claim(village: Village, bundle: ClaimBundle) -> Response:
    return village.client.post("/claims", content=encode(bundle))


# -- cheap checks come first -----------------------------------------------------------------------------------------


def test_replays_of_a_paid_claim_are_answered_from_the_database(
    village: Village, paid: ClaimBundle, spy: Spy
) -> None:
    """Neither proof nor chain is looked at: the chain's lock is held all the while."""
    with village.chain_session.lock, many(lambda: post_claim(village, paid), 45) as requests:
        told = Counter((request.result().status_code, request.result().json()["buckets"]) for request in requests)
    assert told == {(200, paid.buckets): 45} and spy.checks == 0


def test_another_claim_of_a_paid_day_is_answered_from_the_database_too(
    village: Village, paid: ClaimBundle, spy: Spy
) -> None:
    other = paid.model_copy(update={"proof": flipped(paid.proof, 500), "buckets": 3})
    with village.chain_session.lock:
        assert refusal(post_claim(village, other)) == (409, "already-claimed")
    assert spy.checks == 0


def test_a_strangers_claims_and_forecasts_are_refused_before_any_proof_is_checked(
    village: Village, claim: ClaimBundle, spy: Spy
) -> None:
    stranger, home = Account.create(), village.homes[0]
    as_stranger = {"household": stranger.address.lower()}
    bundle = village.bundle(home)
    for changed, told in (
        ({"context": claim.context.model_copy(update=as_stranger)}, (404, "unknown-household")),
        ({"meter": village.homes[1].meter.address}, (422, "wrong-meter")),
        ({"context": claim.context.model_copy(update={"community": "0x" + "00" * 32})}, (403, "other-community")),
        ({"forecast": village.bundle(village.homes[1]).forecast}, (422, "invalid-proof")),
    ):
        assert refusal(post_claim(village, claim.model_copy(update=changed))) == told
    mine = bundle.model_copy(update={"context": bundle.context.model_copy(update=as_stranger)})
    body = {"bundle": mine.model_dump(), "transaction": village.transaction(stranger, mine)}
    assert refusal(village.client.post("/forecasts", json=body)) == (404, "unknown-household")
    replay = bundle.model_copy(update={"proof": flipped(bundle.proof, 500)})
    body = {"bundle": replay.model_dump(), "transaction": village.transaction(home.wallet, bundle)}
    assert refusal(village.client.post("/forecasts", json=body)) == (409, "chain-refused")
    assert spy.checks == 0, "a household's transaction, which anybody may have seen, stands for its own bundle only"


def test_a_proof_of_a_model_that_nobody_uses_is_not_checked(village: Village, spy: Spy) -> None:
    """Its cost follows from the sizes that it states."""
    bundle = village.bundle(village.homes[0])
    sizes = bundle.weights.shape
    for at in range(len(sizes)):
        other = [size + (k == at) for k, size in enumerate(sizes)]
        changed = bundle.model_copy(update={"weights": bundle.weights.model_copy(update={"shape": other})})
        answer = village.client.post("/proofs/verify", content=encode(changed))
        assert refusal(answer) == (422, "unknown-shape") and "wattproof verify" in answer.json()["message"]
    assert spy.checks == 0
    assert village.client.post("/proofs/verify", content=encode(bundle)).json()["valid"] and spy.checks == 1


# -- queues are bounded, and reads are behind none -------------------------------------------------------------------


def reads_are_answered(village: Village) -> None:
    for path in READS:
        assert village.client.get(path).status_code == 200, path


def test_while_proofs_are_checked_reads_go_on_and_too_many_are_turned_away(
    village: Village, spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes, data = village.client.app.state.work.proofs, encode(village.bundle(village.homes[0]))
    shortened(lanes.anybody, monkeypatch)
    spy.free.clear()
    with many(lambda: village.client.post("/proofs/verify", content=data), 60) as requests:
        refused_as_busy(requests, 57)
        reads_are_answered(village)
        spy.free.set()
    assert Counter(request.result().status_code for request in requests) == {200: 3, 429: 57}


def test_proofs_of_strangers_leave_room_for_those_of_households(village: Village, spy: Spy) -> None:
    home = village.homes[0]
    data = encode(village.bundle(home))
    spy.free.clear()
    with many(lambda: village.client.post("/proofs/verify", content=data), 60) as requests:
        refused_as_busy(requests, 60 - 32)
        with ThreadPoolExecutor(1) as pool:
            handed = pool.submit(submit, village, village.bundle(home), home)
            while spy.checks < 1:
                threading.Event().wait(0.05)
            spy.free.set()
            assert handed.result().status_code == 201


def test_while_the_chain_is_busy_reads_go_on_and_too_many_claims_are_turned_away(
    village: Village, claim: ClaimBundle, spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the same claim: one is paid, and those that waited are told so without another look at the chain."""
    shortened(village.client.app.state.work.chain.claims, monkeypatch)
    with village.chain_session.lock, many(lambda: post_claim(village, claim), 12) as requests:
        refused_as_busy(requests, 9)
        reads_are_answered(village)
        village.chain_session.lock.release()
        told = Counter((r.result().status_code, r.result().json().get("error")) for r in requests)
        village.chain_session.lock.acquire()
    assert told == {(201, None): 1, (200, None): 2, (429, "busy"): 9}
    assert community_day.recall_reward(village.community, village.chain_session, claim.household, DAY) is not None


@pytest.mark.process
def test_a_process_that_ends_while_it_checks_costs_one_request_and_is_replaced(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = (village.bundle(home) for home in village.homes[:2])
    good, bad = encode(mine), encode(other.model_copy(update={"proof": mine.proof}))
    bad = bad.replace(
        village.bundle(village.homes[1]).proof.encode(), village.bundle(village.homes[0]).proof.encode()
    )
    checker = ProofChecker(1)
    monkeypatch.setattr(village.client.app.state.work, "checker", checker)
    assert village.client.post("/proofs/verify", content=good).status_code == 200
    assert refusal(village.client.post("/proofs/verify", content=bad)) == (422, "invalid-proof")
    process = checker._processes[0]
    assert process._process is not None
    process._process.kill()
    answer = village.client.post("/proofs/verify", content=good)
    assert refusal(answer) == (503, "not-ready") and int(answer.headers["retry-after"]) > 0
    assert village.client.post("/proofs/verify", content=good).status_code == 200
    checker.close()


@pytest.mark.process
def test_readiness_is_told_apart_from_liveness(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    work = village.client.app.state.work
    monkeypatch.setattr(work, "checker", ProofChecker(1))
    assert village.client.get("/readyz").status_code == 503, "its processes start with the first proof, or before"
    work.start().result()
    ready = village.client.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    work.checker.is_ready = False
    unready = village.client.get("/readyz")
    assert unready.status_code == 503 and "starting" in unready.json()["checks"]["proofs"]
    assert village.client.get("/livez").json() == {"alive": True}
    work.checker.close()
    told = village.client.get("/health").json()
    assert (told["status"], told["community"], told["chain_time"]) == (
        "ok", village.community.config.community.name, village.chain_session.chain.now
    )  # fmt: skip
