"""An MQTT broker of the tests' own, from Debian's package, that is gone afterwards."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.needed import is_missing
from tests.support.waiting import until

LOGIN = "elm:correct horse"
"""Of the broker's only user."""


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def broker() -> Iterator[str]:
    """The host:port of a broker while the block runs."""
    with broker_process() as (address, _):
        yield address


@contextmanager
def broker_process() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The host:port of a broker, and its process."""
    program = shutil.which("mosquitto") or ("/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else None)
    if program is None or shutil.which("mosquitto_passwd") is None:
        is_missing("there is no MQTT broker", "apt-get install mosquitto")
    folder, port = Path(tempfile.mkdtemp(prefix="wp-mqtt-", dir="/tmp")), _free_port()
    try:
        user, _, password = LOGIN.partition(":")
        users = folder / "users"
        users.touch(0o644)
        subprocess.run(["mosquitto_passwd", "-b", users, user, password], check=True, capture_output=True)
        folder.chmod(0o755)
        users.chmod(0o644)
        settings = folder / "mosquitto.conf"
        settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {users}\n")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([program, "-c", settings], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until(lambda: _answers(port), (folder / "log").read_text)
            yield f"127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
