"""A community day through the doors: total, verification in words, claims, and what must not show."""

import json

from api.one_machine import day as community_day
from api.one_machine.totals import open_total
from api.operator.payer import Payer
from api.protocol.bundle import ClaimBundle
from api.protocol.bundle_parts import from_hex
from rewards.claims import claims_close
from tests.api.conftest import DAY, Village
from zkp.algebra.commitment import add, commit_forecast


def registered(village: Village) -> None:
    for home in village.homes:
        community_day.register(village.community, village.chain_session, home, village.bundle(home))


def claim_of(village: Village, home: int) -> ClaimBundle:
    bundle = community_day.make_claim(village.community, village.homes[home], DAY, 1)
    assert bundle is not None, "the demo day is one on which these homes beat every benchmark"
    return bundle


def test_the_total_opens_the_sum_of_the_registered_commitments(village: Village) -> None:
    registered(village)
    open_total(village.community, DAY)
    told = village.client.get(f"/days/{DAY}/forecast").json()
    commitments = [from_hex(village.bundle(home).forecast) for home in village.homes]
    assert commit_forecast([*told["typical_wh"], *told["values_wh"]], int(told["blinding"], 16)) == add(commitments)
    assert told["start"] == "2017-07-01T08:00:00+00:00"
    assert village.client.get("/days").json() == [DAY]
    picture = village.client.get(f"/days/{DAY}/forecast.svg")
    assert picture.headers["content-type"] == "image/svg+xml" and b"<svg" in picture.content


def test_an_uploaded_proof_is_checked_and_explained(village: Village) -> None:
    body = village.bundle(village.homes[0]).model_dump_json()
    verdict = village.client.post("/proofs/verify", content=body).json()
    assert verdict["valid"] is True
    assert village.homes[0].wallet.address in verdict["says"][0]


def test_what_is_not_a_bundle_is_refused_with_a_word(village: Village) -> None:
    answer = village.client.post("/proofs/verify", content=b"hello")
    assert (answer.status_code, answer.json()["error"]) == (422, "malformed-proof")
    bundle = json.loads(village.bundle(village.homes[0]).model_dump_json())
    answer = village.client.post("/proofs/verify", content=json.dumps({**bundle, "extra": 1}))
    assert "extra" in answer.json()["message"]


def test_an_upload_beyond_the_limit_is_refused(village: Village) -> None:
    answer = village.client.post("/proofs/verify", content=b"x" * 600_000)
    assert (answer.status_code, answer.json()["error"]) == (413, "too-large")


def test_a_claim_is_taken_once_after_the_day_and_paid_when_claims_are_closed(village: Village) -> None:
    registered(village)
    claim = claim_of(village, 0)
    early = village.client.post("/claims", content=claim.model_dump_json())
    assert (early.status_code, early.json()["error"]) == (409, "day-not-over")
    village.chain_session.chain.advance_to(village.community.start_of(DAY + 1))
    taken = village.client.post("/claims", content=claim.model_dump_json())
    assert taken.status_code == 201
    assert (taken.json()["buckets"], taken.json()["granted"]) == (claim.buckets, claim.buckets)
    again = village.client.post("/claims", content=claim.model_dump_json())
    assert (again.status_code, again.json()) == (200, taken.json()), "the first answer, again"
    payer, rewards = Payer(village.community, village.chain_session), f"/households/{claim.household}/rewards"
    payer.look()
    assert village.client.get(rewards).json()["tokens"] == "0"
    village.chain_session.chain.advance_to(claims_close(village.chain_session.contracts, DAY))
    for _ in range(2):
        payer.look()
        assert int(village.client.get(rewards).json()["tokens"]) == claim.buckets * 10**18


def test_a_claim_of_more_buckets_or_another_household_is_refused(village: Village) -> None:
    registered(village)
    village.chain_session.chain.advance_to(village.community.start_of(DAY + 1))
    claim = claim_of(village, 0)
    higher = claim.model_copy(update={"buckets": claim.buckets + 1})
    answer = village.client.post("/claims", content=higher.model_dump_json())
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid-proof")
    other = claim.model_copy(update={"context": claim_of(village, 1).context})
    answer = village.client.post("/claims", content=other.model_dump_json())
    assert (answer.status_code, answer.json()["error"]) == (422, "wrong-meter")


def test_no_reading_no_forecast_and_no_blinding_leaves_a_home(village: Village) -> None:
    """Whatever the server keeps or answers, a home's own numbers are not in it."""
    registered(village)
    home = village.homes[0]
    sealed = home.sealed(DAY)
    assert sealed is not None
    shown = village.client.get(f"/forecasts/{home.wallet.address}/{DAY}/proof").text
    shown += village.client.get("/households").text + repr(home) + repr(sealed)
    assert f"{sealed.blinding:064x}" not in shown
    _, opening = home.vault.get(home.wallet.address, DAY - 1)
    assert str(list(opening.readings))[1:-1] not in shown and f"{opening.blinding:064x}" not in shown
    assert str(list(sealed.values))[1:-1] not in shown


def test_households_and_rounds_are_listed(village: Village) -> None:
    assert {h["address"] for h in village.client.get("/households").json()} == {
        home.wallet.address for home in village.homes
    }
    assert village.client.get("/rounds").json() == [{"number": 1, "digest": "0x" + village.trained.digest.hex()}]
    assert village.client.get("/health").json()["status"] == "ok"
    assert "Wattproof" in village.client.get("/").text
