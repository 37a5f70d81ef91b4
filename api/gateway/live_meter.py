"""The meter that an agent polls by itself, beside its other work (`data.live`)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from api.config.community_yaml import Config
from data.sources.poller import Poller
from data.sources.source import source_named
from fl.deployment.background import repeated

_log = logging.getLogger(__name__)


@contextmanager
def polled(config: Config, home: str, stop: threading.Event) -> Iterator[None]:
    """Poll the home's meter until `stop` is set or the block ends, if the settings name one.

    Raises SourceError for settings that can't be used, DamagedFile for a state file. A meter that is away is logged
    and asked again.
    """
    live = config.data.live
    if live is None:
        yield
        return
    poller = Poller(source_named(live), home, config.data.files[0], config.api.homes_dir / home / "live.json")

    def poll() -> None:
        if added := poller.poll():
            _log.info("hours stored", extra={"home": home, "hours": added})

    try:
        with repeated(poll, live.poll_s, stop, name="polling the meter", log=_log):
            yield
    finally:
        poller.close()
