"""A day of a home as one trace, across gateway, server and chain, as processes: each sends its spans to a collector
of its own, and neither tells one anything but what is public."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from api.config.tracing import HomeDay
from tests.api.http_fixture import GATEWAY, HOME, SERVER, HttpFixture
from tests.support.otlp_receiver import Receiver, SeenSpan, otlp_receiver

pytestmark = pytest.mark.process
DAY, CLAIM_DAYS = 20_500, 14


@pytest.fixture
def collectors() -> Iterator[dict[str, Receiver]]:
    with otlp_receiver() as at_home, otlp_receiver() as at_server:
        yield {GATEWAY: at_home, SERVER: at_server}


@pytest.fixture
def deployment(tmp_path: Path, collectors: dict[str, Receiver]) -> Iterator[HttpFixture]:
    made = HttpFixture(tmp_path, DAY, collectors={name: receiver.url for name, receiver in collectors.items()})
    made.save_round(1, seed=7)
    made.write_server(green_hours=True)
    try:
        yield made
    finally:
        made.stop()


def live_the_day(deployment: HttpFixture) -> None:
    """From its readings to its payment, two weeks later, by a server that was started anew."""
    deployment.serve()
    deployment.start_gateway()
    deployment.wait(GATEWAY, "submitted", kind="forecast", day=DAY)
    deployment.set_clock(DAY + 1, 60)
    deployment.measure(DAY)
    deployment.wait(GATEWAY, "submitted", kind="claim", day=DAY)
    deployment.wait(GATEWAY, "submitted", kind="green", day=DAY)
    deployment.end(GATEWAY, signal.SIGTERM)
    deployment.set_clock(DAY + 2 + CLAIM_DAYS, 0)
    deployment.end(SERVER, signal.SIGTERM)
    deployment.serve()
    deployment.wait(SERVER, "green day paid", day=DAY)
    deployment.end(SERVER, signal.SIGTERM)


def test_a_day_is_one_trace_from_its_readings_to_its_payment(
    deployment: HttpFixture, collectors: dict[str, Receiver]
) -> None:
    live_the_day(deployment)
    home = deployment.home
    of = HomeDay(bytes.fromhex(deployment.proof(DAY).context.community[2:]), home.wallet.address, DAY)
    trace, first = (f"{number:0{size}x}" for number, size in zip(of.ids, (32, 16), strict=True))
    spans = {
        (name, span.name): span
        for name, receiver in collectors.items()
        for span in receiver.spans
        if span.trace == trace and not span.failed
    }
    by_gateway, by_server = ({k[1]: s for k, s in spans.items() if k[0] == name} for name in (GATEWAY, SERVER))

    begun = ["readings imported", "sign readings", "compute forecast", "prove forecast", "seal forecast"]
    later = ["submit forecast", "prove skill", "submit claim", "prove green share", "submit green"]
    assert [*begun, *later] == _in_order(by_gateway.values())
    assert {span.service for span in by_gateway.values()} == {"wattproof-gateway"}
    assert {span.service for span in by_server.values()} == {"wattproof-server"}
    assert (by_gateway["readings imported"].span, by_gateway["readings imported"].parent) == (first, "")
    assert all(span.parent == first for name, span in by_gateway.items() if name != "readings imported")

    for kind, taken, proof, written in (
        ("forecast", "take forecast", "check forecast proof", "register on chain"),
        ("claim", "take claim", "check skill proof", "claim on chain"),
        ("green", "take green share", "check green proof", "green share on chain"),
    ):
        submitted = by_gateway[f"submit {kind}"]
        assert by_server[taken].parent == submitted.span, "the request brings the gateway's span along"
        assert by_server[proof].parent == by_server[written].parent == by_server[taken].span
        assert submitted.began_ns <= by_server[taken].began_ns and by_server[taken].ended_ns <= submitted.ended_ns
    assert by_server["pay on chain"].parent == by_server["final on chain"].parent == first
    assert by_server["pay green share on chain"].parent == first

    on_chain = {
        span.attributes["wattproof.transaction"]
        for name, span in by_server.items()
        if "chain" in name and name != "final on chain"
    }
    assert len(on_chain) == 5 and all(re.fullmatch("(0x[0-9a-f]{64} ?)+", str(told)) for told in on_chain)
    registered = by_server["register on chain"].attributes["wattproof.transaction"]
    transaction = deployment.submission("forecast", DAY).transaction
    assert transaction is not None and registered == _hash(transaction)
    for receiver in collectors.values():
        _tells_nothing_private(deployment, receiver)


def _in_order(spans: Iterable[SeenSpan]) -> list[str]:
    return [span.name for span in sorted(spans, key=lambda span: (span.began_ns, span.ended_ns))]


def _hash(transaction: str) -> str:
    return "0x" + keccak(bytes.fromhex(transaction[2:])).hex()


def _tells_nothing_private(deployment: HttpFixture, receiver: Receiver) -> None:
    """Neither a home's name, nor keys, blindings, readings or forecasts, as text or as bytes."""
    home = deployment.home
    planted = {HOME, "Elm Street", str(deployment.folder)}
    for file in home.folder.glob("*.key"):
        planted.add(file.read_text().strip())
    blindings, values = [], set(deployment.readings["y"].tolist())
    for day in home.vault.days(home.wallet.address):
        _, opening = home.vault.get(home.wallet.address, day)
        blindings.append(opening.blinding)
    sealed = home.sealed(DAY)
    assert sealed is not None
    blindings.append(sealed.blinding)
    values |= set(sealed.values)
    planted |= {form for b in blindings for form in (str(b), f"{b:x}")}
    raw = [text.encode() for text in planted] + [b.to_bytes(32, "big") for b in blindings]
    raw += [bytes.fromhex(text.removeprefix("0x")) for text in planted if re.fullmatch("(0x)?[0-9a-f]{64}", text)]
    assert len(raw) > 40
    assert not [secret for body in receiver.bodies for secret in raw if secret in body]
    told = [str(value) for span in receiver.spans for value in (span.name, *span.attributes.values())]
    tokens = {token for text in told for token in re.findall(r"\w+", text)} - {str(DAY), str(DAY + 1), "1"}
    assert tokens and not tokens & {str(value) for value in values}
