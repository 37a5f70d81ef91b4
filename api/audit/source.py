"""Where an auditor gets a day's records: a community's server over HTTP, and its chain. Neither is trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import httpx
from eth_utils.address import to_checksum_address
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import HTTPError, Timeout
from web3.contract import Contract
from web3.exceptions import Web3Exception

from api.protocol import calls
from api.protocol.bounded_client import ApiRefused, BoundedHttpClient, Unreachable
from api.protocol.calls import Call, Listing, NotAsDocumented
from data.address import is_address
from data.day import DayClock
from data.failures import describe
from rewards.deploy import Contracts
from rewards.events import events
from rewards.signing import forecast_digest

_MOST_BYTES = 20_000_000
_MOST_PAGES = 1000
_T = TypeVar("_T")

Fetch = Callable[[str], bytes | None]
"""The answer to a path below /v1, such as /days, or to /health; None if the server has nothing there (404)."""


class AuditError(ValueError):
    """An audit that cannot continue: no server, or answers that are not of the documented form."""


def from_server(url: str) -> Fetch:
    """A source that reads a community's server. Raises AuditError for anything but an http(s) address."""
    if not is_address(url, "http", "https"):
        raise AuditError(f"{url!r} is not the address of a server: write it like http://127.0.0.1:8000")

    line = BoundedHttpClient(url)

    def fetch(path: str) -> bytes | None:
        versioned = path if path == calls.health().path else calls.VERSION + path
        try:
            return line.ask("GET", versioned, limit=_MOST_BYTES)
        except ApiRefused as refused:
            if refused.status == httpx.codes.NOT_FOUND:
                return None
            raise AuditError(f"{url} refused {path}: {refused.code}: {refused}") from None
        except Unreachable as problem:
            raise AuditError(f"{url} does not answer like a community's server: {problem}") from None

    return fetch


def read(fetch: Fetch, call: Call[_T]) -> _T | None:
    """The server's answer in its documented form; None if it has nothing. Raises AuditError for another form."""
    content = fetch(call.path.removeprefix(calls.VERSION))
    if content is None:
        return None
    try:
        return call.parse(content)
    except NotAsDocumented as problem:
        raise AuditError(str(problem)) from None


def read_all(fetch: Fetch, listing: Listing[_T]) -> list[_T] | None:
    """A list of the server's, page by page; None where it has none. Raises AuditError, also for one without end."""
    found = read(fetch, listing.page())
    page, pages = found, 1
    while found is not None and page and not listing.is_last(page):
        page = read(fetch, listing.page(listing.key(page[-1])))
        found, pages = found + (page or []), pages + 1
        if pages > _MOST_PAGES:
            raise AuditError(f"the server's list {listing.path} does not end")
    return found


def community_of(fetch: Fetch) -> str:
    """The community's name, as its server says. Raises AuditError."""
    health = read(fetch, calls.health())
    if health is None:
        raise AuditError("the server does not say which community it serves: name it with --community")
    return health.community


def clock_of(fetch: Fetch) -> DayClock:
    """The community's clock, as its server says, to know which day a date means. Raises AuditError."""
    health = read(fetch, calls.health())
    if health is None or health.day_start_utc is None:
        raise AuditError("the server does not say when its days start: name the day by its number")
    return DayClock(health.day_start_utc)


def days_there_are(fetch: Fetch) -> str:
    """A clause about the days that the server has community forecasts of. Raises AuditError."""
    days = sorted(read_all(fetch, calls.days()) or [])
    if not days:
        return "it has no community forecast of any day"
    health = read(fetch, calls.health())
    start = None if health is None else health.day_start_utc
    first, last = (
        f"day {day}{'' if start is None else f' ({DayClock(start).date_of(day)})'}" for day in (days[0], days[-1])
    )
    return f"its community forecasts are of {first}" + (f" to {last}" if len(days) > 1 else "")


Paid = dict[str, tuple[int, bytes]]
"""Buckets (of a green share percent) and proof hash of each claim, by household."""


