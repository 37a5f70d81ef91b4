"""The server's port: had before anything else is done, and refused in a line that says what to do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from api.http.listener import PortRefused, bound
from bench.ports import free_port
from tests.support.waiting import LIMIT_S


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("192.0.2.1", "this machine has no such address: set api.host to one that it has"),
        ("no.such.host.invalid", "api.host is neither an address nor a known name"),
    ],
)
def test_an_address_that_cannot_be_had_is_said_with_the_setting(host: str, told: str) -> None:
    with pytest.raises(PortRefused, match=f"cannot listen on {host}, port 8000: {told}"):
        bound(host, 8000)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_bound_port_answers_nobody_until_it_is_served(host: str) -> None:
    port = free_port()
    with bound(host, port), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=20)


def test_a_port_that_was_left_a_moment_ago_can_be_had() -> None:
    port = free_port()
    with closing(bound("127.0.0.1", port)) as listener:
        listener.listen()
        with socket.create_connection(("127.0.0.1", port)) as caller:
            taken, _ = listener.accept()
            taken.close()  # first, so that the connection stays with this side for a while
            assert caller.recv(1) == b""
    bound("127.0.0.1", port).close()


@pytest.mark.process
def test_a_busy_port_ends_serve_at_once_before_anything_is_deployed(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        (tmp_path / "community.yaml").write_text(
            f"community: {{name: Elm Street}}\ndata: {{source: none}}\napi: {{port: {port}}}\n"
        )
        done = subprocess.run(
            [sys.executable, "-m", "wattproof", "serve", "-c", "community.yaml"], cwd=tmp_path,
            capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        )  # fmt: skip
    told = " ".join(done.stderr.split())
    assert done.returncode == 1 and "http://" not in done.stdout
    assert told == (
        f"Error: cannot listen on 127.0.0.1, port {port}: another program is listening there: stop it, "
        "or set api.port to another port"
    )
    assert not (tmp_path / "state" / "chain.jsonl").exists(), "nothing was deployed"


_AT_THE_START = """
import signal
import uvicorn
from fastapi import FastAPI
from api.http.listener import bound, serve
from types import SimpleNamespace

class Early(uvicorn.Config):
    def get_loop_factory(self):
        signal.raise_signal(signal.SIGINT)
        return super().get_loop_factory()

uvicorn.Config = Early
app = FastAPI()
app.state.events = SimpleNamespace(end=lambda: print("told", flush=True))
try:
    serve(app, bound("127.0.0.1", 0))
except KeyboardInterrupt:
    print("ended")
"""


@pytest.mark.process
def test_ctrl_c_before_the_server_runs_ends_it_as_later_ones_do(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(_AT_THE_START)
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, check=False, timeout=LIMIT_S,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("told\nended\n", "")
