"""An auditor's green shares: what the server says of hours and percentages is held against proofs and contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from api.audit.day import ServerRegistries
from api.audit.green import audit_green
from api.audit.source import ChainRegistries, Fetch, Registries
from api.operator.green_shares import settle_green
from api.operator.paid_claims import settle
from api.protocol.bundle import ClaimBundle, GreenBundle, encode
from api.protocol.bundle_parts import to_hex
from api.protocol.finding import Finding
from tests.api.conftest import DAY, Once, Village

pytestmark = pytest.mark.slow
HOURS, SHARES = f"/green-shares/{DAY}/hours", f"/green-shares/{DAY}"


@pytest.fixture
def shared(village: Village, green: GreenBundle, claim: ClaimBundle, once: Once[None]) -> Village:
    """The village when a green share was taken."""

    def take() -> None:
        settle(village.community, village.chain_session, claim)
        settle_green(village.community, village.chain_session, green)

    once("a green share is taken", take)
    return village


def server(village: Village, **changes: Callable[[Any], Any]) -> Fetch:
    """What it answers; `hours`, `shares` and `proof` change an answer, to None: it withholds it."""

    def fetch(path: str) -> bytes | None:
        answer = village.client.get(f"/v1{path}")
        kind = {HOURS: "hours", SHARES: "shares"}.get(path, "proof")
        content = None if answer.status_code == 404 else answer.content
        if content is None or kind not in changes:
            return content
        changed = changes[kind](json.loads(content))
        return None if changed is None else json.dumps(changed, separators=(",", ":")).encode()

    return fetch


def registries(village: Village, *, chain: bool) -> Registries:
    if chain:
        return ChainRegistries(village.chain_session.contracts)
    return ServerRegistries({home.wallet.address: home.meter.address for home in village.homes}, {}, {})


def findings(village: Village, fetch: Fetch, *, chain: bool = True) -> list[Finding]:
    community = to_hex(village.community.config.community.identifier)
    homes = [home.wallet.address for home in village.homes]
    return list(audit_green(fetch, DAY, community, registries(village, chain=chain), homes))


@pytest.mark.parametrize("chain", [True, False])
def test_an_honest_day_holds(shared: Village, chain: bool) -> None:
    found = findings(shared, server(shared), chain=chain)
    assert [finding.kind for finding in found] == ["held"] * 3
    assert ("as registered on the chain before it started" in found[0].what) is chain


def test_a_day_without_green_hours_has_no_findings(village: Village) -> None:
    assert findings(village, server(village)) == []


def test_what_the_server_says_otherwise_is_found(shared: Village, green: GreenBundle) -> None:
    """The attacks: hours tuned afterwards, a percentage of its own, shares left out, proofs withheld."""

    def said(**changes: Callable[[Any], Any]) -> str:
        return " ".join(f"{f.what} {f.problem}" for f in findings(shared, server(shared, **changes)) if f.is_bad)

    tuned = [*green.weights[1:], green.weights[0]]
    assert "NOT those registered on the chain" in said(hours=lambda d: d | {"weights": tuned})
    assert "NOT those registered on the chain" in said(hours=lambda _: None)
    assert "another percentage or proof" in said(shares=lambda d: [one | {"tier": one["tier"] + 1} for one in d])
    assert f"{green.household}: missing in the server's list" in said(shares=lambda _: [])
    assert "the proof is missing" in said(proof=lambda _: None)
    assert "NOT valid" in said(proof=lambda d: d | {"tier": d["tier"] + 1})
    assert "weighs the hours otherwise" in said(
        hours=lambda d: d | {"weights": tuned}, proof=lambda d: d | {"weights": tuned}
    ) or "NOT valid" in said(proof=lambda d: d | {"weights": tuned})


def test_what_a_server_withholds_is_found_without_the_chain(shared: Village, green: GreenBundle) -> None:
    found = findings(shared, server(shared, shares=lambda _: []), chain=False)
    assert any(f"{green.household}: missing in the server's list" in f.what for f in found)
    narrow = server(shared, hours=lambda d: d | {"weights": [255, *[0] * 23]})
    assert any(f.is_bad and "no day's" in f.what for f in findings(shared, narrow, chain=False))


def test_the_bundle_served_is_the_one_that_was_taken(shared: Village, green: GreenBundle) -> None:
    assert server(shared)(f"/green-shares/{green.household}/{DAY}/proof") == encode(green)
