"""The operator's weather feed on a gateway: the same rows for all homes, so that proofs rest on the same features."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from api.config.community_yaml import Config
from api.gateway.client import ApiClient
from api.protocol.bounded_client import ApiRefused, Unreachable
from data.errors import SourceError
from data.sources.exports import isolated
from data.weather.operator_copy import merge_copy
from fl.deployment.background import repeated

_log = logging.getLogger(__name__)
_EVERY_S = 900.0
_FIRST_S = 15.0


def follow_feed(config: Config, stop: threading.Event) -> AbstractContextManager[None]:
    """Take what the operator's feed has grown by, now and again while the block runs, if the settings say so."""
    if config.data.weather_from != "operator":
        return nullcontext()
    return _followed(config, stop)


def wait_for_feed(config: Config, wait: Callable[[float], object] = time.sleep) -> None:
    """Take the operator's feed for the first time, before anything needs it; says once why it is not there yet."""
    told = ""
    while config.data.weather_from == "operator" and config.data.weather and not config.data.weather.exists():
        try:
            client = ApiClient(config.gateway.api_url or "")
            try:
                take_feed(client, config.data.weather)
            finally:
                client.close()
        except SourceError as why:
            if str(why) != told:
                told = str(why)
                _log.warning("waiting for the weather feed", extra={"reason": told})
            wait(_FIRST_S)


def take_feed(client: ApiClient, path: Path) -> int:
    """Add to the feed at `path` what the operator's has beyond it; how many hours. Raises SourceError."""
    try:
        copy = client.weather()
    except (Unreachable, ApiRefused) as why:
        raise SourceError(f"the operator's weather feed can't be fetched: {why}") from None
    if path.exists() and path.read_bytes() == copy:
        return 0
    taken: int = isolated(merge_copy, path, copy)  # an agent's own process stays clear of pandas
    return taken


@contextmanager
def _followed(config: Config, stop: threading.Event) -> Iterator[None]:
    path = config.data.weather
    assert path is not None  # the settings hold it
    client = ApiClient(config.gateway.api_url or "", stop)

    def take() -> None:
        if added := take_feed(client, path):
            _log.info("weather feed taken over", extra={"hours": added})

    try:
        with repeated(take, _EVERY_S, stop, name="taking the weather feed over", log=_log):
            yield
    finally:
        client.close()
