"""What a gateway requests from the community's API. It checks every answer before it relies on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from eth_utils.address import to_checksum_address

from api.protocol import calls
from api.protocol.bounded_client import ApiRefused, Unreachable
from api.protocol.client import Client
from api.protocol.schemas import OpenPeriodPublic
from api.protocol.secure_sum import NONCE_BYTES, Kind, SumMessage, items_from_json
from data.interval import IntervalMinutes, interval_of
from data.quantity import Quantity
from rewards.consent import MembershipFacts, SignedStatement
from rewards.signing import HeadPin, PinnedHead, SigningFacts

_DIGEST_BYTES, _DAY_HOURS = 32, 24


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
    classes: tuple[int, ...] = ()
    interval: IntervalMinutes = 60


class ApiClient:
    """The part of the API that a gateway uses (`api.protocol.calls`). Methods raise Unreachable or ApiRefused."""

    def __init__(self, url: str, stop: threading.Event | None = None) -> None:
        self._ask = Client(url, stop)

    def newest_round(self, quantity: Quantity = "load") -> OfferedRound | None:
        """The last published round of models of a quantity, if there is one."""
        with _well_formed("the list of rounds"):
            try:
                rounds = list(self._ask.all(calls.rounds() if quantity == "load" else calls.export_rounds()))
            except ApiRefused as refused:
                if quantity != "load" and refused.code == "not-found":  # a server of an earlier release
                    return None
                raise
            told = [OfferedRound(_number(one.number, 1, 1 << 32), _digest(one.digest)) for one in rounds]
        return max(told, key=lambda offered: offered.number, default=None)

    def weights(self, number: int, quantity: Quantity = "load") -> bytes:
        """The weights of a round's model, as the API gives them."""
        return self._ask(calls.round_weights(number) if quantity == "load" else calls.export_weights(number))

    def chain_time(self) -> int:
        """The time of the community's chain, UTC seconds."""
        return self._ask(calls.health()).chain_time

    def weather(self) -> bytes:
        """The community's weather feed, as the API gives it."""
        return self._ask(calls.weather())

    def head_of(self, household: str, number: int) -> PinnedHead | None:
        """The personal head that a household has pinned to a round, or None."""
        try:
            told = self._ask(calls.pinned_head(household, number))
        except ApiRefused as refused:
            if refused.code == "no-head":
                return None
            raise
        return PinnedHead(_digest(told.digest), told.pinned_at)

    def rewards_of(self, household: str) -> dict[str, Any]:
        """Tokens and record of a household, as the API tells everybody."""
        return self._ask(calls.holdings(household)).model_dump()

    def pin_head(self, pin: HeadPin, transaction: str) -> None:
        """Submit the transaction that pins a household's personal head."""
        self._ask.send(calls.pin_head(pin.round, pin.digest, transaction))

    def facts(self, household: str) -> SigningFacts:
        """What the household's next transaction must say."""
        told = self._ask(calls.signing(household))
        return SigningFacts(told.chain_id, to_checksum_address(told.forecast_registry), told.nonce, told.gas_price)

    def membership(self, household: str) -> MembershipFacts:
        """Where the household stands, and what its next statement must name."""
        told = self._ask(calls.membership(household))
        return MembershipFacts(
            told.chain_id, to_checksum_address(told.forecast_registry), to_checksum_address(told.household_nft),
            told.nonce, told.chain_time, told.state, told.has_record,
        )  # fmt: skip

    def state(self, signed: SignedStatement) -> None:
        """Submit a household's signed statement."""
        self._ask.send(calls.state_membership(signed.household, signed.says, signed.deadline, signed.signature))

    def submit(self, bundle: bytes, transaction: str) -> None:
        """Submit a forecast's bundle with the transaction that registers it."""
        self._ask.send(calls.submit_forecast(bundle, transaction))

    def export(self, bundle: bytes) -> None:
        """Submit a forecast of export."""
        self._ask.send(calls.submit_export(bundle))

    def claim(self, bundle: bytes) -> None:
        """Submit a claim."""
        self._ask.send(calls.submit_claim(bundle))

    def green_hours(self, day: int) -> tuple[int, ...] | None:
        """How green each of a day's 24 hours is, from 0 to 255; None where nobody has said so."""
        try:
            told = self._ask(calls.green_hours(day))
        except ApiRefused as refused:
            if refused.code == "no-green-hours":
                return None
            raise
        with _well_formed("the green hours"):
            weights = tuple(_number(weight, 0, 1 << 8) for weight in told.weights)
            if len(weights) != _DAY_HOURS:
                raise ValueError("a day has 24 hours")
            return weights

    def green_share(self, bundle: bytes) -> None:
        """Submit a green share."""
        self._ask.send(calls.submit_green_share(bundle))

    def newest_surplus_day(self) -> int | None:
        """The newest day of which the surplus hours are known, if there is one."""
        return max(self._ask.all(calls.surplus_days()), default=None)

    def surplus_file(self, day: int) -> bytes:
        """A day's surplus hours with every proof behind them; whoever shows them checks it first."""
        return self._ask(calls.surplus_file(day))

    def sum_state(self, day: int, kind: Kind, home: str) -> SumStatus:
        """What a home is asked for in the masked sum of a day."""
        answer = self._ask(calls.sum_state(day, kind, home))
        with _well_formed("the state of the sum"):
            return SumStatus(
                _exactly(answer["nonce"], NONCE_BYTES), tuple(map(str, answer["members"])), str(answer["phase"]),
                frozenset(map(str, answer["waiting_for"])), items_from_json(answer["items"]),
                tuple(map(int, answer.get("classes", ()))), interval_of(int(answer.get("interval_minutes", 60))),
            )  # fmt: skip

    def say(self, day: int, kind: Kind, message: SumMessage) -> None:
        """Send a message of a masked sum."""
        self._ask.send(calls.sum_message(day, kind, message.to_json()))

    def open_periods(self) -> list[OpenPeriodPublic]:
        """The periods that members prove their shares of."""
        return self._ask(calls.open_periods())

    def period_terms(self, period: str) -> bytes:
        """What a period's shares are proven of; whoever proves checks it first."""
        return self._ask(calls.period_terms(period))

    def share_path(self, period: str, leaf: str) -> tuple[bytes, list[bytes]] | None:
        """The root of a settled period, and the path of a share to it; None where the share is not under it."""
        try:
            told = self._ask(calls.share_path(period, leaf))
        except ApiRefused as refused:
            if refused.code == "no-share":
                return None
            raise
        with _well_formed("the path of a share"):
            return _digest(told.root), [_digest(node) for node in told.path]

    def post_shares(self, period: str, shares: bytes) -> None:
        """Submit the household's shares of a period."""
        self._ask.send(calls.post_shares(period, shares))

    def close(self) -> None:
        self._ask.close()


@contextmanager
def _well_formed(what: str) -> Iterator[None]:
    """An answer of another form is of no use at present."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreachable(f"{what} is malformed: {type(error).__name__}") from error


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
