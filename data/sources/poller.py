"""Polling a live meter: its registers become whole hours, and each hour is stored once, across restarts.

The last registers are kept on disk from before the last hour that was stored. A poll that is missed, or a gateway
that was off, leaves a gap in them: a short one is spread over its hours and these are flagged, a long one leaves them
out.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.atomic import write_bytes
from data.damage import whole
from data.json_text import loads
from data.sources.exports import epoch_hour, isolated
from data.sources.source import Hour, Register, Source, without_export
from data.sources.store import hours_between, store_hours

_log = logging.getLogger(__name__)
_HOUR_S = 3600
_KEEP_EVERY_S, _KEEP_QUARTERS_EVERY_S = 600, 300
"""How often registers are written to disk: memory cards wear, and what a power cut loses is bridged. A quarter of an
hour bridges less."""
Kept = list[tuple[int, int, int | None]]


@dataclass
class PollState:
    """The state that a poller must not lose. `since`: the end of the last hour that is stored, seconds since 1970.
    `registers`: times, imported and exported Wh."""

    since: int | None = None
    registers: Kept = field(default_factory=list, repr=False)

    @classmethod
    def read(cls, path: Path) -> PollState:
        """The state in a file, a new one if there is none. Raises DamagedFile."""
        if not path.exists():
            return cls()
        with whole(path, "the state of a polled meter", "Move it away: at most an hour of readings is lost"):
            content: dict[str, Any] = loads(path.read_bytes())
            registers = [(int(t), int(i), None if e is None else int(e)) for t, i, e in content["registers"]]
            since = content["since"]
            return cls(None if since is None else int(since), registers)

    def write(self, path: Path) -> None:
        content = {"since": self.since, "registers": self.registers}
        write_bytes(path, json.dumps(content).encode(), private=True)


class Poller:
    """Polls a source for one home.

    Args:
        table: the home's table, which is made or added to.
        state: the file that a restart begins from.
        quarters: its table of quarters of an hour, which is made or added to as well.
        no_export: the home feeds nothing in, so that an export that is not told is 0.
    """

    def __init__(
        self,
        source: Source,
        home: str,
        table: Path,
        state: Path,
        quarters: Path | None = None,
        *,
        no_export: bool = False,
    ) -> None:
        self._source, self._home, self._table, self._path = source, home, table, state
        self._quarters, self._lacking, self._no_export = quarters, False, no_export
        self._keep_every_s = _KEEP_EVERY_S if quarters is None else _KEEP_QUARTERS_EVERY_S
        self._state = PollState.read(state)
        self._written = 0
        self._unstored: dict[datetime, Hour] = {}  # a full disk must not cost what a source tells once (`folder`)

    def poll(self) -> int:
        """Ask the meter and store each new whole hour; how many hours the table has gained.

        Raises SourceError where the meter can't be read, TableError where the table has other values.
        """
        state = self._state
        since = None if state.since is None else datetime.fromtimestamp(state.since, UTC)
        for told in self._source.poll(since):
            reading = without_export(told) if self._no_export else told
            for hour in self._keep(reading) if isinstance(reading, Register) else (reading,):
                self._unstored[hour.start] = hour
        hours = list(self._unstored.values())
        added = self._store(hours)
        self._unstored.clear()
        newest = state.registers[-1][0] if state.registers else 0
        if hours or newest - self._written >= self._keep_every_s:
            state.write(self._path)
            self._written = newest
        return added

    def close(self) -> None:
        """Write what was read since."""
        if self._state.registers:
            self._state.write(self._path)

    def _keep(self, reading: Register) -> Iterable[Hour]:
        """Add a reading to those that are kept; the hours that it completes."""
        kept, at = self._state.registers, int(reading.taken.timestamp())
        if kept and at <= kept[-1][0]:
            return []  # the meter has not told anything new
        if kept and (reading.imported < kept[-1][1] or _falls(kept[-1][2], reading.exported)):
            _log.warning("the meter's register goes down: it was replaced or reset; that hour is left out")
            kept.clear()
        if len(kept) >= 2 and at - kept[-2][0] < 60:
            kept.pop()  # one reading a minute is enough
        kept.append((at, reading.imported, reading.exported))
        if epoch_hour(reading.taken) <= (self._state.since or kept[0][0]):
            return []
        return hours_between(kept)

    def _store(self, hours: list[Hour]) -> int:
        if not hours:
            return 0
        done = isolated(store_hours, self._table, self._home, hours, self._quarters)
        if done.otherwise:
            remedy = "they were not changed; if the meter is right, import them with --replace"
            _log.warning("the table has other values", extra={"hours": done.otherwise, "remedy": remedy})
        if done.impossible:
            remedy = "check the unit; an export of the right values can be imported (wattproof data import)"
            _log.warning(
                "hours with an energy that no home has are left out",
                extra={"hours": done.impossible, "remedy": remedy},
            )
        if done.without_quarters and not self._lacking:
            remedy = "their days can't be settled by the quarter of an hour; poll more often (data.live.poll_s)"
            _log.warning(
                "hours without quarters of an hour", extra={"hours": done.without_quarters, "remedy": remedy}
            )
        self._lacking = done.without_quarters > 0  # said once for each time that it begins
        state = self._state
        stored = max(epoch_hour(hour.start) for hour in hours) + _HOUR_S
        state.since = max(stored, state.since or 0)
        before = [at for at, _, _ in state.registers if at <= state.since]
        state.registers = [kept for kept in state.registers if not before or kept[0] >= before[-1]]
        return done.added


def _falls(before: int | None, now: int | None) -> bool:
    return before is not None and now is not None and now < before
