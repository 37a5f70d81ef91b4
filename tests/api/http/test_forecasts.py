"""Submitting a forecast: what is taken, and each refusal with its own code, through the API and the chain."""

import sys

import pytest
from httpx import Response

from api.gateway.home import Home
from api.protocol.bundle import ClaimBundle, InferenceBundle, encode
from rewards.claims import registered_forecast
from rewards.errors import DuplicateForecast
from tests.api.conftest import DAY, Village


def submit(village: Village, bundle: InferenceBundle, sender: Home) -> Response:
    body = {"bundle": bundle.model_dump(), "transaction": village.transaction(sender.wallet, bundle)}
    return village.client.post("/forecasts", json=body)


def refusal(response: Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


def registered(village: Village, home: Home) -> bytes:
    """The commitment that the registry's event tells; empty where nothing is registered."""
    found = registered_forecast(village.chain_session.contracts, home.wallet.address, DAY)
    return b"" if found is None else found.commitment


def flipped(text: str, place: int) -> str:
    return text[:place] + format(int(text[place], 16) ^ 1, "x") + text[place + 1 :]


def test_a_proven_forecast_is_registered_and_its_proof_can_be_downloaded(village: Village) -> None:
    home = village.homes[0]
    bundle = village.bundle(home)
    answer = submit(village, bundle, home)
    assert answer.status_code == 201
    assert registered(village, home).hex() == bundle.forecast[2:]
    download = village.client.get(f"/forecasts/{home.wallet.address}/{DAY}/proof")
    assert InferenceBundle.model_validate_json(download.content) == bundle
    assert [f["household"] for f in village.client.get(f"/forecasts/{DAY}").json()] == [home.wallet.address]


def not_at_first(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """`name` finds nothing when it is asked first, as where the same request is being answered at that moment."""
    module, _, function = name.rpartition(".")
    find, asked = getattr(sys.modules[module], function), iter([None])
    monkeypatch.setattr(name, lambda *given: next(asked, True) and find(*given))


def test_a_forecast_or_claim_that_comes_twice_at_once_gets_the_answer_of_the_first(
    village: Village, claim: ClaimBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second was told 409 where the first was done between the look for it and the checks."""
    home = village.homes[0]
    assert submit(village, village.bundle(home), home).status_code in (200, 201)
    not_at_first(monkeypatch, "api.http.routes.forecasts.kept_forecast")
    again = submit(village, village.bundle(home), home)
    assert (again.status_code, again.json()["household"]) == (200, home.wallet.address)
    first = village.client.post("/claims", content=encode(claim))
    not_at_first(monkeypatch, "api.http.routes.claims._taken_before")
    second = village.client.post("/claims", content=encode(claim))
    assert (first.status_code, second.status_code) == (201, 200) and first.json() == second.json()


@pytest.mark.parametrize("place", [12, 200, 3_000, 9_000, -3])
def test_a_corrupted_proof_is_refused_and_nothing_is_registered(village: Village, place: int) -> None:
    home = village.homes[0]
    bundle = village.bundle(home)
    proof = flipped(bundle.proof, place % len(bundle.proof))
    status, code = refusal(submit(village, bundle.model_copy(update={"proof": proof}), home))
    assert (status, code) in {(422, "invalid-proof"), (422, "malformed-proof")}
    assert registered(village, home) == b""


def test_a_truncated_proof_is_malformed(village: Village) -> None:
    home = village.homes[0]
    bundle = village.bundle(home)
    cut = bundle.model_copy(update={"proof": bundle.proof[:-64]})
    assert refusal(submit(village, cut, home)) == (422, "malformed-proof")


def test_a_late_forecast_is_refused_by_the_chain(village: Village) -> None:
    home = village.homes[0]
    grace = village.community.config.rewards.grace_seconds
    village.chain_session.chain.advance_to(village.community.start_of(DAY) + grace + 1)
    assert refusal(submit(village, village.bundle(home), home)) == (409, "late-forecast")
    assert village.client.get(f"/forecasts/{DAY}").json() == []


def test_a_repeat_gets_the_first_answer_and_the_proof_in_another_bundle_is_refused(village: Village) -> None:
    home = village.homes[0]
    bundle = village.bundle(home)
    first = submit(village, bundle, home)
    again = submit(village, bundle, home)
    assert (first.status_code, again.status_code) == (201, 200) and first.json() == again.json()
    other = bundle.model_copy(update={"personal": []})
    assert refusal(submit(village, other, home)) == (409, "replayed-proof")


def test_a_proof_replayed_for_another_day_does_not_verify(village: Village) -> None:
    home = village.homes[0]
    bundle = village.bundle(home)
    context = bundle.context.model_copy(update={"day": DAY + 1})
    status, code = refusal(submit(village, bundle.model_copy(update={"context": context}), home))
    assert (status, code) == (422, "invalid-statement")


def test_another_households_forecast_cannot_be_handed_in(village: Village) -> None:
    mine, other = village.homes[:2]
    assert refusal(submit(village, village.bundle(other), mine)) == (403, "other-household")


def test_a_stolen_proof_under_the_own_name_is_refused(village: Village) -> None:
    mine, other = village.homes[:2]
    context = village.bundle(mine).context
    stolen = village.bundle(other).model_copy(update={"context": context})
    assert refusal(submit(village, stolen, mine)) == (422, "wrong-meter")
    with_meter = stolen.model_copy(update={"meter": mine.meter.address, "history": village.bundle(mine).history})
    assert refusal(submit(village, with_meter, mine)) == (422, "invalid-proof")


def test_a_proof_of_another_model_is_refused(village: Village) -> None:
    home = village.homes[0]
    bundle = village.bundle(home)
    weights = bundle.weights.model_copy(update={"head": list(reversed(bundle.weights.head))})
    assert refusal(submit(village, bundle.model_copy(update={"weights": weights}), home)) == (422, "wrong-model")


def test_other_public_features_than_the_communitys_are_refused(village: Village) -> None:
    home = village.homes[0]
    bundle = village.bundle(home)
    warmer = bundle.model_copy(update={"exogenous": [bundle.exogenous[0] + 1, *bundle.exogenous[1:]]})
    assert refusal(submit(village, warmer, home)) == (422, "wrong-features")


def test_a_transaction_that_registers_something_else_is_not_passed_on(village: Village) -> None:
    home = village.homes[0]
    bundle = village.bundle(home)
    other = bundle.model_copy(update={"forecast": village.bundle(village.homes[1]).forecast})
    body = {"bundle": bundle.model_dump(), "transaction": village.transaction(home.wallet, other)}
    assert refusal(village.client.post("/forecasts", json=body)) == (409, "chain-refused")


def test_a_second_forecast_of_the_day_is_refused_by_the_chain_whatever_the_server_says(village: Village) -> None:
    home = village.homes[0]
    assert submit(village, village.bundle(home), home).status_code == 201
    call = village.chain_session.contracts.forecast_registry.functions.submit(
        DAY, 1, village.bundle(home).head_digest, b"\x80" * 48, b"\x01" * 32
    )
    with pytest.raises(DuplicateForecast):
        village.chain_session.chain.send(home.wallet, call)


def test_unknown_days_and_households_are_absent(village: Village) -> None:
    assert refusal(village.client.get("/days/1/forecast")) == (404, "no-forecast")
    assert refusal(village.client.get(f"/forecasts/0x{'00' * 20}/{DAY}/proof")) == (404, "no-forecast")
    assert refusal(village.client.get(f"/households/0x{'00' * 20}/rewards")) == (404, "unknown-household")
