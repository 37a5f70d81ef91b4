"""Every route, asked rightly, for what there is not, wrongly, and by whom it is not for.

What a route has to be asked follows from its description: whatever it may refuse with has its case here, or names the
test that has it. A route without a case fails.
"""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from fastapi.testclient import TestClient
from httpx import Response

from api.http.problems import PROBLEM_JSON
from api.one_machine.community import LocalCommunity
from api.operator.database.tables import ComputedTotals, ExportRound
from api.operator.trained_model import rounds_of
from api.protocol.bundle import Bundle, ClaimBundle, GreenBundle, encode
from api.protocol.settlement import Settlement, share_leaf
from api.protocol.surplus import SurplusDay
from data.atomic import write_bytes
from fl.store import RoundStore
from tests.api.conftest import DAY, Village, app_of, small_config
from tests.api.settled import WEEK
from tests.support.documented import DocumentedClient

pytestmark = pytest.mark.slow

Kind = Literal["success", "absence", "bad input", "permission"]
MANAGER, STRANGER = (Account.from_key(bytes([k]) * 32) for k in (11, 13))
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class World:
    """A village after its day: paid, settled, with surplus hours and green shares. `known`: parameters there are."""

    village: Village
    client: TestClient
    claim: ClaimBundle
    green: GreenBundle
    known: dict[str, object]
    surplus_day: int

    def path(self, route: str, parameters: dict[str, object]) -> str:
        """A route with its parameters; those of surplus hours have a day of their own."""
        if route.startswith("/v1/surplus") and parameters is self.known:
            parameters = parameters | {"day": self.surplus_day}
        for name, value in parameters.items():
            route = route.replace(f"{{{name}}}", str(value))
        assert "{" not in route, f"{route}: what is that parameter?"
        return route

    def sign_in(self, account: Any) -> None:
        told = self.client.post("/v1/session/challenge", json={"address": account.address}).json()
        signed = "0x" + bytes(account.sign_message(encode_defunct(text=told["message"])).signature).hex()
        body = {"address": account.address, "nonce": told["nonce"], "signature": signed}
        assert self.client.post("/v1/session", json=body).status_code == 201


UNKNOWN: dict[str, object] = {
    "address": "0x" + "1" * 40, "household": "0x" + "1" * 40, "day": DAY + 900, "number": 77, "kind": "forecast",
    "period": "2019-01", "leaf": "0x" + "00" * 32,
}  # fmt: skip
WRONG: dict[str, object] = {
    "address": "0x12", "household": "0x12", "day": "-1", "number": "0", "kind": "nothing", "period": "2017-5",
    "leaf": "0x", "limit": "0", "after": "x", "first": "x", "last": "x", "home": "x" * 65,
}  # fmt: skip


@pytest.fixture
def world(
    green_hours: tuple[int, ...], green: GreenBundle, settled: Village, claim: ClaimBundle, week: Settlement,
    surplus: SurplusDay,
) -> Iterator[World]:  # fmt: skip
    model = RoundStore(settled.community.folder / "rounds").path(1)
    of_export = rounds_of(settled.community, "export").path(1)
    for path in (model / "model.npz", model / "weights.npz", of_export / "weights.npz"):
        write_bytes(path, b"an archive")
    with settled.community.sessions.begin() as session:
        for k in range(1, 40):
            session.add(ComputedTotals(day=DAY - k, forecast=[900 + k] * 24, measured=[1000 - k] * 24))
        session.add(ExportRound(number=1, digest="0x" + "01" * 32, published_at=1))
    config = small_config(settled.community.folder)
    community = LocalCommunity(
        config.model_copy(update={"api": config.api.model_copy(update={"managers": (MANAGER.address,)})})
    )
    client = DocumentedClient(app_of(community, settled.chain_session))
    assert client.post("/v1/green-shares", content=encode(green)).status_code == 201
    household, ((member, side), share) = claim.household, next(iter(week.shares.items()))
    known: dict[str, object] = {
        "address": household, "household": household, "day": DAY, "number": 1, "kind": "forecast", "period": WEEK,
        "leaf": "0x" + share_leaf(week.period, member, side, share).hex(),
    }  # fmt: skip
    yield World(settled, client, claim, green, known, surplus.day)
    shutil.rmtree(model)
    shutil.rmtree(of_export.parents[1])


# -- what is sent to routes that change something --------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """A body made for the world, and what has to come of it."""

    body: Callable[[World], bytes]
    status: int
    code: str | None = None


def of_another(bundle: Bundle, **context: str) -> bytes:
    return encode(bundle.model_copy(update={"context": bundle.context.model_copy(update=context)}))


def forecast(bundle: Any, transaction: str) -> bytes:
    return json.dumps({"bundle": bundle.model_dump(), "transaction": transaction}).encode()


