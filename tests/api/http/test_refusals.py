"""The doors themselves: whatever comes in, the answer is a refusal in one form, never an accident."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import delete

from api.http.problems import Problem
from api.one_machine.day import make_claim, register
from api.operator.chain_session import recall_reward, settle_claim, submit_arguments
from api.operator.database.tables import Reward
from api.protocol.bundle import encode, parse
from tests.api.conftest import DAY, Village
from tests.support.laws import examples
from zkp.errors import MalformedProof

pytestmark = pytest.mark.slow

JUNK = st.sampled_from([None, -1, 1 << 40, 1 << 70, "", "0x", "0xzz", "0x00", "x" * 50, [], [[]], {}, 1.5, True])


def paths(content: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place of a JSON document; of a list, the first and the last."""
    if before:
        yield before
    if isinstance(content, dict):
        for key, value in content.items():
            yield from paths(value, (*before, key))
    elif isinstance(content, list) and content:
        for index in sorted({0, len(content) - 1}):
            yield from paths(content[index], (*before, index))


def replaced(content: Any, path: tuple[str | int, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(content))
    place = copy
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return copy


@examples(50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), junk=JUNK)
def test_a_bundle_with_junk_anywhere_is_refused_with_a_code(village: Village, data: st.DataObject, junk: Any) -> None:
    content = village.bundle(village.homes[0]).model_dump()
    path = data.draw(st.sampled_from(list(paths(content))))
    if replaced(content, path, junk) == content:
        return
    broken = json.dumps(replaced(content, path, junk), separators=(",", ":"))
    lenient = TestClient(village.client.app, raise_server_exceptions=False)
    transaction = village.transaction(village.homes[0].wallet, village.bundle(village.homes[0]))
    handed = lenient.post("/forecasts", json={"bundle": json.loads(broken), "transaction": transaction})
    for answer in (lenient.post("/proofs/verify", content=broken), handed):
        assert 400 <= answer.status_code < 500, (path, junk, answer.text)
        assert set(answer.json()) == Problem.model_fields.keys()


@examples(50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=120), keep=st.integers(0, 300), place=st.integers(0, 300), flip=st.integers(1, 255))
def test_a_broken_transaction_is_refused_with_a_code(
    village: Village, junk: bytes, keep: int, place: int, flip: int
) -> None:
    bundle = village.bundle(village.homes[0])
    good = bytearray.fromhex(village.transaction(village.homes[0].wallet, bundle)[2:])
    good[place % len(good)] ^= flip
    lenient = TestClient(village.client.app, raise_server_exceptions=False)
    for raw in (junk, bytes(good), bytes(good[:keep])):
        body = {"bundle": bundle.model_dump(), "transaction": "0x" + raw.hex()}
        answer = lenient.post("/forecasts", json=body)
        assert 400 <= answer.status_code < 500, answer.text
        assert set(answer.json()) == Problem.model_fields.keys()


def test_a_bundle_has_one_form_only(village: Village) -> None:
    data = encode(village.bundle(village.homes[0]))
    assert encode(parse(data)) == data
    spaced = json.dumps(json.loads(data)).encode()
    doubled = data[:-1] + b',"proof":"0x00"}'
    for other in (spaced, doubled, data + b"\n", data.replace(b'"meter"', b'"METER"')):
        with pytest.raises(MalformedProof):
            parse(other)


def test_a_body_without_an_announced_length_is_counted(village: Village) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 20_000

    answer = village.client.post("/proofs/verify", content=chunks())
    assert (answer.status_code, answer.json()["error"]) == (413, "too-large")


@pytest.mark.parametrize(
    ("method", "path", "refusal"),
    [
        ("GET", "/nowhere", (404, "not-found")),
        ("DELETE", "/rounds", (405, "wrong-method")),
        ("GET", "/days/-1/forecast", (422, "malformed-request")),
        ("GET", "/households/0x12/rewards", (422, "malformed-request")),
        ("POST", "/forecasts", (422, "malformed-request")),
    ],
)
def test_every_refusal_has_one_form(village: Village, method: str, path: str, refusal: tuple[int, str]) -> None:
    answer = village.client.request(method, path)
    assert (answer.status_code, answer.json()["error"]) == refusal and answer.json()["message"]


def test_a_forecast_that_reached_the_chain_but_not_the_record_can_be_handed_in_again(village: Village) -> None:
    """As after a server that stopped between the two."""
    home = village.homes[0]
    bundle = village.bundle(home)
    body = {"bundle": bundle.model_dump(), "transaction": village.transaction(home.wallet, bundle)}
    submit = village.chain_session.contracts.forecast_registry.functions.submit
    village.chain_session.chain.send(home.wallet, submit(*submit_arguments(bundle)))
    assert village.client.post("/forecasts", json=body).status_code == 201
    assert len(village.client.get(f"/forecasts/{DAY}").json()) == 1


def test_a_stranger_is_not_a_household(village: Village) -> None:
    """Somebody who is not enrolled signs a transaction for a proof under the own address."""
    stranger = Account.create()
    bundle = village.bundle(village.homes[0])
    context = bundle.context.model_copy(update={"household": stranger.address.lower()})
    mine = bundle.model_copy(update={"context": context})
    body = {"bundle": mine.model_dump(), "transaction": village.transaction(stranger, mine)}
    answer = village.client.post("/forecasts", json=body)
    assert (answer.status_code, answer.json()["error"]) == (404, "unknown-household")


