"""What happens in a community on recorded time, in sentences: read from the logs of its parts as they grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from data.day import DayClock
from data.json_text import loads

_TOO_LATE = "the day was over before it was proven: this machine is too slow for such short days"
_LONGER = "write a community with longer days: `wattproof replay init FOLDER --day-minutes 10`"


class News:
    """New lines of the logs in a folder, as sentences for who runs the community."""

    def __init__(self, logs: Path, clock: DayClock) -> None:
        """What is in the logs already is old."""
        self._logs, self._clock = logs, clock
        self._read = {path: path.stat().st_size for path in logs.glob("*.log")}
        self._is_slow = False

    def look(self) -> Iterator[str]:
        """The sentences about what was logged since the last look."""
        for path in sorted(self._logs.glob("*.log")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]  # a line may be half written
            self._read[path] = self._read.get(path, 0) + len(whole)
            for line in whole.splitlines():
                if line.startswith(b"{"):
                    yield from self._told(path.stem, loads(line))

    def _told(self, part: str, record: Mapping[str, Any]) -> Iterator[str]:
        say = _SENTENCES.get((record["logger"], record["message"]))
        if say is not None:
            day = record.get("day")
            yield say(part, record, "" if day is None else str(self._clock.date_of(day)))
        if record.get("code") == "late-forecast" and not self._is_slow:
            self._is_slow = True
            yield f"{_TOO_LATE}. Stop this one and {_LONGER}"


Say = Callable[[str, Mapping[str, Any], str], str]


def _submitted(part: str, record: Mapping[str, Any], date: str) -> str:
    kind = record["kind"]
    of = "its personal head" if kind == "head" else f"its {'green share' if kind == 'green' else kind} of {date}"
    return f"{part}: {of} was taken"


_SENTENCES: dict[tuple[str, str], Say] = {
    ("fl.deployment.coordinator", "coordinator ready"): lambda *_: "the coordinator waits for the gateways",
    ("api.operator.publisher", "model published"): lambda _, r, __: f"the model of round {r['round']} is published",
    ("api.gateway.submitter", "submitted"): _submitted,
    ("api.gateway.submitter", "refused"): lambda part, r, date: (
        f"{part}: {r['kind']} of {date} refused: {r['reason']}"
    ),
    ("api.operator.held_time", "recorded time waits"): lambda _, r, date: (
        f"recorded time waits for the forecasts of {date}; still to come: {r['homes']}"
    ),
    ("api.operator.running_sum", "sum open"): lambda _, r, date: f"the {r['kind']} total of {date} is open",
    ("api.operator.running_sum", "sum failed"): lambda _, r, date: f"no {r['kind']} total of {date}: {r['reason']}",
    ("api.gateway.secure_sum.client", "not taking part in this sum"): lambda part, r, date: (
        f"{part}: not in the {r['kind']} total of {date}: {r['reason']}"
    ),
}


def last_words(log: Path) -> str:
    """The last line of a log that says why its part has ended; empty where there is none."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    said = [line for line in lines if line.startswith("Error: ")]
    return said[-1] if said else ""
