"""What a gateway requests from the community's API. It checks every answer before it relies on it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any

from eth_utils.address import to_checksum_address

from api.protocol import json_text
from api.protocol.bounded_client import ApiRefused, BoundedHttpClient, Unreachable
from api.protocol.secure_sum import NONCE_BYTES, Kind, SumMessage, items_from_json
from rewards.signing import HeadPin, PinnedHead, SigningFacts

_DIGEST_BYTES = 32
MODEL_BYTES = 16 << 20
WEATHER_BYTES = 16 << 20


@dataclass(frozen=True)
class OfferedRound:
    """A published round, as reported by the API."""

    number: int
    digest: bytes


@dataclass(frozen=True)
class SumStatus:
    """The state of a masked sum, as reported by the API; `items`: what this home needs for its answer."""

    nonce: bytes
    members: tuple[str, ...]
    phase: str
    waiting_for: frozenset[str]
    items: dict[str, bytes] = field(repr=False)


class ApiClient:
    """The part of the API that a gateway uses. Every method raises Unreachable or ApiRefused."""

    def __init__(self, url: str, stop: threading.Event | None = None) -> None:
        self._http = BoundedHttpClient(url, stop)

    def newest_round(self) -> OfferedRound | None:
        """The last published round, if there is one."""
        try:
            published = [
                OfferedRound(_number(r["number"], 1, 1 << 32), _digest(r["digest"]))
                for r in self._json("GET", "/rounds")
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise Unreachable(f"the list of rounds is malformed: {error!r}") from error
        return max(published, key=lambda offered: offered.number, default=None)

    def weights(self, number: int) -> bytes:
        """The weights of a round's model, as the API gives them."""
        return self._http.ask("GET", f"/rounds/{number}/weights", limit=MODEL_BYTES)

    def weather(self) -> bytes:
        """The community's weather feed, as the API gives it."""
        return self._http.ask("GET", "/weather", limit=WEATHER_BYTES)

    def head_of(self, household: str, number: int) -> PinnedHead | None:
        """The personal head that a household has pinned to a round, or None."""
        try:
            answer = self._json("GET", f"/households/{household}/heads/{number}")
            return PinnedHead(_digest(answer["digest"]), _number(answer["pinned_at"], 1, 1 << 64))
        except ApiRefused as refused:
            if refused.code == "no-head":
                return None
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise Unreachable(f"the answer about the pinned head is malformed: {error!r}") from error

    def rewards_of(self, household: str) -> dict[str, Any]:
        """Tokens and record of a household, as the API tells everybody."""
        answer = self._json("GET", f"/households/{household}/rewards")
        if not isinstance(answer, dict):
            raise Unreachable("the API gives no tokens and record")
        return answer

    def pin_head(self, pin: HeadPin, transaction: str) -> None:
        """Submit the transaction that pins a household's personal head."""
        content = {"round": pin.round, "digest": "0x" + pin.digest.hex(), "transaction": transaction}
        self._http.ask("POST", "/heads", json.dumps(content).encode())

    def facts(self, household: str) -> SigningFacts:
        """What the household's next transaction must say."""
        answer = self._json("GET", f"/households/{household}/signing")
        try:
            return SigningFacts(
                _number(answer["chain_id"], 1, 1 << 64), to_checksum_address(answer["forecast_registry"]),
                _number(answer["nonce"], 0, 1 << 64), _number(answer["gas_price"], 0, 1 << 128),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise Unreachable(f"the answer about what to sign is malformed: {error!r}") from error

    def submit(self, bundle: bytes, transaction: str) -> None:
        """Submit a forecast's bundle with the transaction that registers it."""
        content = b'{"bundle":' + bundle + b',"transaction":' + json.dumps(transaction).encode() + b"}"
        self._http.ask("POST", "/forecasts", content)

    def claim(self, bundle: bytes) -> None:
        """Submit a claim."""
        self._http.ask("POST", "/claims", bundle)

    def sum_state(self, day: int, kind: Kind, home: str) -> SumStatus:
        """What a home is asked for in the masked sum of a day."""
        answer = self._json("GET", f"/sums/{day}/{kind}?home={home}")
        try:
            return SumStatus(
                _exactly(answer["nonce"], NONCE_BYTES), tuple(map(str, answer["members"])), str(answer["phase"]),
                frozenset(map(str, answer["waiting_for"])), items_from_json(answer["items"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unreachable(f"the state of the sum is malformed: {type(error).__name__}") from error

    def say(self, day: int, kind: Kind, message: SumMessage) -> None:
        """Send a message of a masked sum."""
        self._http.ask("POST", f"/sums/{day}/{kind}", json.dumps(message.to_json()).encode())

    def close(self) -> None:
        self._http.close()

    def _json(self, method: str, path: str) -> Any:
        try:
            return json_text.loads(self._http.ask(method, path))
        except ValueError as error:
            raise Unreachable(f"{path} did not answer in JSON: is gateway.api_url the community's API?") from error


def _number(value: object, least: int, end: int) -> int:
    number = int(str(value))
    if not least <= number < end:
        raise ValueError(f"{number} is out of range")
    return number


def _digest(value: object) -> bytes:
    return _exactly(value, _DIGEST_BYTES)


def _exactly(value: object, length: int) -> bytes:
    content = bytes.fromhex(str(value).removeprefix("0x"))
    if len(content) != length:
        raise ValueError(f"{value} does not have {length} bytes")
    return content
