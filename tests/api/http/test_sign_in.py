"""Signing in with a wallet (EIP-4361), who may see what, and what a stolen or replayed message is worth."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from fastapi.testclient import TestClient

from api.config.settings import HouseholdEntry
from api.http.errors import ApiError
from api.http.sign_in import SESSION_S, SignIns
from api.one_machine.community import LocalCommunity
from api.one_machine.day import register
from tests.api.conftest import DAY, Village, app_of, small_config
from tests.support.documented import DocumentedClient

MANAGER, AUDITOR, STRANGER, FOURTH = (Account.from_key(bytes([k]) * 32) for k in (11, 12, 13, 14))
PRIVATE = ["/v1/manage/members", "/v1/manage/members.csv", "/v1/manage/alerts"]


@pytest.fixture
def client(village: Village) -> TestClient:
    """The village's server with a manager and an auditor, for a browser that keeps cookies."""
    config = small_config(village.community.folder)
    roles = {"managers": (MANAGER.address,), "auditors": (AUDITOR.address,)}
    community = LocalCommunity(config.model_copy(update={"api": config.api.model_copy(update=roles)}))
    return DocumentedClient(app_of(community, village.chain_session))


def signature(account: LocalAccount, message: str) -> str:
    return "0x" + bytes(account.sign_message(encode_defunct(text=message)).signature).hex()


def signed_in(client: TestClient, account: LocalAccount) -> Any:
    told = client.post("/v1/session/challenge", json={"address": account.address.lower()}).json()
    body = {
        "address": account.address,
        "nonce": told["nonce"],
        "signature": signature(account, told["message"]),
    }
    return client.post("/v1/session", json=body)


@pytest.mark.parametrize(
    ("account", "role"), [(MANAGER, "manager"), (AUDITOR, "auditor"), (STRANGER, "visitor"), (None, "member")]
)
def test_a_wallet_signs_in_and_out(
    village: Village, client: TestClient, account: LocalAccount | None, role: str
) -> None:
    wallet = account or village.homes[0].wallet
    assert client.get("/v1/session").status_code == 401
    answer = signed_in(client, wallet)
    assert (answer.status_code, answer.json()) == (201, {"address": wallet.address, "role": role})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert client.get("/v1/session").json() == answer.json()
    assert client.delete("/v1/session").status_code == 204
    assert client.get("/v1/session").status_code == 401


def test_over_tls_the_cookie_is_this_hosts_alone(village: Village) -> None:
    """A neighbour in the same domain can't set one: browsers take a `__Host-` cookie from the host itself only."""
    config = small_config(village.community.folder)
    api = config.api.model_copy(update={"public_url": "https://elm.example", "managers": (MANAGER.address,)})
    community = LocalCommunity(config.model_copy(update={"api": api}))
    client = DocumentedClient(app_of(community, village.chain_session), base_url="https://elm.example")
    cookie = signed_in(client, MANAGER).headers["set-cookie"]
    assert cookie.startswith("__Host-wattproof_session=") and "Domain" not in cookie
    assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert client.get("/v1/manage/members").status_code == 200
    token = client.cookies["__Host-wattproof_session"]
    client.cookies.clear()
    client.cookies.set("wattproof_session", token)
    assert client.get("/v1/session").status_code == 401, "under a name that a neighbour may set"
    client.cookies.set("__Host-wattproof_session", token)
    ended = client.delete("/v1/session").headers["set-cookie"]
    assert ended.startswith("__Host-wattproof_session=") and "Secure" in ended and "Max-Age=0" in ended


@pytest.mark.parametrize("path", PRIVATE)
def test_only_managers_and_auditors_see_who_is_who(village: Village, client: TestClient, path: str) -> None:
    assert client.get(path).json()["error"] == "not-signed-in"
    client.cookies.set("wattproof_session", "x" * 43)
    assert client.get(path).json()["error"] == "not-signed-in"
    for account, status in ((STRANGER, 403), (village.homes[0].wallet, 403), (AUDITOR, 200), (MANAGER, 200)):
        client.cookies.clear()
        signed_in(client, account)
        answer = client.get(path)
        assert answer.status_code == status and (status == 200 or answer.json()["error"] == "not-allowed")
        assert "no-store" in answer.headers["cache-control"]


def test_what_a_manager_sees(village: Village, client: TestClient) -> None:
    absent, *others = village.homes
    for home in others:
        register(village.community, village.chain_session, home, village.bundle(home))
    signed_in(client, MANAGER)
    told = {one["household"]: one for one in client.get("/v1/manage/members").json()}
    assert told[absent.wallet.address]["last_day"] is None and told[others[0].wallet.address]["last_day"] == DAY
    assert client.get("/v1/manage/alerts").json() == [
        {"code": "never", "household": absent.wallet.address} | dict.fromkeys(("day", "count", "kind", "reason"))
    ]
    rows = client.get("/v1/manage/members.csv").text.splitlines()
    assert len(rows) == 4 and rows[0] == "home,household,meter,last_day,missed_of_last_7"


