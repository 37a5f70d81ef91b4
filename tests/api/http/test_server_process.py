"""`wattproof serve` as a process, and what no request may do to it: end it, hold it up, outlive it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from bench.ports import free_port
from tests.api.conftest import DAY, Moment, Village, build, small_config
from tests.api.http_fixture import until
from tests.support.shared import built_once

pytestmark = pytest.mark.process
START_S = 600
SERVE = """
import wattproof
from api.http import listener
listener._STOP_S = 1  # for requests that are under way: not 25 s, which a test would wait for
wattproof.main()
"""


class Server:
    """The village's server on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.port, self.log = free_port(), folder / "log"
        settings = small_config(folder).model_dump(mode="json", exclude_none=True)
        settings["api"]["port"] = self.port
        (folder / "community.yaml").write_text(yaml.safe_dump(settings))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE, "serve", "-c", str(folder / "community.yaml")], stdout=log, stderr=log,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
            )  # fmt: skip
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=120)
        until(self.is_ready, self.log.read_text)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.client.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def workers(self) -> list[int]:
        """The processes below it."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [int(line) for line in found.stdout.split()]

    def close(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True)
class Killed:
    """What a server had been sent and had answered when it was killed, in the midst of the last of three requests."""

    folder: Path
    bodies: list[dict[str, Any]]
    told: list[httpx.Response]
    workers: list[int]


@pytest.fixture(scope="module")
def killed(built: Village, before: Moment, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    before.bring_back(built)
    # Not the village's own folder: its journal keeps what other tests did, and undid on the chain alone.
    folder = built_once(tmp_path_factory, "village", build)
    bodies = [
        {"bundle": bundle.model_dump(), "transaction": built.transaction(home.wallet, bundle)}
        for home in built.homes
        for bundle in [built.bundle(home)]
    ]
    server = Server(folder)
    try:
        told = [server.client.post("/v1/forecasts", json=body) for body in bodies[:2]]
        workers = server.workers()
        with ThreadPoolExecutor(1) as pool, suppress(httpx.TransportError):
            under_way = pool.submit(server.client.post, "/v1/forecasts", json=bodies[2])
            server.process.send_signal(signal.SIGKILL)
            under_way.result()
    finally:
        server.close()
    return Killed(folder, bodies, told, workers)


@pytest.fixture(scope="module")
def server(killed: Killed) -> Iterator[Server]:
    """The server that follows; the last test ends it."""
    made = Server(killed.folder)
    yield made
    made.close()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_when_it_ends_nothing_is_left(killed: Killed) -> None:
    assert killed.workers, "the processes that check proofs"
    until(lambda: not any(map(_runs, killed.workers)), lambda: f"{killed.workers} outlive their server")


def test_what_was_answered_is_there_after_a_kill_and_nothing_is_there_twice(killed: Killed, server: Server) -> None:
    """Two forecasts are acknowledged, a third is under way; whoever asks again gets the first answer."""
    assert [answer.status_code for answer in killed.told] == [201, 201]
    repeated = [server.client.post("/v1/forecasts", json=body) for body in killed.bodies]
    assert [answer.json() for answer in repeated[:2]] == [answer.json() for answer in killed.told]
    assert [answer.status_code for answer in repeated[:2]] == [200, 200]
    assert repeated[2].status_code in (200, 201)
    assert len(server.client.get(f"/v1/forecasts/{DAY}").json()) == 3


def test_no_body_ends_it(server: Server) -> None:
    """80,000 open brackets did, on every route with a body, for the parser recurses on the C stack."""
    paths = server.client.get("/openapi.json").json()["paths"]
    routes = [
        path.format(day=1, kind="forecast", address="0x" + "11" * 20, period="2026-10")
        for path, item in paths.items()
        if "post" in item
    ]
    assert len(routes) >= 5
    for path in routes:
        for body in (b"[" * 80_000, b'{"a":' * 60_000):
            answer = server.client.post(path, content=body, headers={"content-type": "application/json"})
            assert (answer.status_code, answer.json()["error"]) == (400, "too-deep")
    assert server.is_ready()


def test_it_stops_when_told_though_somebody_is_in_the_middle_of_a_request(server: Server) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port))) as slow:
        slow.sendall(b"POST /heads HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        assert server.is_ready()
        workers = server.workers()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(START_S)
    assert workers
    until(lambda: not any(map(_runs, workers)), lambda: f"{workers} outlive their server")