def by_a_stranger(world: World) -> bytes:
    stranger, bundle = Account.from_key(b"\x21" * 32), world.village.bundle(world.village.homes[0])
    context = bundle.context.model_copy(update={"household": stranger.address.lower()})
    mine = bundle.model_copy(update={"context": context})
    return forecast(mine, world.village.transaction(stranger, mine))


def by(sender: int) -> Callable[[World], bytes]:
    """The first home's forecast in a transaction of this one's."""

    def body(world: World) -> bytes:
        village = world.village
        bundle = village.bundle(village.homes[0])
        return forecast(bundle, village.transaction(village.homes[sender].wallet, bundle))

    return body


def bundles(which: Literal["claim", "green"]) -> dict[Kind, Sent | str]:
    def of(world: World) -> Any:
        return getattr(world, which)

    return {
        "success": Sent(lambda world: encode(of(world)), 200),  # a repeat: the first answer
        "absence": Sent(lambda w: of_another(of(w), household="0x" + "1" * 40), 404, "unknown-household"),
        "permission": Sent(lambda w: of_another(of(w), community="0x" + "00" * 32), 403, "other-community"),
        "bad input": EMPTY,
    }


EMPTY = Sent(lambda _: b"{}", 422)
HTTP = "tests/api/http/"
SUMS = "tests/api/operator/test_secure_sum.py::"
EXPORT = f"{HTTP}test_export.py::"
PERIODS = "tests/api/operator/test_open_periods.py::"
HEADS = "tests/api/gateway/test_personal_head.py::"
LEAVING = "tests/api/cli/test_leave.py::"
SIGNING = f"{HTTP}test_sign_in.py::"
CASES: dict[str, dict[Kind, Sent | str]] = {
    "POST /v1/claims": bundles("claim"),
    "POST /v1/claims/call": bundles("claim") | {
        "success": f"{HTTP}test_explorer.py::test_a_wallet_is_given_the_very_call_that_the_server_would_send"
    },
    "POST /v1/green-shares": bundles("green"),
    "POST /v1/green-shares/call": bundles("green") | {
        "success": f"{HTTP}test_green_shares.py::test_anybody_can_send_the_call_and_the_server_finds_it"
    },
    "POST /v1/forecasts": {
        "success": Sent(by(0), 200), "permission": Sent(by(1), 403, "other-household"),
        "absence": Sent(by_a_stranger, 404, "unknown-household"), "bad input": EMPTY,
    },
    "POST /v1/export/forecasts": {
        "success": EXPORT + "test_a_forecast_of_export_is_taken_once_and_the_first_one_stays",
        "absence": EXPORT + "test_what_is_no_proven_forecast_of_a_household_here_is_refused",
        "permission": EXPORT + "test_what_is_no_proven_forecast_of_a_household_here_is_refused", "bad input": EMPTY,
    },
    "POST /v1/heads": {
        "success": HEADS + "test_a_head_is_pinned_once_and_shown",
        "absence": HEADS + "test_strangers_and_other_calls_are_not_passed_on", "bad input": EMPTY,
    },
    "POST /v1/proofs/verify": {"success": Sent(lambda world: encode(world.claim), 200), "bad input": EMPTY},
    "POST /v1/sums/{day}/{kind}": {
        "success": SUMS + "test_gateways_open_the_total_of_the_forecasts_they_registered",
        "absence": SUMS + "test_both_registers_of_a_day_are_summed_and_are_the_measured_total_of_the_same_homes",
        "permission": SUMS + "test_only_its_own_key_speaks_for_a_home_and_only_once_in_a_stage", "bad input": EMPTY,
    },
    "POST /v1/households/{address}/membership": {
        "success": LEAVING + "test_a_household_leaves_and_nothing_of_it_stays_but_what_is_said",
        "permission": LEAVING + "test_nobody_says_it_in_the_households_place", "bad input": EMPTY,
    },
    "POST /v1/session/challenge": {
        "success": Sent(lambda _: json.dumps({"address": MANAGER.address}).encode(), 200), "bad input": EMPTY,
    },
    "POST /v1/session": {
        "success": SIGNING + "test_a_wallet_signs_in_and_out",
        "permission": SIGNING + "test_a_challenge_is_good_once_and_for_its_address_alone", "bad input": EMPTY,
    },
    "DELETE /v1/session": {"success": Sent(lambda _: b"", 204)},
    "POST /v1/shared-energy/{period}/shares": {
        "success": PERIODS + "test_a_share_counts_once_and_the_first_proof_of_it_stays",
        "absence": PERIODS + "test_a_period_that_was_not_opened_takes_no_share",
        "permission": PERIODS + "test_a_share_under_another_members_name_is_refused", "bad input": EMPTY,
    },
    # Of these, what there is takes another setting than the village's.
    "GET /v1/events": {"success": f"{HTTP}test_page.py::test_what_goes_on_is_told_as_it_happens"},
    "GET /v1/weather": {"success": f"{HTTP}test_weather.py::test_the_feed_is_handed_out_once_it_is_there"},
    "GET /v1/shared-energy/{period}/terms": {
        "success": PERIODS + "test_terms_hold_no_share_and_are_the_same_whenever_they_are_asked_for"
    },
    "GET /v1/sums/{day}/{kind}": {
        "success": SUMS + "test_gateways_open_the_total_of_the_forecasts_they_registered",
        "absence": SUMS + "test_both_registers_of_a_day_are_summed_and_are_the_measured_total_of_the_same_homes",
    },
}  # fmt: skip