class Registries(Protocol):
    """What was registered, according to the chain or to the server."""

    @property
    def source(self) -> str:
        """Where that is, as the end of a sentence."""

    def meter_of(self, household: str) -> str:
        """The household's meter; the zero address where it is not enrolled."""

    def meter_at(self, household: str, day: int) -> str:
        """The meter that was at a household on a day; the zero address for none."""

    def digest_of(self, round_number: int) -> bytes:
        """Digest of a round's weights; zeros where none is published."""

    def forecast_of(self, household: str, day: int) -> tuple[bytes, int, bytes]:
        """Commitment, round and proof hash of a registered forecast; an empty commitment where there is none."""

    def head_in_force(self, household: str, round_number: int, day: int) -> bytes:
        """Digest of the personal head that the household's forecast of a day is made with; zeros for none."""

    def registered_on(self, day: int) -> frozenset[str] | None:
        """All households with a registered forecast of the day; None if only the server could say."""

    def rewarded_on(self, day: int) -> Paid | None:
        """All paid claims of the day; None if only the server could say."""

    def green_hours_of(self, day: int) -> tuple[int, ...] | None:
        """Weights of the day's hours, none where nobody registered any; None if only the server could say."""

    def greens_on(self, day: int) -> Paid | None:
        """All green shares of the day that were taken and not struck out; None if only the server could say."""


class ChainRegistries:
    """The registries on the chain. Every method raises AuditError if they cannot be read."""

    source = "on the chain"

    def __init__(self, contracts: Contracts) -> None:
        self._forecasts, self._models = contracts.forecast_registry, contracts.model_registry
        self._rewards, self._green, self._since = contracts.rewards, contracts.green_share, contracts.block
        self._paid: dict[int, Paid] = {}
        self._shares: dict[int, Paid] = {}

    def meter_of(self, household: str) -> str:
        return str(to_checksum_address(_asked(self._forecasts, "meter_of", household)))

    def meter_at(self, household: str, day: int) -> str:
        """The meter that was at a household on a day, also of one that has left since; the empty address: none."""
        return str(to_checksum_address(_asked(self._forecasts, "meter_at", household, day)))

    def digest_of(self, round_number: int) -> bytes:
        return bytes(_asked(self._models, "digest_of", round_number))

    def forecast_of(self, household: str, day: int) -> tuple[bytes, int, bytes]:
        kept = bytes(_asked(self._forecasts, "forecast_of", household, day))
        for event in _events(self._forecasts, "Committed", day, self._since):
            commitment, number, proof_hash = (event[name] for name in ("commitment", "round", "proof_hash"))
            if event["household"] == household and forecast_digest(commitment, number, proof_hash) == kept:
                return bytes(commitment), int(number), bytes(proof_hash)
        return b"", 0, bytes(32)

    def head_in_force(self, household: str, round_number: int, day: int) -> bytes:
        return bytes(_asked(self._forecasts, "head_in_force", household, round_number, day))

    def registered_on(self, day: int) -> frozenset[str] | None:
        found = _events(self._forecasts, "Committed", day, self._since)
        return frozenset(str(event["household"]) for event in found)

    def rewarded_on(self, day: int) -> Paid | None:
        if day not in self._paid:
            events = _events(self._rewards, "Claimed", day, self._since)
            self._paid[day] = {str(e["household"]): (int(e["buckets"]), bytes(e["proof_hash"])) for e in events}
        return self._paid[day]

    def green_hours_of(self, day: int) -> tuple[int, ...] | None:
        weights = bytes(24) if self._green is None else bytes(_asked(self._green, "weights_of", day))
        return tuple(weights) if any(weights) else ()

    def greens_on(self, day: int) -> Paid | None:
        if day not in self._shares:
            self._shares[day] = {}
            if self._green is not None:
                taken = _events(self._green, "GreenClaimed", day, self._since)
                gone = {str(e["household"]) for e in _events(self._green, "GreenStruckOut", day, self._since)}
                self._shares[day] = {
                    str(e["household"]): (int(e["tier"]), bytes(e["proof_hash"]))
                    for e in taken
                    if str(e["household"]) not in gone
                }
        return self._shares[day]


def _asked(registry: Contract, name: str, *arguments: str | int) -> Any:
    with _answering(f"{name}({', '.join(map(str, arguments))})", registry):
        return registry.functions[name](*arguments).call()


def _events(registry: Contract, name: str, day: int, since: int) -> list[Any]:
    """Arguments of all events of a day that the registry has logged."""
    with _answering(f"its events {name} of day {day}", registry):
        return list(events(registry, name, since, {"day": day}))


@contextmanager
def _answering(asked: str, registry: Contract) -> Iterator[None]:
    """Turns what web3 raises into AuditError."""
    try:
        yield
    except (RequestsConnectionError, Timeout) as error:
        raise AuditError(
            f"the chain node does not answer: start it, or correct --rpc-url ({describe(error)})"
        ) from error
    except (Web3Exception, HTTPError) as error:
        raise AuditError(
            f"the chain does not know {asked}: is {registry.address} the community's registry, and does it keep "
            f"the whole chain? Check --contracts and --rpc-url ({type(error).__name__})"
        ) from error
