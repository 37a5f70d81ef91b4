"""What an agent makes of a coordinator that does not let it in: the cause named, and what to do about it."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from flwr.app import ConfigRecord, Message, RecordDict

import fl.deployment.fleet_client
import fl.deployment.keys
import fl.deployment.request_gate
from bench.ports import free_port
from fl.deployment.fleet_client import ConnectionDown, FleetClient
from fl.deployment.fleet_server import FleetServer
from fl.deployment.keys import KeyFolder, load_agent_key, load_agent_list, load_authority, make_keys
from fl.deployment.signed_requests import SignedRequests
from fl.deployment.wire import SPOKEN, UPDATE_AGENT, UPDATE_COORDINATOR
from tests.support.waiting import until


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    make_keys(tmp_path, ["127.0.0.1"], ["ada", "bob"])
    return KeyFolder(tmp_path)


@pytest.fixture
def serve(keys: KeyFolder) -> Iterator[Callable[[FleetServer], int]]:
    """Serves a link over TLS until the test ends; the port."""
    ended: list[Callable[..., object]] = []

    def start(server: FleetServer) -> int:
        port = free_port()
        served = server.serve("127.0.0.1", port, keys.coordinator, keys.coordinator_key)
        served.__enter__()
        ended.append(partial(served.__exit__, None, None, None))
        return port

    yield start
    for end in ended:
        end()


def open_line(keys: KeyFolder, port: int, stop: threading.Event) -> FleetClient:
    """One of ada's."""
    key = load_agent_key(keys.agent_key("ada"))
    return FleetClient(f"127.0.0.1:{port}", key, _authority(keys), 10, stop, retry_max_s=0.05)


def reasons(keys: KeyFolder, port: int, caplog: pytest.LogCaptureFixture) -> tuple[FleetClient, str]:
    """A line that was tried and closed, and why it is down."""
    caplog.set_level(logging.INFO)
    stop = threading.Event()
    line = open_line(keys, port, stop)
    trying = threading.Thread(target=line.connect)
    trying.start()
    try:
        told = until(lambda: next((r for r in caplog.records if "connection to" in r.message), None), "a reason")
    finally:
        stop.set()
        trying.join()
        line.close()
    return line, str(told.__dict__["reason"])


def _authority(keys: KeyFolder) -> bytes:
    return load_authority(keys.directory)


def test_an_agent_that_is_let_in_knows_how_its_clock_is(keys: KeyFolder, serve: Callable[[FleetServer], int]) -> None:
    port = serve(FleetServer(load_agent_list(keys.directory)))
    stop = threading.Event()
    line = open_line(keys, port, stop)
    assert not line.up and line.connect() and line.up
    assert line.clock.ahead_s is not None and abs(line.clock.ahead_s) <= 5
    stop.set()
    line.close()


