"""Traces: when each step of a home's day happened, from its readings to its reward, on gateway, server and chain; of
a round of a training, on coordinator and gateways; of an epoch of one without a server, on a gateway; of a settled
period, on gateways, server and chain.

Off unless an endpoint is set (`api.config.traced`): then `api.config.otlp` sends them there. Without one nothing of
OpenTelemetry is loaded. A span has a fixed name, the attributes of `ATTRIBUTES`, and what its trace is about (of a
day the household's public address): no reading, no key, no name of a home, no text of an error.

All spans of a home's day are of one trace, whose id everybody who knows household and day can derive; the same holds
for rounds and periods. So a trace goes on after a restart, weeks later, and where nobody has handed it over.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256

ATTRIBUTES = frozenset({"round", "transaction", "kind", "homes", "left_out"})
"""What a span says beside what its trace is about."""
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_current: ContextVar[str] = ContextVar("traceparent", default="")


@dataclass(frozen=True)
class Subject(ABC):
    """What a trace is about. `community`: its identifier."""

    community: bytes

    @property
    @abstractmethod
    def named(self) -> bytes:
        """What of a community it is, as no other subject is named."""

    @property
    @abstractmethod
    def attributes(self) -> dict[str, str | int]:
        """What each of its spans says of it."""

    @property
    def ids(self) -> tuple[int, int]:
        """Of the trace (128 bits), and of its first span (64 bits); never zero."""
        digest = sha256(b"wattproof/trace/1" + self.community + self.named).digest()
        return int.from_bytes(digest[:16], "big") or 1, int.from_bytes(digest[16:24], "big") or 1

    def parent_in(self, traceparent: str) -> int:
        """The span that a W3C traceparent names, if it is of this trace; else the first one, whatever the text is."""
        trace, first = self.ids
        found = _TRACEPARENT.fullmatch(traceparent)
        named = int(found[2], 16) if found and int(found[1], 16) == trace else 0
        return named or first


@dataclass(frozen=True)
class HomeDay(Subject):
    """`household`: its address."""

    household: str
    day: int

    @property
    def named(self) -> bytes:
        return bytes.fromhex(self.household.removeprefix("0x")) + self.day.to_bytes(8, "big")

    @property
    def attributes(self) -> dict[str, str | int]:
        return {"household": self.household, "day": self.day}


@dataclass(frozen=True)
class TrainingRound(Subject):
    """A round of a training. `quantity`: that its model forecasts."""

    quantity: str
    number: int

    @property
    def named(self) -> bytes:
        return b"round" + self.quantity.encode() + self.number.to_bytes(8, "big")

    @property
    def attributes(self) -> dict[str, str | int]:
        return {"quantity": self.quantity, "round": self.number}


@dataclass(frozen=True)
class GossipEpoch(Subject):
    """What one member does in an epoch of a training without a server. `registry`, `household`: addresses of the
    training's contract and of the member's wallet."""

    registry: str
    household: str
    number: int

    @property
    def named(self) -> bytes:
        members = (bytes.fromhex(address.removeprefix("0x")) for address in (self.registry, self.household))
        return b"gossip" + b"".join(members) + self.number.to_bytes(8, "big")

    @property
    def attributes(self) -> dict[str, str | int]:
        return {"household": self.household, "epoch": self.number}


@dataclass(frozen=True)
class SettledPeriod(Subject):
    """A period of shared energy, by its first and last day."""

    first: int
    last: int

    @property
    def named(self) -> bytes:
        return b"period" + self.first.to_bytes(8, "big") + self.last.to_bytes(8, "big")

    @property
    def attributes(self) -> dict[str, str | int]:
        return {"first_day": self.first, "last_day": self.last}


class Span:
    """A step while it is done; of one that is not traced."""

    traceparent = ""

    def set(self, **attributes: str | int) -> None:
        """Add attributes of `ATTRIBUTES`."""


class Tracer:
    """Traces nothing."""

    is_on = False

    @contextmanager
    def step(self, name: str, of: Subject, parent: str = "", **attributes: str | int) -> Iterator[Span]:
        """A step that the block does. Its parent is that of `parent` (a traceparent), of the step around it, or the
        first span of the trace. An error is told by its code, or its kind."""
        yield Span()

    def past(
        self, name: str, of: Subject, began_ns: int, ended_ns: int, *, first: bool = False, **attributes: str | int
    ) -> None:
        """A step that is over. `first`: the one that all others are below."""

    def close(self) -> None:
        """Send what is not sent yet."""


_installed: list[Tracer] = [Tracer()]


def tracer() -> Tracer:
    """The one of this process."""
    return _installed[-1]


@contextmanager
def installed(made: Tracer) -> Iterator[None]:
    """`made` is the tracer of this process while the block runs."""
    _installed.append(made)
    try:
        yield
    finally:
        _installed.remove(made)
        made.close()


def current_traceparent() -> str:
    """Of the step that is being done, for a request's header; empty without one."""
    return _current.get()


@contextmanager
def as_current(traceparent: str) -> Iterator[None]:
    """Requests in the block are part of this span."""
    token = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(token)