def test_a_challenge_is_good_once_and_for_its_address_alone(client: TestClient) -> None:
    told = client.post("/v1/session/challenge", json={"address": MANAGER.address}).json()
    body = {"address": MANAGER.address, "nonce": told["nonce"], "signature": signature(MANAGER, told["message"])}
    other = signature(STRANGER, told["message"])
    assert client.post("/v1/session", json=body | {"signature": other}).json()["error"] == "wrong-signature"
    for taken in ({"address": STRANGER.address}, {"nonce": told["nonce"][::-1]}, {"nonce": "0" * 58}):
        assert client.post("/v1/session", json=body | taken).json()["error"] == "old-challenge"
    assert client.post("/v1/session", json=body).status_code == 201
    assert client.post("/v1/session", json=body).json()["error"] == "old-challenge"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_of_another_page_signs_nobody_in(client: TestClient, kind: str) -> None:
    """A browser sends these without asking (CORS); JSON it asks for first, and is told no."""
    told = client.post("/v1/session/challenge", json={"address": STRANGER.address}).json()
    body = {"address": STRANGER.address, "nonce": told["nonce"], "signature": signature(STRANGER, told["message"])}
    answer = client.post("/v1/session", content=json.dumps(body), headers={"content-type": kind})
    assert answer.status_code == 422 and "set-cookie" not in answer.headers
    asked = {"origin": "https://elsewhere.example", "access-control-request-method": "DELETE"}
    assert client.options("/v1/session", headers=asked).status_code == 405
    assert client.post("/v1/session", json=body).status_code == 201, "the challenge is still good where it belongs"


def test_nobodys_answer_is_given_to_another(client: TestClient) -> None:
    """Whoever is not signed in and names a manager's answer by its validator is told nothing."""
    signed_in(client, MANAGER)
    mine = client.get("/v1/manage/members.csv")
    assert "private" in mine.headers["cache-control"] and mine.headers["etag"]
    client.cookies.clear()
    for named in (mine.headers["etag"], "*"):
        answer = client.get("/v1/manage/members.csv", headers={"if-none-match": named})
        assert (answer.status_code, answer.headers["cache-control"]) == (401, "no-store")
        assert "etag" not in answer.headers


@pytest.mark.parametrize(
    "name", ["=cmd|'/c calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "a\nb", '<img src=x onerror="x">']
)
def test_no_gateway_has_a_name_that_a_table_or_a_page_would_run(name: str) -> None:
    """The one text in a table that people choose: spreadsheets run what begins with =, +, - or @."""
    with pytest.raises(ValueError, match="home"):
        HouseholdEntry(household=MANAGER.address, meter=MANAGER.address, home=name)


@pytest.mark.parametrize(
    "wrong", [{"address": "0x12"}, {"nonce": "x"}, {"signature": "0x" + "00" * 64}, {"nonce": None}]
)
def test_what_is_no_challenge_or_signature_is_malformed(client: TestClient, wrong: dict[str, Any]) -> None:
    body = {"address": MANAGER.address, "nonce": "0" * 58, "signature": "0x" + "00" * 65}
    assert client.post("/v1/session", json=body | wrong).status_code == 422


def opened(sign_ins: SignIns, account: LocalAccount, signs: str | None = None) -> str:
    nonce = sign_ins.challenge(account.address)
    message = signs or sign_ins.message(account.address, nonce, 1)
    return sign_ins.open(account.address, nonce, signature(account, message), 1)


def test_the_message_names_the_domain_of_the_settings_and_no_other_will_do() -> None:
    """A page elsewhere that passes messages on would have to have its own domain in them: wallets compare it."""
    here = SignIns("https://elm.example")
    nonce = here.challenge(MANAGER.address)
    message = here.message(MANAGER.address, nonce, 1)
    assert message.startswith("elm.example wants you to sign in with your Ethereum account:\n" + MANAGER.address)
    assert f"\nURI: https://elm.example\nVersion: 1\nChain ID: 1\nNonce: {nonce}\nIssued At: " in message
    for other in (message.replace("elm.example", "elm-example.net"), message.replace("Chain ID: 1", "Chain ID: 2")):
        with pytest.raises(ApiError, match="is not signed by"):
            opened(here, MANAGER, other)
    assert here.is_secure and not SignIns("http://127.0.0.1:8000").is_secure


def test_challenges_and_sessions_end(village: Village) -> None:
    now = [1_000_000_000.0]
    sign_ins = SignIns("https://elm.example", lambda: now[0])
    token = opened(sign_ins, MANAGER)
    session = sign_ins.of(token)
    assert session is not None and session.address == MANAGER.address
    nonce = sign_ins.challenge(MANAGER.address)
    signed = signature(MANAGER, sign_ins.message(MANAGER.address, nonce, 1))
    now[0] += 301
    with pytest.raises(ApiError, match="too old"):
        sign_ins.open(MANAGER.address, nonce, signed, 1)
    now[0] += SESSION_S
    assert sign_ins.of(token) is None and sign_ins.of(None) is None
    assert token not in repr(sign_ins.__dict__), "who reads the server's memory can't use it"


def test_however_many_strangers_sign_in_a_manager_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.http.sign_in._MOST_SESSIONS", 2)
    sign_ins = SignIns("https://elm.example", kept=[MANAGER.address])
    manager, *strangers = (opened(sign_ins, one) for one in (MANAGER, AUDITOR, STRANGER, FOURTH))
    assert sign_ins.of(manager) is not None
    assert [sign_ins.of(token) is not None for token in strangers] == [False, False, True]
