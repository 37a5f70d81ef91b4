"""P1: a smart meter's customer port (DSMR, ESMR, eMUCs), by cable or network dongle; telegrams by dsmr-parser."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from data.errors import SourceError
from data.importing.telegrams import NotATelegram, Telegram, dsmr_library, parse_telegram
from data.sources.line import read_until
from data.sources.settings import LiveSettings
from data.sources.source import Reading, Register, need

_BAUD = 115_200
_WHOLE = re.compile(rb"/[^/!]{16,}![0-9A-Fa-f]{4}\r\n", re.DOTALL)


class P1:
    """A meter's P1 port. A telegram whose checksum does not hold is passed over: the next one comes in a moment."""

    def __init__(self, settings: LiveSettings) -> None:
        self._settings, self._library = settings, dsmr_library()

    def poll(self, since: datetime | None) -> Iterable[Reading]:
        """The registers as the newest telegram tells them."""
        telegram = read_until(self._settings, _BAUD, self._newest)
        exported = None if telegram.exported is None else round(telegram.exported * 1000)
        return [Register(telegram.taken, round(telegram.imported * 1000), exported)]

    def _newest(self, came: bytes) -> Telegram | None:
        for whole in reversed(_WHOLE.findall(came)):
            try:
                return parse_telegram(whole.decode("ascii", errors="replace"), self._library)
            except NotATelegram:
                continue
        return None


def open_source(settings: LiveSettings) -> P1:
    """Raises SourceError where the library is missing, or an option is not known."""
    need(settings)
    try:
        return P1(settings)
    except ImportError:
        raise SourceError("reading P1 needs a library: pip install 'wattproof[meters]'") from None
