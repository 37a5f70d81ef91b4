"""Green Button XML that a utility serves, or that lies in a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from data.errors import SourceError
from data.sources.exports import hours_of_export, isolated
from data.sources.settings import LiveSettings
from data.sources.source import Reading, need, secret
from data.tls import client_context

_ANSWER_S, _WHOLE_S = 60.0, 300.0  # silent, and altogether
_MAX_BYTES = 1 << 27


class GreenButtonFeed:
    """A feed at an address, with a bearer token if it needs one, or a file."""

    def __init__(self, settings: LiveSettings) -> None:
        need(settings)
        if (settings.path is None) == (settings.address is None):
            raise SourceError("green-button needs one of data.live.path (file) and address (URL)")
        self._settings = settings

    def poll(self, since: datetime | None) -> Iterable[Reading]:
        """The hours of the feed from `since`."""
        if self._settings.path is not None:
            return _hours(self._settings.path, since)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "feed.xml"
            path.write_bytes(self._fetched(self._settings.address or ""))
            return _hours(path, since)

    def _fetched(self, address: str) -> bytes:
        import httpx

        from data.http_client import TimedClient

        headers = {"Authorization": f"Bearer {secret(self._settings)}"} if self._settings.secret_file else {}
        options = {"timeout": _ANSWER_S, "follow_redirects": False, "verify": client_context()}
        try:
            with (
                TimedClient(whole_s=_WHOLE_S, **options) as line,
                line.stream("GET", address, headers=headers) as answer,
            ):
                if answer.status_code != 200:
                    raise SourceError(f"the Green Button feed answered with status {answer.status_code}")
                content = bytearray()
                for part in answer.iter_bytes():
                    content += part
                    if len(content) > _MAX_BYTES:
                        raise SourceError("the Green Button feed is larger than 128 MB: ask for a shorter time")
                return bytes(content)
        except (httpx.HTTPError, httpx.InvalidURL):
            raise SourceError("the Green Button feed can't be fetched: check data.live.address") from None


def _hours(path: Path, since: datetime | None) -> list[Reading]:
    found = isolated(hours_of_export, path, {"unique_id": "home"})
    if isinstance(found, str):
        raise SourceError(found)
    return [hour for hour in found.hours if since is None or hour.start >= since]


def open_source(settings: LiveSettings) -> GreenButtonFeed:
    """Raises SourceError unless there is one of a path and an address."""
    return GreenButtonFeed(settings)
