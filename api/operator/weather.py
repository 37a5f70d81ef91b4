"""The weather feed that the operator maintains: it grows every hour, and gateways fetch it from `/weather`."""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager, nullcontext

from api.config.community_yaml import Config
from data.errors import SourceError
from data.settings import DataSettings
from fl.deployment.background import repeated

_log = logging.getLogger(__name__)
_EVERY_S = 900.0


def update_feed(data: DataSettings) -> int:
    """Append the hours since the feed ends, from Open-Meteo; returns how many. Raises SourceError, TableError."""
    from data.weather.feed import updated
    from data.weather.open_meteo import OpenMeteo

    if data.weather_from != "open-meteo" or data.weather is None or data.latitude is None or data.longitude is None:
        raise SourceError("there is no feed to update: set data.weather, and data.weather_from: open-meteo")
    return updated(data.weather, OpenMeteo(data.latitude, data.longitude, data.cache_dir))


def keep_feed(config: Config) -> AbstractContextManager[None]:
    """Update the feed periodically while the block runs, if the settings say that it is kept here."""
    if config.data.weather_from != "open-meteo":
        return nullcontext()

    def update() -> None:
        if added := update_feed(config.data):
            _log.info("weather feed updated", extra={"hours": added})

    return repeated(update, _EVERY_S, threading.Event(), name="updating the weather feed", log=_log)
