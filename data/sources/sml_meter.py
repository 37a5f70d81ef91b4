"""SML (BSI TR-03109-1): what German meters tell their optical port; frames by pysml."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from data.errors import SourceError
from data.sources.line import read_until
from data.sources.settings import LiveSettings
from data.sources.source import Reading, Register, need

_BAUD = 9600
_IMPORTED, _EXPORTED = "1-0:1.8.0*255", "1-0:2.8.0*255"
_WH = "Wh"


class SmlMeter:
    """A meter behind an optical head. It tells no time: its registers are taken when they are read."""

    def __init__(self, settings: LiveSettings, base: Any) -> None:
        self._settings, self._base = settings, base

    def poll(self, since: datetime | None) -> Iterable[Reading]:
        """The registers as the next frame with a checksum that holds tells them."""
        registers = read_until(self._settings, _BAUD, self._registers)
        exported = registers.get(_EXPORTED)
        return [
            Register(
                datetime.now(UTC).replace(microsecond=0),
                round(registers[_IMPORTED]),
                None if exported is None else round(exported),
            )
        ]

    def _registers(self, came: bytes) -> dict[str, float] | None:
        """Wh of the registers in the first whole frame that has them."""
        while True:
            try:
                end, frame = self._base.find_frame(came)
            except Exception:  # noqa: BLE001 - the library raises whatever its parsing meets
                return None
            if frame is not None and _IMPORTED in (found := _energies(frame)):
                return found
            if not end:
                return None
            came = came[end:]


def _energies(frame: Any) -> dict[str, float]:
    found: dict[str, float] = {}
    for message in frame:
        body = message.get("messageBody")
        for entry in (body.get("valList") or []) if isinstance(body, dict) else []:
            value = entry.get("value")
            if entry.get("unit") == _WH and isinstance(value, int | float) and value >= 0:
                found[str(entry.get("objName"))] = float(value)
    return found


def open_source(settings: LiveSettings) -> SmlMeter:
    """Raises SourceError where the library is missing, or an option is not known."""
    need(settings)
    try:
        from sml import SmlBase
    except ImportError:
        raise SourceError("reading SML needs a library: pip install 'wattproof[meters]'") from None
    return SmlMeter(settings, SmlBase)
