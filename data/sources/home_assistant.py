"""Home Assistant: the hours of its long-term statistics, by its WebSocket API (recorder/statistics_during_period)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from data.errors import SourceError
from data.json_text import loads
from data.sources.settings import LiveSettings
from data.sources.source import Hour, Reading, need, secret

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

_ANSWER_S = 30.0
_PAST = timedelta(days=730)
_MAX_BYTES = 1 << 26
_RUNNING_HOUR = timedelta(hours=1)


class HomeAssistant:
    """An energy entity's hours: what its `sum` grew by in each (`change`), in Wh."""

    def __init__(self, settings: LiveSettings) -> None:
        options = need(settings, options=["import"], may=["export"])
        if settings.address is None:
            raise SourceError("home-assistant needs data.live.address, such as ws://homeassistant.local:8123")
        self._token = secret(settings)
        self._address = _websocket(settings.address)
        self._import, self._export = options["import"], options.get("export")

    def __repr__(self) -> str:
        return "HomeAssistant()"

    def poll(self, since: datetime | None) -> Iterable[Reading]:
        """Whole hours from `since`, or of the last two years. An hour that is not whole yet is left for later."""
        now = datetime.now(UTC)
        start = (since or now - _PAST).astimezone(UTC)
        found = self._ask(start)
        imports = self._hours(found, self._import)
        exports = self._hours(found, self._export) if self._export else {}
        return [Hour(at, wh, exports.get(at)) for at, wh in sorted(imports.items()) if at + _RUNNING_HOUR <= now]

    def _ask(self, start: datetime) -> dict[str, Any]:
        try:
            from websockets.exceptions import WebSocketException
            from websockets.sync.client import connect
        except ImportError:
            raise SourceError("home-assistant needs a library: pip install 'wattproof[meters]'") from None
        question = {
            "id": 1,
            "type": "recorder/statistics_during_period",
            "start_time": start.isoformat(),
            "statistic_ids": [name for name in (self._import, self._export) if name],
            "period": "hour",
            "types": ["change"],
            "units": {"energy": "Wh"},
        }
        try:
            with connect(self._address, open_timeout=_ANSWER_S, max_size=_MAX_BYTES) as socket:
                self._log_in(socket)
                answer = _exchange(socket, question)
        except (WebSocketException, OSError, TimeoutError):
            raise SourceError("Home Assistant can't be reached: check data.live.address") from None
        if not answer.get("success") or not isinstance(answer.get("result"), dict):
            raise SourceError("Home Assistant refused the statistics: may the token's user see them?")
        return dict(answer["result"])

    def _log_in(self, socket: ClientConnection) -> None:
        greeting = _receive(socket)
        if greeting.get("type") != "auth_required":
            raise SourceError("what answers is not Home Assistant: check data.live.address")
        if _exchange(socket, {"type": "auth", "access_token": self._token}).get("type") != "auth_ok":
            raise SourceError("Home Assistant refused the token: make a long-lived one in the user's profile")

    def _hours(self, found: dict[str, Any], name: str) -> dict[datetime, int]:
        if name not in found:
            raise SourceError(f"Home Assistant has no statistics of {name!r} in that time: is that the energy's id?")
        hours: dict[datetime, int] = {}
        try:
            for row in found[name]:
                if row.get("change") is None:
                    continue
                wh = float(row["change"])
                if wh < 0:
                    continue  # a meter that was exchanged: what flowed in that hour is not known
                hours[datetime.fromtimestamp(row["start"] / 1000, UTC)] = round(wh)
        except (ArithmeticError, AttributeError, KeyError, OSError, TypeError, ValueError):
            raise SourceError("Home Assistant's statistics have an unknown form: is it an old version?") from None
        return hours


def _websocket(address: str) -> str:
    base = address.rstrip("/").removesuffix("/api/websocket")
    for plain, socket in (("http://", "ws://"), ("https://", "wss://")):
        base = base.replace(plain, socket, 1) if base.startswith(plain) else base
    if not base.startswith(("ws://", "wss://")):
        raise SourceError("data.live.address of home-assistant begins with ws://, wss://, http:// or https://")
    return f"{base}/api/websocket"


def _exchange(socket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    socket.send(json.dumps(message))
    return _receive(socket)


def _receive(socket: ClientConnection) -> dict[str, Any]:
    try:
        answer = loads(socket.recv(timeout=_ANSWER_S, decode=False))
    except ValueError:
        raise SourceError("what answers is not Home Assistant: check data.live.address") from None
    return answer if isinstance(answer, dict) else {}


def open_source(settings: LiveSettings) -> HomeAssistant:
    """Raises SourceError where the address, the token or the option `import` is missing."""
    return HomeAssistant(settings)
