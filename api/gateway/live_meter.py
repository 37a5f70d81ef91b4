"""The meter that an agent polls alongside its other work (`data.live`)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.settings import DataSettings
from data.sources.poller import Poller
from data.sources.source import source_named
from fl.deployment.background import repeated

_log = logging.getLogger(__name__)


@contextmanager
def polled(data: DataSettings, homes: Path, home: str, stop: threading.Event) -> Iterator[None]:
    """Poll the home's meter until `stop` is set or the block ends, if the settings name one.

    `homes`: the folder of the homes' states. Raises SourceError for unusable settings, DamagedFile for a state file.
    A meter that does not answer is logged and retried.
    """
    live = data.live
    if live is None:
        yield
        return
    poller = Poller(source_named(live), home, data.files[0], homes / home / "live.json")

    def poll() -> None:
        if added := poller.poll():
            _log.info("hours stored", extra={"home": home, "hours": added})

    try:
        with repeated(poll, live.poll_s, stop, name="polling the meter", log=_log):
            yield
    finally:
        poller.close()
