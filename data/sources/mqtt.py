"""MQTT: a register published periodically, as a number or inside a JSON object (paho-mqtt)."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from data.errors import SourceError
from data.sources.settings import LiveSettings
from data.sources.source import Reading, Register, need, secret

_ANSWER_S = 90.0
_CONNECT_S = 15
_WH = {"wh": 1.0, "kwh": 1000.0, "mwh": 1_000_000.0}
_TRUE = ("true", "True", "1", "yes")


class Mqtt:
    """A broker's topics for the imported and, if there is one, the exported register.

    Retained messages are ignored: one may be days old, and would count as read now.
    """

    def __init__(self, settings: LiveSettings, *, answer_s: float = _ANSWER_S) -> None:
        options = need(settings, options=["topic"], may=["export_topic", "field", "export_field", "unit", "tls"])
        if settings.address is None:
            raise SourceError("mqtt needs data.live.address, the broker's host:port")
        host, colon, port = settings.address.rpartition(":")
        if not colon or not port.isdigit():
            raise SourceError(f"data.live.address {settings.address!r}: write the broker's host:port")
        if (unit := options.get("unit", "kwh").lower()) not in _WH:
            raise SourceError(f"data.live.options.unit {unit!r}: write wh, kwh or mwh")
        self._host, self._port, self._wh = host, int(port), _WH[unit]
        self._login = secret(settings).partition(":") if settings.secret_file else None
        self._tls = options.get("tls") in _TRUE
        self._wanted = {"import": (options["topic"], options.get("field"))}
        if "export_topic" in options or "export_field" in options:
            self._wanted["export"] = (options.get("export_topic", options["topic"]), options.get("export_field"))
        self._answer_s = answer_s

    def __repr__(self) -> str:
        return "Mqtt()"

    def poll(self, since: datetime | None) -> Iterable[Reading]:
        """The registers as they are published next."""
        found: dict[str, int] = {}
        for topic, payload in self._messages():
            for flow, (wanted, path) in self._wanted.items():
                if topic == wanted and flow not in found:
                    found[flow] = round(_number(payload, path) * self._wh)
            if len(found) == len(self._wanted):
                break
        return [Register(datetime.now(UTC).replace(microsecond=0), found["import"], found.get("export"))]

    def _messages(self) -> Iterable[tuple[str, bytes]]:
        """Messages of the topics as they come. Raises SourceError when none comes any more."""
        try:
            from paho.mqtt.client import Client, MQTTMessage
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError:
            raise SourceError("mqtt needs a library: pip install 'wattproof[meters]'") from None
        inbox: queue.Queue[tuple[str, bytes] | str] = queue.Queue()
        client = Client(CallbackAPIVersion.VERSION2)
        client.connect_timeout = _CONNECT_S

        def connected(client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            if reason.is_failure:
                inbox.put("the broker refused the login: check data.live.secret_file")
            else:
                client.subscribe([(topic, 1) for topic in {topic for topic, _ in self._wanted.values()}])

        def came(_client: Client, _data: Any, message: MQTTMessage) -> None:
            if not message.retain:
                inbox.put((message.topic, bytes(message.payload)))

        client.on_connect, client.on_message = connected, came
        if self._login:
            client.username_pw_set(self._login[0], self._login[2])
        if self._tls:
            client.tls_set()
        try:
            client.connect(self._host, self._port)
        except (OSError, ValueError):
            raise SourceError(f"the broker at {self._host}:{self._port} can't be reached") from None
        client.loop_start()
        try:
            ends = time.monotonic() + self._answer_s
            while True:
                try:
                    message = inbox.get(timeout=max(0.0, ends - time.monotonic()))
                except queue.Empty:
                    topics = ", ".join(sorted({topic for topic, _ in self._wanted.values()}))
                    problem = f"nothing was published to {topics} in {self._answer_s:.0f} s"
                    raise SourceError(f"{problem} (retained messages do not count)") from None
                if isinstance(message, str):
                    raise SourceError(message)
                yield message
        finally:
            client.disconnect()
            client.loop_stop()


def _number(payload: bytes, path: str | None) -> float:
    """The number in a message, at `path` (names separated by points) if it is a JSON object."""
    try:
        value: Any = json.loads(payload)
        for name in path.split(".") if path else ():
            value = value[name]
        number = float(value)
    except (ValueError, KeyError, TypeError, IndexError):
        at = f" at {path!r}" if path else ""
        raise SourceError(f"a message has no number{at}: set data.live.options.field to where it is") from None
    if not 0 <= number < 1e12:
        raise SourceError("a message has a number that is impossible for a register")
    return number


def open_source(settings: LiveSettings) -> Mqtt:
    """Raises SourceError where the address or the option `topic` is missing."""
    return Mqtt(settings)
