"""The meter that an agent polls alongside its other work (`data.live`)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from api.config.replay_settings import ReplaySettings
from data.settings import DataSettings
from data.sources.poller import Poller
from data.sources.recorded import RecordedMeter
from data.sources.source import Source, source_named
from fl.deployment.background import repeated

_log = logging.getLogger(__name__)
_DAY_S, _FASTEST_S, _POLLS_A_DAY = 86_400, 0.5, 96


@contextmanager
def polled(
    data: DataSettings,
    homes: Path,
    home: str,
    stop: threading.Event,
    replay: ReplaySettings | None = None,
    now: Callable[[], float] = time.time,
) -> Iterator[None]:
    """Poll the home's meter until `stop` is set or the block ends, if the settings name one, or a recorded one.

    `homes`: the folder of the homes' states; `now`: recorded time, UTC seconds.
    Raises SourceError for unusable settings, DamagedFile for a state file.
    A meter that does not answer is logged and retried.
    """
    source: Source
    quarters = data.quarters
    if replay is not None and replay.recorded is not None:
        source = RecordedMeter(replay.recorded, now, data.day_start_utc)
        quarters = ()  # what was recorded is hours
        every_s = max(_FASTEST_S, _DAY_S / replay.speed / _POLLS_A_DAY)
    elif data.live is not None:
        source, every_s = source_named(data.live), data.live.poll_s
    else:
        yield
        return
    no_export = data.live is not None and data.live.no_export
    poller = Poller(source, home, data.files[0], homes / home / "live.json", *quarters, no_export=no_export)

    def poll() -> None:
        if added := poller.poll():
            _log.info("hours stored", extra={"home": home, "hours": added})

    try:
        with repeated(poll, every_s, stop, name="polling the meter", log=_log):
            yield
    finally:
        poller.close()
