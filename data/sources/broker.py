"""An MQTT broker of the household's: one way to connect, read and publish (paho-mqtt).

A connection counts once the broker has accepted it, and a message once it has been acknowledged; anything else is a
SourceError that says which of the two failed.
"""

from __future__ import annotations

import queue
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import SourceError
from data.sources.source import read_secret

if TYPE_CHECKING:
    from paho.mqtt.client import Client

ANSWER_S = 15.0
"""How long a broker may take to accept a connection, or to acknowledge messages."""
_LOGIN_REFUSED = (134, 135)  # bad user name or password, not authorised (MQTT 5.0, table 2-6; 4 and 5 in MQTT 3.1.1)


@dataclass(frozen=True)
class Message:
    """A retained MQTT message."""

    topic: str
    payload: str


@dataclass(frozen=True)
class Broker:
    """Where a broker is, and how to log in there. `setting` names it in messages.

    Raises SourceError for a secret file that can't be read.
    """

    setting: str
    host: str
    port: int
    secret_file: Path | None = None
    tls: bool = False
    login: tuple[str, str] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        login = None
        if self.secret_file is not None:
            user, _, password = read_secret(self.secret_file).partition(":")
            login = user, password
        object.__setattr__(self, "login", login)

    def __str__(self) -> str:
        return f"the broker at {self.host}:{self.port} ({self.setting})"

    @contextmanager
    def connected(self, topics: Iterable[str] = (), answer_s: float = ANSWER_S) -> Iterator[Connection]:
        """A connection that the broker has accepted, and that receives these topics.

        Raises SourceError where it can't be reached, does not answer within `answer_s`, refuses the login, or has
        other TLS than expected.
        """
        client, inbox = self._client(), queue.Queue[_Event]()
        wanted = [(topic, 1) for topic in topics]

        def accepted(_client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            if reason.is_failure:
                refused = "refused the login: check the secret file" if reason.value in _LOGIN_REFUSED else None
                inbox.put(_Failure(refused or f"refused the connection: {str(reason).lower()}"))
                return
            if wanted:
                client.subscribe(wanted)
            inbox.put(None)

        def subscribed(_client: Client, _data: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
            if any(reason.is_failure for reason in reasons):
                inbox.put(_Failure("does not let this login read " + ", ".join(topic for topic, _ in wanted)))

        def came(_client: Client, _data: Any, message: Any) -> None:
            if not message.retain:
                inbox.put((message.topic, bytes(message.payload)))

        def lost(*_: Any) -> None:
            inbox.put(_Failure("closed the connection"))

        client.on_connect, client.on_subscribe, client.on_message, client.on_disconnect = (
            accepted,
            subscribed,
            came,
            lost,
        )
        connection = Connection(self, client, inbox)
        self._reach(client)
        client.loop_start()
        try:
            connection.next_event(answer_s, f"did not answer within {answer_s:.0f} s: does MQTT run there, and TLS?")
            yield connection
        finally:
            client.disconnect()
            client.loop_stop()

    def _client(self) -> Client:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError:
            raise SourceError(f"{self.setting} needs a library: pip install 'wattproof[meters]'") from None
        client = Client(CallbackAPIVersion.VERSION2)
        client.connect_timeout = ANSWER_S
        if self.login:
            client.username_pw_set(*self.login)
        if self.tls:
            client.tls_set()
        return client

    def _reach(self, client: Client) -> None:
        try:
            client.connect(self.host, self.port, keepalive=int(ANSWER_S))  # which bounds the TLS handshake, too
        except ssl.SSLError as problem:
            raise SourceError(f"TLS with {self} failed: {problem.reason or 'no answer'}") from None
        except (OSError, ValueError):
            raise SourceError(f"{self} can't be reached{', or speaks no TLS' if self.tls else ''}") from None


class Connection:
    """A connection that a broker has accepted."""

    def __init__(self, broker: Broker, client: Client, inbox: queue.Queue[_Event]) -> None:
        self._broker, self._client, self._inbox = broker, client, inbox

    def next_event(self, within_s: float, otherwise: str) -> tuple[str, bytes] | None:
        """The next message, or None for the acceptance. Raises SourceError: `otherwise` where nothing comes."""
        try:
            event = self._inbox.get(timeout=max(0.0, within_s))
        except queue.Empty:
            raise SourceError(f"{self._broker} {otherwise}") from None
        if isinstance(event, _Failure):
            raise SourceError(f"{self._broker} {event.problem}")
        return event

    def messages(self, answer_s: float, otherwise: str) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of messages that are not retained, as they come, for `answer_s` seconds.

        Raises SourceError, which ends with `otherwise`, when none comes any more.
        """
        ends = time.monotonic() + answer_s
        while True:
            event = self.next_event(ends - time.monotonic(), otherwise)
            if event is not None:
                yield event

    def publish(self, messages: Iterable[Message], answer_s: float = ANSWER_S) -> None:
        """Publish retained messages, and wait until the broker has acknowledged each of them.

        Raises SourceError where it has not within `answer_s`: they may then be there or not.
        """
        sent = [self._client.publish(one.topic, one.payload, qos=1, retain=True) for one in messages]
        ends = time.monotonic() + answer_s
        try:
            for one in sent:
                one.wait_for_publish(max(0.001, ends - time.monotonic()))
            missing = sum(not one.is_published() for one in sent)
        except (RuntimeError, ValueError) as problem:
            raise SourceError(f"{self._broker} took no message: {problem}") from None
        if missing:
            raise SourceError(
                f"{self._broker} did not acknowledge {missing} of {len(sent)} messages within {answer_s:.0f} s"
            )


@dataclass(frozen=True)
class _Failure:
    problem: str


_Event = tuple[str, bytes] | _Failure | None