def test_openapi_describes_what_is_sent(village: Village) -> None:
    told = village.client.get("/openapi.json").json()
    assert told["paths"]["/v1/proofs/verify"]["post"]["requestBody"]["required"] is True
    named = {"/v1/days/{day}/forecast", "/v1/forecasts", "/v1/claims", "/v1/rounds", "/v1/households", "/health"}
    assert named <= told["paths"].keys()


def test_a_claim_that_was_paid_but_not_recorded_is_recorded_when_repeated(village: Village) -> None:
    for home in village.homes:
        register(village.community, village.chain_session, home, village.bundle(home))
    village.chain_session.chain.advance_to(village.community.start_of(DAY + 1))
    claim = make_claim(village.community, village.homes[0], DAY, 1)
    assert claim is not None
    taken = settle_claim(village.community, village.chain_session, claim)
    with village.community.sessions.begin() as session:
        session.execute(delete(Reward))
    for _ in range(2):
        paid = recall_reward(village.community, village.chain_session, claim.household, DAY)
        assert paid == taken and taken.buckets == claim.buckets
    told = {h["address"]: h for h in village.client.get("/households").json()}
    assert told[claim.household]["rewarded_days"] == 1


# -- what a stranger may send ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
def test_a_method_that_a_path_does_not_have_is_refused_with_those_it_has(village: Village, method: str) -> None:
    answer = village.client.request(method, "/rounds")
    assert answer.status_code == 405 and answer.headers["allow"] == "GET"
    assert answer.json()["error"] == "wrong-method"


@pytest.mark.parametrize("path", ["/nowhere", "/rounds/", "/rounds/..%2f..%2fetc/model", "/%00", "/%ff", "/\u0661"])
def test_a_path_that_there_is_not_is_told_and_leads_nowhere_else(village: Village, path: str) -> None:
    answer = village.client.get(path, follow_redirects=False)
    assert (answer.status_code, answer.json()["error"]) == (404, "not-found")


NO_HOUSEHOLD = ["%00", "%ff%fe", "0x" + "%D9%A3" * 40, "0x" + "0" * 39, "0x" + "0" * 40 + "%0A", "x" * 5000]
NO_DAY = ["-1", "1e3", "4294967295", "106750", "9" * 5000, "%F0%9F%92%A9", "%D9%A1", "1.5", "0x1", "%00"]


@pytest.mark.parametrize(
    "path",
    [f"/households/{text}/rewards" for text in NO_HOUSEHOLD]
    + [f"{place}/{text}{rest}" for text in NO_DAY for place, rest in (("/forecasts", ""), ("/sums", "/forecast"))]
    + ["/sums/1/nothing", f"/sums/1/forecast?home={'x' * 65}", "/rounds/0/model", "/rounds/4294967296/model"],
)
def test_what_is_no_household_day_or_round_is_malformed(village: Village, path: str) -> None:
    answer = village.client.get(path)
    assert (answer.status_code, answer.json()["error"]) == (422, "malformed-request")


@pytest.mark.parametrize("day", [0, 1, 80_000, 106_749])
def test_every_day_that_there_is_has_an_answer(village: Village, day: int) -> None:
    """Also the last one, whose end is the last moment that a time in nanoseconds can be."""
    for path in ("forecasts/{}", "claims/{}", "days/{}/forecast", "days/{}/measured", "sums/{}/forecast"):
        assert village.client.get("/" + path.format(day)).status_code in (200, 404, 409), path


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b'"x"', b"[1,2", b'{"\\ud800": 1}', b'{"round": NaN}', b'{"round": 1e999}', b'{"round": 1}',
        b'{"round":' + b"9" * 5000 + b"}", b'{"round": 1, "digest": "\\ud800", "transaction": "\\udfff"}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/json; charset=utf-16", "\u00ff", ""])
def test_a_body_that_says_nothing_is_refused_whatever_it_is_called(village: Village, body: bytes, kind: str) -> None:
    for path in ("/heads", "/forecasts", "/claims", "/proofs/verify", f"/sums/{DAY}/forecast"):
        answer = village.client.post(path, content=body, headers={"content-type": kind.encode("latin-1")})
        assert answer.status_code in (400, 422), (path, answer.text)
        assert set(answer.json()) == Problem.model_fields.keys()


def nested_rlp(levels: int) -> bytes:
    """Lists inside one another, as RLP, the form of transactions."""
    inner = b""
    for _ in range(levels):
        length = len(inner).to_bytes(3, "big").lstrip(b"\0")
        inner = (bytes([0xC0 + len(inner)]) if len(inner) < 56 else bytes([0xF7 + len(length)]) + length) + inner
    return inner


@pytest.mark.parametrize("kind", [b"", b"\x01", b"\x02", b"\x03", b"\x04", b"\x7f"])
def test_a_transaction_of_lists_inside_one_another_is_none(village: Village, kind: bytes) -> None:
    body = {"round": 1, "digest": "0x" + "00" * 32, "transaction": "0x" + (kind + nested_rlp(2_000)).hex()}
    answer = village.client.post("/heads", json=body)
    assert (answer.status_code, answer.json()["error"]) == (422, "malformed-transaction")