def operations(client: TestClient) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in client.get("/openapi.json").json()["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def needed(operation: dict[str, Any]) -> set[Kind]:
    """What a route has to be asked."""
    statuses = operation["responses"].keys()
    kinds: set[Kind] = {"success"}
    if "404" in statuses:
        kinds.add("absence")
    if operation.get("parameters") or operation.get("requestBody"):
        kinds.add("bad input")
    if {"401", "403"} & statuses:
        kinds.add("permission")
    return kinds


# -- the walk --------------------------------------------------------------------------------------------------------


def test_every_route_that_changes_something_has_each_of_its_cases(built: Village) -> None:
    """And each test that is named here is there."""
    routes = {f"{method} {path}": operation for method, path, operation in operations(built.client)}
    assert CASES.keys() <= routes.keys()
    for route, operation in routes.items():
        if not route.startswith("GET"):
            assert CASES.get(route, {}).keys() == needed(operation), route
    for named in (case for cases in CASES.values() for case in cases.values() if isinstance(case, str)):
        file, _, name = named.partition("::")
        tests = {one.name for one in ast.parse((ROOT / file).read_text()).body if isinstance(one, ast.FunctionDef)}
        assert name in tests, named


def refused(answer: Response, statuses: set[int], operation: dict[str, Any]) -> None:
    """A refusal in the one form, with a code that the route declares."""
    assert answer.status_code in statuses, (answer.request.url, answer.text)
    declared = operation["responses"][str(answer.status_code)]["content"][PROBLEM_JSON]["examples"]
    assert answer.json()["error"] in declared, answer.text


def test_what_there_is_is_given_and_head_says_the_same_without_it(world: World) -> None:
    world.sign_in(MANAGER)
    for method, route, _ in operations(world.client):
        if method == "GET" and "success" not in CASES.get(f"GET {route}", {}):
            path = world.path(route, world.known)
            answer, head = world.client.get(path), world.client.head(path)
            assert answer.status_code == 200 and answer.content, (path, answer.text)
            assert (head.status_code, head.content) == (200, b""), path


def test_what_there_is_not_is_said(world: World) -> None:
    world.sign_in(MANAGER)
    for method, route, operation in operations(world.client):
        own = CASES.get(f"{method} {route}", {})
        if method == "GET" and "absence" in needed(operation) - own.keys():
            refused(world.client.get(world.path(route, UNKNOWN)), {404}, operation)


def test_what_is_malformed_is_named(world: World) -> None:
    world.sign_in(MANAGER)
    for method, route, operation in operations(world.client):
        for parameter in operation.get("parameters", []) if method == "GET" else []:
            name = parameter["name"]
            if parameter["in"] == "path":
                answer = world.client.get(world.path(route, world.known | {name: WRONG[name]}))
            else:
                answer = world.client.get(world.path(route, world.known), params={name: WRONG[name]})
            assert (answer.status_code, answer.json()["error"]) == (422, "malformed-request"), (route, name)
            assert name in answer.json()["detail"], "the message names what is wrong"


def test_whom_it_is_not_for_is_refused(world: World) -> None:
    for who, status in ((None, 401), (STRANGER, 403), (world.village.homes[0].wallet, 403)):
        world.client.cookies.clear()
        if who is not None:
            world.sign_in(who)
        for method, route, operation in operations(world.client):
            if method == "GET" and str(status) in operation["responses"]:
                refused(world.client.get(world.path(route, world.known)), {status}, operation)


def test_what_is_sent_is_taken_or_refused_as_it_has_to_be(world: World) -> None:
    for route, cases in CASES.items():
        method, _, path = route.partition(" ")
        for kind, case in cases.items():
            if isinstance(case, Sent):
                answer = world.client.request(
                    method, world.path(path, world.known), content=case.body(world),
                    headers={"content-type": "application/json"},
                )  # fmt: skip
                assert answer.status_code == case.status, (route, kind, answer.text)
                assert case.code is None or answer.json()["error"] == case.code, (route, kind)
