"""An agent's signature covers all of its request, once, and nobody else's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from starlette.datastructures import Headers

from fl.deployment.signed_requests import (
    BAD_SIGNATURE,
    REPLAYED,
    TOLERANCE_S,
    UNKNOWN_KEY,
    WRONG_CLOCK,
    NotAuthentic,
    RequestVerifier,
    SignedRequests,
)

ADA, BOB, STRANGER = (ec.generate_private_key(ec.SECP384R1()) for _ in range(3))
NOW = 1_700_000_000.0  # of the verifier's own clock: the machine's counts for nothing


@dataclass(frozen=True)
class Received:
    """A request as the coordinator gets it."""

    method: str
    url: str
    headers: Headers
    body: bytes

    def with_header(self, name: str, value: str) -> Received:
        kept = [(n, v) for n, v in self.headers.raw if n != name.encode()]
        return replace(self, headers=Headers(raw=[*kept, (name.encode(), value.encode())]))


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return public_key_to_bytes(key.public_key())


def sent(key: ec.EllipticCurvePrivateKey, at: float = NOW, body: bytes = b"pull") -> Received:
    request = httpx.Request(
        "POST", "https://elm:8443/v1/fleet/pull-messages", content=body,
        headers={"content-type": "application/x-protobuf"},
    )  # fmt: skip
    SignedRequests(key, lambda: at).sign(request)
    raw = [(name.lower(), value) for name, value in request.headers.raw]  # as ASGI gives them
    return Received(request.method, str(request.url), Headers(raw=raw), request.content)


@pytest.fixture
def verifier() -> RequestVerifier:
    return RequestVerifier({"ada": pem(ADA), "bob": pem(BOB)}, lambda: NOW)


def verified(verifier: RequestVerifier, request: Received) -> str:
    """The home that a request is let in as."""
    agent = verifier.claimed(request.headers.get("signature-input", ""))
    verifier.check(request, request.body, agent)
    return agent.home


def refusal(verifier: RequestVerifier, request: Received) -> str:
    with pytest.raises(NotAuthentic) as refused:
        verified(verifier, request)
    return refused.value.code


def test_a_request_is_its_signers_once(verifier: RequestVerifier) -> None:
    request = sent(ADA)
    assert verified(verifier, request) == "ada"
    assert refusal(verifier, request) == REPLAYED
    assert verified(verifier, sent(ADA)) == "ada"
    assert verified(verifier, sent(BOB)) == "bob"


CHANGES: dict[str, Callable[[Received], Received]] = {
    "method": lambda r: replace(r, method="PUT"),
    "host": lambda r: replace(r, url=r.url.replace("elm", "oak")),
    "port": lambda r: replace(r, url=r.url.replace("8443", "9443")),
    "path": lambda r: replace(r, url=r.url.replace("pull", "push")),
    "body": lambda r: replace(r, body=b"push"),
    "no body": lambda r: replace(r, body=b""),
    "media type": lambda r: r.with_header("content-type", "text/plain"),
    "digest": lambda r: r.with_header("content-digest", sent(ADA, body=b"push").headers["content-digest"]),
    "time": lambda r: r.with_header(
        "signature-input", r.headers["signature-input"].replace(str(int(NOW)), str(int(NOW) + 1))
    ),
    "nonce": lambda r: r.with_header("signature-input", r.headers["signature-input"].replace('nonce="', 'nonce="x')),
    "what is covered": lambda r: r.with_header(
        "signature-input", r.headers["signature-input"].replace(' "content-digest"', "")
    ),
    "the signature": lambda r: r.with_header("signature", "agent=:" + "A" * 128 + ":"),
    "no signature": lambda r: r.with_header("signature", ""),
    "signature of rubbish": lambda r: r.with_header("signature", "\x01[[[:::"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_nothing_of_a_request_can_be_changed(
    verifier: RequestVerifier, change: Callable[[Received], Received]
) -> None:
    assert refusal(verifier, change(sent(ADA))) == BAD_SIGNATURE


def test_nobody_signs_for_another(verifier: RequestVerifier) -> None:
    """The stranger's own signature under ada's key id, and bob's."""
    for key in (STRANGER, BOB):
        request = sent(key)
        own, hers = (sent(k).headers["signature-input"].split('keyid="')[1][:64] for k in (key, ADA))
        forged = request.with_header("signature-input", request.headers["signature-input"].replace(own, hers))
        assert refusal(verifier, forged) == BAD_SIGNATURE


@pytest.mark.parametrize(
    "header", ["", "x", 'agent=();created=1;keyid="ada"', ";".join(['agent=();keyid="' + "0" * 64 + '"'] * 3)]
)
def test_who_is_not_known_is_turned_away_by_one_header(verifier: RequestVerifier, header: str) -> None:
    assert refusal(verifier, sent(ADA).with_header("signature-input", header)) == UNKNOWN_KEY
    assert refusal(verifier, sent(STRANGER)) == UNKNOWN_KEY


@pytest.mark.parametrize("off", [-86_400, -TOLERANCE_S - 2, TOLERANCE_S + 2, 86_400])
def test_a_clock_that_is_off_is_named_and_by_how_much(verifier: RequestVerifier, off: int) -> None:
    assert verified(verifier, sent(ADA, NOW + (TOLERANCE_S - 1) * (1 if off > 0 else -1))) == "ada"
    with pytest.raises(
        NotAuthentic, match=f"{abs(off)} s {'ahead of' if off > 0 else 'behind'} the coord"
    ) as refused:
        verified(verifier, sent(ADA, NOW + off))
    assert refused.value.code == WRONG_CLOCK


def test_a_request_can_only_be_sent_again_when_its_time_is_up(verifier: RequestVerifier) -> None:
    old, now = sent(ADA), [NOW]
    verifier._now = lambda: now[0]
    assert verified(verifier, old) == "ada"
    now[0] += TOLERANCE_S
    assert refusal(verifier, old) == REPLAYED
    now[0] += 2
    assert refusal(verifier, old) == WRONG_CLOCK


def test_keys_are_let_in_and_shut_out_while_requests_come(verifier: RequestVerifier) -> None:
    verifier.admit({"bob": pem(BOB), "cyd": pem(STRANGER)})
    assert refusal(verifier, sent(ADA)) == UNKNOWN_KEY
    assert verified(verifier, sent(BOB)) == "bob" and verified(verifier, sent(STRANGER)) == "cyd"


def test_a_key_on_another_curve_is_refused() -> None:
    small = public_key_to_bytes(ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(ValueError, match="ada is not on P-384"):
        RequestVerifier({"ada": small})


def test_the_clock_is_the_machines_unless_told_otherwise() -> None:
    assert verified(RequestVerifier({"ada": pem(ADA)}), sent(ADA, time.time())) == "ada"
