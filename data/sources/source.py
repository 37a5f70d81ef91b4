"""The interface of live meters: what they report, and how one is opened by name.

Other packages add theirs by an entry point of the group `wattproof.sources`: a name, and a function that takes
LiveSettings and returns a Source.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from data.errors import SourceError
from data.plug_ins import SOURCES, plug_ins
from data.sources.settings import LiveSettings


@dataclass(frozen=True)
class Register:
    """At `taken` (UTC) the meter's registers stood at `imported` and `exported` Wh; None where it has none."""

    taken: datetime
    imported: int = field(repr=False)
    exported: int | None = field(repr=False)


@dataclass(frozen=True)
class Quarters:
    """What was measured in the four quarters of an hour, Wh, which add up to the hour; None where it is not known."""

    imported: tuple[int, ...] = field(repr=False)
    exported: tuple[int, ...] | None = field(repr=False)


@dataclass(frozen=True)
class Hour:
    """In the hour from `start` (UTC) `imported` and `exported` Wh flowed; None where it is not known.

    `filled`: a part of it was not measured. `quarters`: None where they were not measured.
    """

    start: datetime
    imported: int = field(repr=False)
    exported: int | None = field(repr=False)
    filled: bool = False
    quarters: Quarters | None = None


Reading = Register | Hour


def without_export(reading: Reading) -> Reading:
    """A reading of a home that feeds nothing in: an export that is not told is 0."""
    if reading.exported is not None:
        return reading
    if isinstance(reading, Register) or reading.quarters is None:
        return replace(reading, exported=0)
    nothing = (0,) * len(reading.quarters.imported)
    return replace(reading, exported=0, quarters=replace(reading.quarters, exported=nothing))


class Source(Protocol):
    """A live meter. It holds no state that a restart would lose: the poller stores it."""

    def poll(self, since: datetime | None) -> Iterable[Reading]:
        """What the meter reports now: its registers, or the hours from `since` (UTC; None: all it has).

        Raises SourceError if it cannot be reached, or its answer cannot be parsed.
        """
        ...


@dataclass(frozen=True)
class BuiltIn:
    """`module` of this package, with `open_source`. `needs`: words for its settings."""

    module: str
    what: str
    needs: str


BUILT_IN = {
    "p1": BuiltIn("p1", "P1 port of a smart meter (DSMR, ESMR, eMUCs)", "path (serial port) or address (host:port)"),
    "sml": BuiltIn(
        "sml_meter", "optical head on a meter that speaks SML", "path (serial port) or address (host:port)"
    ),
    "home-assistant": BuiltIn(
        "home_assistant",
        "long-term statistics of Home Assistant",
        "address (ws://host:8123), secret_file (long-lived token), options: import, export (statistic ids)",
    ),
    "mqtt": BuiltIn(
        "mqtt",
        "a register that is published by MQTT",
        "address (host:port), options: topic, export_topic, field, export_field, unit, tls; secret_file",
    ),
    "green-button": BuiltIn(
        "green_button_feed", "Green Button XML", "path (file) or address (URL), secret_file (bearer token)"
    ),
    "folder": BuiltIn("folder", "a folder into which exports are put", "path, options as of `wattproof data import`"),
}


def source_named(settings: LiveSettings) -> Source:
    """The source that the settings name. Raises SourceError for one that is not there, or lacks settings."""
    built_in = BUILT_IN.get(settings.source)
    if built_in is not None:
        opened: Callable[[LiveSettings], Source] = importlib.import_module(
            f"{__package__}.{built_in.module}"
        ).open_source
        return opened(settings)
    others = plug_ins(SOURCES)
    if settings.source not in others.names:
        names = ", ".join([*BUILT_IN, *(point.name for point in others)])
        raise SourceError(f"unknown source {settings.source!r}: known are {names}")
    plugged: Callable[[LiveSettings], Source] = others[settings.source].load()
    return plugged(settings)


def need(settings: LiveSettings, *, options: Iterable[str] = (), may: Iterable[str] = ()) -> dict[str, str]:
    """The options of a source as text. Raises SourceError for one that is missing or not known."""
    found = {name: str(value) for name, value in settings.options.items()}
    if missing := [name for name in options if name not in found]:
        raise SourceError(f"{settings.source} needs the option {missing[0]}: set data.live.options.{missing[0]}")
    if unknown := [name for name in found if name not in {*options, *may}]:
        known = ", ".join([*options, *may]) or "none"
        raise SourceError(f"{settings.source} has no option {unknown[0]}: it has {known}")
    return found


def secret(settings: LiveSettings) -> str:
    """What the secret file holds. Raises SourceError if there is none, without telling what it holds."""
    if settings.secret_file is None:
        raise SourceError(f"{settings.source} needs a secret: name the file that holds it with data.live.secret_file")
    return read_secret(settings.secret_file)


def read_secret(path: Path) -> str:
    """What a secret file holds. Raises SourceError if it can't be read, without telling what it holds."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise SourceError(f"{path} can't be read: it should hold the secret of the source") from None
