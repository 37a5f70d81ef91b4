"""A broker that accepts, refuses, keeps silent, goes away or does not acknowledge: each is told as what it is."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.config.settings import HomeAssistantSettings
from api.gateway.home_sensors import publish
from data.errors import SourceError
from data.sources.broker import Broker, Message
from data.sources.mqtt import Mqtt
from data.sources.settings import LiveSettings
from tests.support.mosquitto import LOGIN, broker_process

MESSAGES = [Message("wattproof/elm-3/state", "{}")]
pytestmark = pytest.mark.process


@contextmanager
def silent() -> Iterator[str]:
    """The host:port of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def at(address: str, secret_file: Path | None = None, *, tls: bool = False) -> Broker:
    host, _, port = address.partition(":")
    return Broker("data.live.address", host, int(port), secret_file, tls)


def reading(address: str) -> None:
    with at(address).connected(["meter/total"], answer_s=0.2):
        pytest.fail("nothing has accepted the connection")


def publishing(address: str) -> None:
    publish(HomeAssistantSettings(broker=address), MESSAGES, answer_s=0.2)


@pytest.mark.parametrize("use", [reading, publishing])
def test_a_broker_that_does_not_answer_has_not_refused_the_login(use: Callable[[str], None]) -> None:
    with silent() as address, pytest.raises(SourceError, match="did not answer") as told:
        use(address)
    assert "login" not in str(told.value)


def test_what_a_broker_refuses_or_loses_is_told(tmp_path: Path) -> None:
    login = tmp_path / "login"
    with broker_process() as (address, process):
        login.write_text("elm:wrong horse")
        with (
            pytest.raises(SourceError, match=r"\(data\.live\.address\) refused the login") as refused,
            at(address, login).connected(),
        ):
            pytest.fail("a wrong password was accepted")
        assert "wrong horse" not in f"{refused.value}{at(address, login)!r}"
        login.write_text(LOGIN)
        with pytest.raises(SourceError, match="speaks no TLS"), at(address, login, tls=True).connected():
            pytest.fail("it speaks no TLS")

        with at(address, login).connected() as connection:
            connection.publish(MESSAGES)
            process.send_signal(signal.SIGSTOP)
            try:
                with pytest.raises(SourceError, match="did not acknowledge 2 of 2 messages"):
                    connection.publish(MESSAGES * 2, answer_s=0.2)
            finally:
                process.send_signal(signal.SIGCONT)

        wanted = LiveSettings(source="mqtt", address=address, secret_file=login, options={"topic": "meter/total"})
        with at(address, login).connected(["meter/total"]) as connection:
            process.terminate()
            with pytest.raises(SourceError, match="closed the connection"):
                next(connection.messages(60, "passed on nothing"))
    with pytest.raises(SourceError, match="can't be reached"):
        Mqtt(wanted).poll(None)
