"""Requests of agents, signed by HTTP Message Signatures (RFC 9421) with the body's digest (RFC 9530).

Flower's node authentication signs the time of a request and nothing else: anyone who sees one can send any other
request in that agent's name for five minutes. Here the signature covers method, host, path, media type, the digest of
the body, the time and a number that is used once. It is ECDSA on P-384 with SHA-384 (RFC 9421, section 3.3.5), by the
key that the coordinator knows the home by. Library: http-message-signatures.

A replayed request is refused by its nonce while its time is acceptable, and by its time afterwards. Nonces forgotten
in a restart of the coordinator are of little use to an attacker: nodes and messages then have other numbers.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import ECDSA_P384_SHA384

TAG = "wattproof-fleet"
COVERED = ("@method", "@authority", "@path", "content-type", "content-digest")
TOLERANCE_S = 300  # how far a gateway's clock may be off
_ANY_TIME = datetime.timedelta(
    days=36_500
)  # the library would use the machine's clock; the coordinator's is used instead
UNKNOWN_KEY, WRONG_CLOCK, BAD_SIGNATURE, REPLAYED = "unknown-key", "wrong-clock", "bad-signature", "replayed"

_KEY_ID = re.compile(r';keyid="([0-9a-f]{64})"')
_CREATED = re.compile(r";created=(\d{1,12})(?![\d.])")


class NotAuthentic(Exception):
    """A request that is not from an admitted agent, or not from now. `code` is sent to the agent."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True)
class Agent:
    """Who may join: a home, and the key it signs with."""

    home: str
    public_pem: bytes
    key: ec.EllipticCurvePublicKey = field(repr=False)

    @staticmethod
    def of(home: str, public_pem: bytes) -> Agent:
        """Raises ValueError for what is no P-384 key in PEM."""
        key = serialization.load_pem_public_key(public_pem)
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
            raise ValueError(f"the key of {home} is not on P-384")
        return Agent(home, public_pem, key)

    @property
    def key_id(self) -> str:
        return key_id_of(self.key)


def key_id_of(key: ec.EllipticCurvePublicKey) -> str:
    """A key's identifier in signatures: SHA-256 of its SubjectPublicKeyInfo, 64 hexadecimal digits."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


class SignedRequests:
    """Signs the requests of an agent: an interceptor of Flower's protobuf client."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._key_id = key_id_of(key.public_key())
        self._signer = HTTPMessageSigner(signature_algorithm=ECDSA_P384_SHA384, key_resolver=_OwnKey(key))

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        self.sign(context.request)
        return call_next(context)

    def sign(self, request: httpx.Request) -> None:
        """Add the headers of the signature to a request whose content is at hand."""
        self._signer.sign(
            request,
            key_id=self._key_id,
            created=datetime.datetime.fromtimestamp(self._now(), datetime.UTC),
            nonce=secrets.token_urlsafe(16),
            tag=TAG,
            label="agent",
            covered_component_ids=COVERED,
            body=request.content,
        )


class Request(Protocol):
    """The signed parts of a request, besides its body; header fields in order, repeated ones individually."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class RequestVerifier:
    """Knows who may join, and whether a request is theirs. `admit` can be called while requests come in."""

    def __init__(self, agents: Mapping[str, bytes], now: Callable[[], float] = time.time) -> None:
        """`agents`: home -> public key (PEM). Raises ValueError for one that is no P-384 key."""
        self._now = now
        self._agents: dict[str, Agent] = {}
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()  # key id, nonce -> when to forget them
        self._verifier = HTTPMessageVerifier(signature_algorithm=ECDSA_P384_SHA384, key_resolver=_KnownKeys(self))
        self._verifier.max_clock_skew = _ANY_TIME
        self.admit(agents)

    def admit(self, agents: Mapping[str, bytes]) -> None:
        """Admit these homes and no others. Raises ValueError."""
        found = [Agent.of(home, public) for home, public in agents.items()]
        self._agents = {agent.key_id: agent for agent in found}

    def agent(self, key_id: str) -> Agent | None:
        return self._agents.get(key_id)

    def claimed(self, signature_input: str) -> Agent:
        """Whose a request claims to be, from one header: enough to reject strangers.

        Raises NotAuthentic for an unknown agent, or an unacceptable time.
        """
        key_ids, created = _KEY_ID.findall(signature_input), _CREATED.findall(signature_input)
        agent = self.agent(key_ids[0]) if len(key_ids) == 1 else None
        if agent is None or len(created) != 1:
            raise NotAuthentic(UNKNOWN_KEY, "not a request of an admitted agent")
        self._check_time(int(created[0]))
        return agent

    def check(self, request: Request, body: bytes, claimed: Agent) -> None:
        """Raises NotAuthentic unless the agent has signed this request and it is not a repeat."""
        try:
            (result,) = self._verifier.verify(
                request,
                max_age=None,
                expect_tag=TAG,
                require_components=COVERED,
                body=body,
            )
        except Exception as problem:  # whatever a stranger's headers do to the parsers, the request does not pass
            raise NotAuthentic(BAD_SIGNATURE, "the signature is not that of the request") from problem
        if result.parameters["keyid"] != claimed.key_id or not result.nonce or result.body != body:
            raise NotAuthentic(BAD_SIGNATURE, "the signature is not that of the request")
        self._check_time(int(result.parameters["created"]))
        self._once(claimed.key_id, result.nonce)

    def _check_time(self, created: int) -> None:
        ahead = created - self._now()
        if abs(ahead) > TOLERANCE_S:
            off = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the coordinator's clock"
            raise NotAuthentic(WRONG_CLOCK, f"the request was signed {off}, and {TOLERANCE_S} s are allowed")

    def _once(self, key_id: str, nonce: str) -> None:
        now = self._now()
        while self._seen and next(iter(self._seen.values())) < now:
            self._seen.popitem(last=False)
        if (key_id, nonce) in self._seen:
            raise NotAuthentic(REPLAYED, "the request was received before")
        self._seen[(key_id, nonce)] = now + 2 * TOLERANCE_S + 1


class _OwnKey(HTTPSignatureKeyResolver):
    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    def resolve_private_key(self, key_id: str) -> Any:
        return self._key


class _KnownKeys(HTTPSignatureKeyResolver):
    def __init__(self, doorkeeper: RequestVerifier) -> None:
        self._doorkeeper = doorkeeper

    def resolve_public_key(self, key_id: str) -> Any:
        agent = self._doorkeeper.agent(key_id)
        return None if agent is None else agent.key
