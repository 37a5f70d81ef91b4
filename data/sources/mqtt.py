"""MQTT: a register published periodically, as a number or inside a JSON object (paho-mqtt)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from data.errors import SourceError
from data.json_text import loads
from data.sources.broker import Broker
from data.sources.settings import LiveSettings
from data.sources.source import Reading, Register, need

_ANSWER_S = 90.0
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
        tls = options.get("tls") in _TRUE
        self._broker = Broker("data.live.address", host, int(port), settings.secret_file, tls)
        self._wh = _WH[unit]
        self._wanted = {"import": (options["topic"], options.get("field"))}
        if "export_topic" in options or "export_field" in options:
            self._wanted["export"] = (options.get("export_topic", options["topic"]), options.get("export_field"))
        self._answer_s = answer_s

    def __repr__(self) -> str:
        return "Mqtt()"

    def poll(self, since: datetime | None) -> Iterable[Reading]:
        """The registers as they are published next."""
        found: dict[str, int] = {}
        topics = sorted({topic for topic, _ in self._wanted.values()})
        otherwise = (
            f"passed on nothing that was published to {', '.join(topics)} in {self._answer_s:.0f} s "
            "(retained messages do not count)"
        )
        with self._broker.connected(topics) as connection:
            for topic, payload in connection.messages(self._answer_s, otherwise):
                for flow, (wanted, path) in self._wanted.items():
                    if topic == wanted and flow not in found:
                        found[flow] = round(_number(payload, path) * self._wh)
                if len(found) == len(self._wanted):
                    break
        return [Register(datetime.now(UTC).replace(microsecond=0), found["import"], found.get("export"))]


def _number(payload: bytes, path: str | None) -> float:
    """The number in a message, at `path` (names separated by points) if it is a JSON object."""
    try:
        value: Any = loads(payload)
        for name in path.split(".") if path else ():
            value = value[name]
        number = float(value)
    except (ArithmeticError, ValueError, KeyError, TypeError, IndexError):
        at = f" at {path!r}" if path else ""
        raise SourceError(f"a message has no number{at}: set data.live.options.field to where it is") from None
    if not 0 <= number < 1e12:
        raise SourceError("a message has a number that is impossible for a register")
    return number


def open_source(settings: LiveSettings) -> Mqtt:
    """Raises SourceError where the address or the option `topic` is missing."""
    return Mqtt(settings)
