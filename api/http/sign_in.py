"""Who is looking: a wallet signs a message of this server's (EIP-4361, ERC-191), and a cookie then stands for it.

A challenge is stateless: its nonce carries its time, authenticated with a key of this process (HMAC-SHA-256), and is
good once, for five minutes. The message names the domain that the settings have, never the one a request claims: a
page elsewhere that passes messages on can't pass for this one. Sessions are in memory: a restart signs all out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from api.http.errors import ApiError

Role = Literal["manager", "auditor", "member", "visitor"]
SESSION_S = 12 * 3600
_CHALLENGE_S = 300
_MOST_SESSIONS = 10_000
_STATEMENT = "Sign in to look. This signs no transaction and costs nothing."


@dataclass(frozen=True)
class Session:
    """An address that has signed in, until when (seconds of this server's clock)."""

    address: str
    until: float


class SignIns:
    """Challenges and sessions of one server.

    Args:
        origin: where people open the page, as https://HOST.
        now: seconds since 1970.
        kept: addresses (checksummed) whose sessions no stranger's push out, however many sign in.
    """

    def __init__(self, origin: str, now: Callable[[], float] = time.time, kept: Collection[str] = ()) -> None:
        self._origin, self._domain, self._now, self._kept = origin, urlsplit(origin).netloc, now, frozenset(kept)
        self._key = secrets.token_bytes(32)
        self._used: OrderedDict[str, float] = OrderedDict()
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    @property
    def is_secure(self) -> bool:
        return self._origin.startswith("https:")

    @property
    def cookie(self) -> str:
        """The session cookie's name. By its prefix, a browser takes it over TLS from this very host alone: a
        neighbour in the same domain can't set one and so sign somebody in as another (RFC 6265bis, 4.1.3.2)."""
        return "__Host-wattproof_session" if self.is_secure else "wattproof_session"

    def challenge(self, address: str) -> str:
        """A nonce for an address (checksummed) to sign with."""
        random, issued = secrets.token_hex(8), f"{int(self._now()):010x}"
        return random + issued + self._mac(random + issued, address)

    def message(self, address: str, nonce: str, chain_id: int) -> str:
        """What the wallet shows and signs (EIP-4361)."""
        issued = datetime.fromtimestamp(int(nonce[16:26], 16), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return (
            f"{self._domain} wants you to sign in with your Ethereum account:\n{address}\n\n{_STATEMENT}\n\n"
            f"URI: {self._origin}\nVersion: 1\nChain ID: {chain_id}\nNonce: {nonce}\nIssued At: {issued}"
        )

    def open(self, address: str, nonce: str, signature: str, chain_id: int) -> str:
        """The token of a new session. Raises ApiError: the challenge is old, used or another's, or wrongly signed."""
        random, issued, mac = nonce[:16], nonce[16:26], nonce[26:]
        known = hmac.compare_digest(mac, self._mac(random + issued, address))
        if not known or self._now() - int(issued, 16) > _CHALLENGE_S or nonce in self._used:
            raise ApiError("old-challenge", "the challenge is not this address's, too old, or used: ask again", 409)
        try:
            signer = Account.recover_message(
                encode_defunct(text=self.message(address, nonce, chain_id)), signature=bytes.fromhex(signature[2:])
            )
        except (BadSignature, ValidationError, ValueError, TypeError):
            signer = None
        if signer != address:
            raise ApiError("wrong-signature", f"the message is not signed by {address}", 403)
        self._use(nonce)
        token = secrets.token_urlsafe(32)
        self._sessions[_kept_as(token)] = Session(address, self._now() + SESSION_S)
        if len(self._sessions) > _MOST_SESSIONS:
            strangers = (key for key, one in self._sessions.items() if one.address not in self._kept)
            self._sessions.pop(next(strangers, next(iter(self._sessions))))
        return token

    def of(self, token: str | None) -> Session | None:
        """The session that a token opens; None for none, or one that has ended."""
        found = None if token is None else self._sessions.get(_kept_as(token))
        return found if found is not None and found.until > self._now() else None

    def close(self, token: str | None) -> None:
        """End a session, if there is one."""
        if token is not None:
            self._sessions.pop(_kept_as(token), None)

    def _use(self, nonce: str) -> None:
        self._used[nonce] = self._now()
        while self._used and next(iter(self._used.values())) < self._now() - _CHALLENGE_S:
            self._used.popitem(last=False)

    def _mac(self, told: str, address: str) -> str:
        return hmac.new(self._key, f"{told}/{address}".encode(), hashlib.sha256).hexdigest()[:32]


def _kept_as(token: str) -> bytes:
    """Tokens are kept as digests: who reads this memory can't use them."""
    return hashlib.sha256(token.encode()).digest()
