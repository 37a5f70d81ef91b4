"""The operator's weather feed on a gateway: the same rows for all homes, so that all proofs use the same features."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from api.gateway.client import ApiClient
from api.protocol.bounded_client import ApiRefused, Unreachable
from data.errors import SourceError
from data.settings import DataSettings
from data.sources.exports import isolated
from data.weather.operator_copy import merge_copy
from fl.deployment.background import repeated

_log = logging.getLogger(__name__)
_EVERY_S = 900.0
_FIRST_S = 15.0


def follow_feed(data: DataSettings, api_url: str, stop: threading.Event) -> AbstractContextManager[None]:
    """Fetch new rows of the operator's feed periodically while the block runs, if the settings ask for it."""
    if data.weather_from != "operator" or data.weather is None:
        return nullcontext()
    return _followed(data.weather, api_url, stop)


def wait_for_feed(data: DataSettings, api_url: str, wait: Callable[[float], object] = time.sleep) -> None:
    """Fetch the operator's feed for the first time, before anything needs it; logs once why it is not available
    yet."""
    last_reason = ""
    while data.weather_from == "operator" and data.weather and not data.weather.exists():
        try:
            client = ApiClient(api_url)
            try:
                take_feed(client, data.weather)
            finally:
                client.close()
        except SourceError as why:
            if str(why) != last_reason:
                last_reason = str(why)
                _log.warning("waiting for the weather feed", extra={"reason": last_reason})
            wait(_FIRST_S)


def take_feed(client: ApiClient, path: Path) -> int:
    """Append to the feed at `path` the rows that the operator's has beyond it; returns the number of hours. Raises
    SourceError."""
    try:
        copy = client.weather()
    except (Unreachable, ApiRefused) as why:
        raise SourceError(f"the operator's weather feed cannot be fetched: {why}") from None
    if path.exists() and path.read_bytes() == copy:
        return 0
    taken: int = isolated(merge_copy, path, copy)  # an agent's main process does not load pandas
    return taken


@contextmanager
def _followed(path: Path, api_url: str, stop: threading.Event) -> Iterator[None]:
    client = ApiClient(api_url, stop)

    def take() -> None:
        if added := take_feed(client, path):
            _log.info("weather feed taken over", extra={"hours": added})

    try:
        with repeated(take, _EVERY_S, stop, name="taking the weather feed over", log=_log):
            yield
    finally:
        client.close()
