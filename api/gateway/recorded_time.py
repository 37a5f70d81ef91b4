"""A gateway's clock: this machine's, or in a replay the server's, which every gateway keeps step with."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from api.config.community_yaml import Config
from api.gateway.client import ApiClient
from api.protocol.bounded_client import ApiRefused, Unreachable
from api.protocol.recorded_time import RecordedClock
from fl.deployment.background import repeated

_log = logging.getLogger(__name__)
_EVERY_S = 5.0


@contextmanager
def gateway_clock(config: Config, stop: threading.Event) -> Iterator[Callable[[], float]]:
    """The clock (UTC seconds) while the block runs. In a replay it waits for the server first, or until `stop`."""
    if config.replay is None:
        yield time.time
        return
    assert config.gateway.api_url is not None  # the settings are checked for that
    clock, client = RecordedClock(config.replay), ApiClient(config.gateway.api_url, stop)
    in_step = threading.Event()

    def keep_step() -> None:
        try:
            clock.set(client.chain_time())
        except (Unreachable, ApiRefused) as why:
            if not in_step.is_set():
                _log.warning("waiting for the server's recorded time", extra={"reason": str(why)})
            return
        in_step.set()

    over = threading.Event()
    try:
        while not in_step.is_set() and not stop.is_set():
            keep_step()
            in_step.wait(0.5)
        with repeated(keep_step, _EVERY_S, over, name="keeping step with recorded time", log=_log):
            yield clock
    finally:
        client.close()
