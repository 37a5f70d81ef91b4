"""Bytes from a meter's serial port, or from a dongle that passes them on by TCP (pyserial)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from data.errors import SourceError
from data.sources.settings import LiveSettings

Found = TypeVar("Found")
_LONGEST = 1 << 17
ANSWER_S = 25.0
"""A meter sends its registers every one to ten seconds."""


def read_until(
    settings: LiveSettings, baud: int, find: Callable[[bytes], Found | None], *, answer_s: float = ANSWER_S
) -> Found:
    """What `find` makes of the bytes that come in, as soon as it makes anything of them.

    Raises SourceError where nothing can be opened, nothing comes, or what comes is nothing.
    """
    try:
        import serial
    except ImportError:
        raise SourceError("reading a meter needs a library: pip install 'wattproof[meters]'") from None
    if (settings.path is None) == (settings.address is None):
        raise SourceError(f"{settings.source} needs one of data.live.path (serial port) and address (host:port)")
    where = str(settings.path) if settings.path else f"socket://{settings.address}"
    shown = str(settings.path or settings.address)
    came = bytearray()
    try:
        with serial.serial_for_url(where, baudrate=baud, timeout=0.5) as port:
            ends = time.monotonic() + answer_s
            while time.monotonic() < ends:
                came += port.read(max(1, port.in_waiting))
                if (found := find(bytes(came))) is not None:
                    return found
                del came[:-_LONGEST]
    except (serial.SerialException, OSError, ValueError):
        raise SourceError(f"{shown} can't be read: is the meter or its dongle there, and not in use?") from None
    problem = "no data received" if not came else "no complete telegram received"
    raise SourceError(f"{shown}: {problem}: check the cable, and that the source is {settings.source}")