def test_a_message_whose_content_is_cut_off_is_asked_for_again(
    keys: KeyFolder, serve: Callable[[FleetServer], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coordinator tells of it once: it was lost before, and the round waited for the home to its time limit."""
    server = FleetServer(load_agent_list(keys.directory))
    port, stop = serve(server), threading.Event()
    line = FleetClient(f"127.0.0.1:{port}", load_agent_key(keys.agent_key("ada")), _authority(keys), 10, stop)
    assert line.connect()
    pull, failures = line._client.PullObject, iter([httpx.ConnectError("cut")])

    def cut_once(request: Any) -> Any:
        if failure := next(failures, None):
            raise failure
        return pull(request)

    monkeypatch.setattr(line._client, "PullObject", cut_once)
    with server.run() as grid:
        told = ConfigRecord({"told": "once"})
        sent = Message(RecordDict({"a": told}), dst_node_id=line.node_id, message_type="query.hello", ttl=600)
        assert len(list(grid.push_messages([sent]))) == 1
        with pytest.raises(ConnectionDown):
            line.receive()
        received = line.receive()
        assert received is not None and received.content.config_records["a"]["told"] == "once"
        assert line.receive() is None
    stop.set()
    line.close()


@pytest.mark.parametrize(("off", "said"), [(86_400, "ahead of"), (-86_400, "behind")])
def test_a_clock_that_is_wrong_by_a_day_is_named(
    keys: KeyFolder,
    serve: Callable[[FleetServer], int],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    off: int,
    said: str,
) -> None:
    port = serve(FleetServer(load_agent_list(keys.directory)))
    monkeypatch.setattr(
        fl.deployment.fleet_client, "SignedRequests", partial(SignedRequests, now=lambda: time.time() + off)
    )
    line, reason = reasons(keys, port, caplog)
    assert re.search(rf"clock .* 8(6399|6400|6401) s {said} the coordinator's .*set it$", reason)
    assert not line.up


def test_a_key_that_is_not_listed_is_named(
    keys: KeyFolder, serve: Callable[[FleetServer], int], caplog: pytest.LogCaptureFixture
) -> None:
    keys.agent_public("ada").unlink()
    _, reason = reasons(keys, serve(FleetServer(load_agent_list(keys.directory))), caplog)
    assert "no key for this home" in reason and "keys/agents" in reason


def test_a_certificate_that_has_ended_is_named_with_this_machines_time(
    keys: KeyFolder,
    serve: Callable[[FleetServer], int],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Past(fl.deployment.keys.datetime.datetime):  # type: ignore[misc, name-defined]
        @classmethod
        def now(cls, tz: object = None) -> Past:
            return super().now(tz) - timedelta(days=6 * 365)  # type: ignore[no-any-return]

    with monkeypatch.context() as patch:
        patch.setattr(fl.deployment.keys.datetime, "datetime", Past)
        fl.deployment.keys.renew_certificates(keys.directory)
    _, reason = reasons(keys, serve(FleetServer(load_agent_list(keys.directory))), caplog)
    assert "certificate has expired" in reason and "by this machine's clock it is" in reason
    assert "wattproof keys --renew" in reason


def test_no_coordinator_is_one_line_of_log(keys: KeyFolder, caplog: pytest.LogCaptureFixture) -> None:
    stop, tried = threading.Event(), []
    line = open_line(keys, free_port(), stop)
    failed = line.outage.failed
    line.outage.failed = lambda reason: tried.append(reason) or failed(reason)  # type: ignore[method-assign, func-returns-value]
    trying = threading.Thread(target=line.connect)
    trying.start()
    until(lambda: len(tried) > 4 or None, "five tries")
    stop.set()
    trying.join()
    assert "refused" in tried[0] and not line.up
    assert len([record for record in caplog.records if "connection to" in record.message]) == 1


def test_an_agent_without_keys_joins_a_coordinator_that_starts_after_it(keys: KeyFolder) -> None:
    """It registers itself, which it has to do with the coordinator that there is."""
    port, stop = free_port(), threading.Event()
    key = load_agent_key(keys.agent_key("ada"))
    line = FleetClient(f"127.0.0.1:{port}", key, None, 10, stop, retry_max_s=0.05)
    joined = threading.Thread(target=line.connect)
    joined.start()
    until(lambda: line.outage.active or None, "the first try has failed")
    with FleetServer(None).serve("127.0.0.1", port, None, None):
        until(lambda: line.up or None, "it is let in")
        stop.set()
        joined.join()
        line.close()


def test_an_agent_of_an_earlier_release_is_told_to_be_updated(
    keys: KeyFolder,
    serve: Callable[[FleetServer], int],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fl.deployment.request_gate, "SPOKEN", SPOKEN + 1)
    _, reason = reasons(keys, serve(FleetServer(load_agent_list(keys.directory))), caplog)
    assert reason == UPDATE_AGENT


@pytest.mark.parametrize("newer", [False, True])
def test_a_coordinator_of_an_earlier_release_is_named_and_served(
    newer: bool,
    keys: KeyFolder,
    serve: Callable[[FleetServer], int],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = serve(FleetServer(load_agent_list(keys.directory)))
    monkeypatch.setattr(fl.deployment.fleet_client, "SPOKEN", SPOKEN + newer)
    stop = threading.Event()
    line = open_line(keys, port, stop)
    assert line.connect()
    stop.set()
    line.close()
    told = [record for record in caplog.records if record.message == "the coordinator is of an earlier release"]
    assert len(told) == newer and all(record.__dict__["reason"] == UPDATE_COORDINATOR for record in told)
