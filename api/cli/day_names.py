"""A day as named on the command line: a date, `yesterday`, `today`, `tomorrow`, or the day's number."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:  # `verify` does not need pandas
    from data.day import DayClock

LAST_NUMBER = 80_000
_RELATIVE = {"yesterday": -1, "today": 0, "tomorrow": 1}
_HOW = "write a date (2017-05-30), yesterday, today, tomorrow, or the number of the day"


@dataclass(frozen=True)
class DayName:
    """The text, and the number, date or distance from today that it means."""

    text: str
    meant: int | date | str

    @property
    def needs_clock(self) -> bool:
        """Whether it depends on when the community's day starts."""
        return not isinstance(self.meant, int)

    @property
    def is_relative(self) -> bool:
        """Whether it is counted from today."""
        return isinstance(self.meant, str)

    def number(self, clock: DayClock, now: float | None = None) -> int:
        """The day's number on the community's clock. `now`: UTC seconds since 1970; this machine's by default."""
        if isinstance(self.meant, int):
            return self.meant
        if isinstance(self.meant, date):
            return clock.day_on(self.meant)
        moment = datetime.fromtimestamp(time.time() if now is None else now, UTC)
        return clock.day_of(moment) + _RELATIVE[self.meant]


def day_named(text: str | DayName) -> DayName:
    """Raises BadParameter for text that does not name a day."""
    if isinstance(text, DayName):
        return text
    if text.isdecimal() and text.isascii() and len(text) <= len(str(LAST_NUMBER)):
        if int(text) > LAST_NUMBER:
            raise typer.BadParameter(f"days are numbered from 0 (1970-01-01) to {LAST_NUMBER:,}")
        return DayName(text, int(text))
    if text in _RELATIVE:
        return DayName(text, text)
    try:
        named = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day: {_HOW}") from None
    if named.year < 1970 or named.year > 2188:
        raise typer.BadParameter(f"{text}: dates run from 1970 to 2188")
    return DayName(text, named)
