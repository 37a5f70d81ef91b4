"""Home Assistant: the hours of its long-term statistics, by its WebSocket API (recorder/statistics_during_period).

It also has statistics of five minutes, for as long as it keeps states (ten days unless set otherwise): new hours have
their quarters from these.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Literal

from data.errors import SourceError
from data.json_text import loads
from data.sources.settings import LiveSettings
from data.sources.source import Hour, Quarters, Reading, need, secret

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

_ANSWER_S = 30.0
_PAST = timedelta(days=730)
_MAX_BYTES = 1 << 26
_RUNNING_HOUR = timedelta(hours=1)
_SHORT_TERM, _STEP = timedelta(days=10), timedelta(minutes=5)
_STEPS_PER_HOUR, _STEPS_PER_QUARTER = 12, 3
_Changes = dict[datetime, float]
"""By the start of an hour, or of five minutes: Wh. What a meter that was exchanged has counted is not known."""


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
        imports, exports = self._changes(start, "hour")
        whole = [at for at in sorted(imports) if at + _RUNNING_HOUR <= now]
        if not whole:
            return []
        fine = self._changes(max(whole[0], now - _SHORT_TERM) - _STEP, "5minute")
        return [_hour(at, imports, exports, *fine) for at in whole]

    def _changes(self, start: datetime, period: Literal["hour", "5minute"]) -> tuple[_Changes, _Changes]:
        """What import and export grew by; of five minutes there may be none."""
        found = self._ask(start, period)
        names = [name for name in (self._import, self._export) if name]
        if period == "hour" and (missing := [name for name in names if name not in found]):
            raise SourceError(
                f"Home Assistant has no statistics of {missing[0]!r} in that time: is that the energy's id?"
            )
        imports, *exports = (_parsed(found.get(name, [])) for name in names)
        return imports, exports[0] if exports else {}

    def _ask(self, start: datetime, period: Literal["hour", "5minute"]) -> dict[str, Any]:
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
            "period": period,
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
            if period == "5minute":
                return {}  # it has none for us: hours are hours without
            raise SourceError("Home Assistant refused the statistics: may the token's user see them?")
        return dict(answer["result"])

    def _log_in(self, socket: ClientConnection) -> None:
        greeting = _receive(socket)
        if greeting.get("type") != "auth_required":
            raise SourceError("what answers is not Home Assistant: check data.live.address")
        if _exchange(socket, {"type": "auth", "access_token": self._token}).get("type") != "auth_ok":
            raise SourceError("Home Assistant refused the token: make a long-lived one in the user's profile")


def _parsed(rows: Any) -> _Changes:
    """Raises SourceError for rows of another form."""
    changes: _Changes = {}
    try:
        for row in rows:
            if row.get("change") is None:
                continue
            wh = float(row["change"])
            if wh < 0:
                continue  # a meter that was exchanged: what flowed in that time is not known
            round(wh)  # neither infinite nor no number
            changes[datetime.fromtimestamp(row["start"] / 1000, UTC)] = wh
    except (ArithmeticError, AttributeError, KeyError, OSError, TypeError, ValueError):
        raise SourceError("Home Assistant's statistics have an unknown form: is it an old version?") from None
    return changes


def _hour(at: datetime, imports: _Changes, exports: _Changes, fine: _Changes, fine_out: _Changes) -> Hour:
    imported, exported = round(imports[at]), round(exports[at]) if at in exports else None
    quarters = _quarters(fine, at, imported)
    if quarters is None:
        return Hour(at, imported, exported)
    return Hour(
        at,
        imported,
        exported,
        quarters=Quarters(quarters, None if exported is None else _quarters(fine_out, at, exported)),
    )


def _quarters(fine: _Changes, hour: datetime, wh: int) -> tuple[int, ...] | None:
    """The four quarters of an hour of `wh`, rounded at their sums since it began; None if five minutes are missing.

    What there is first after a gap has the energy of the gap in it, so the five minutes before count as well.
    """
    steps = [fine.get(hour + _STEP * i) for i in range(-1, _STEPS_PER_HOUR)]
    known = [step for step in steps if step is not None]
    if len(known) < len(steps):
        return None
    sums = list(accumulate(known[1:]))
    if abs(sums[-1] - wh) > 1:
        return None  # two statistics that disagree
    marks = [0, *(round(sums[i]) for i in range(_STEPS_PER_QUARTER - 1, _STEPS_PER_HOUR - 1, _STEPS_PER_QUARTER)), wh]
    quarters = tuple(later - earlier for earlier, later in pairwise(marks))
    return quarters if min(quarters) >= 0 else None


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
