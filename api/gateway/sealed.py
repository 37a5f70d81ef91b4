"""Forecasts that a home has sealed: values and blinding, in the home's own folder, each written once.

Loads no proof system: an agent's main process reads them for the community's total.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from data.atomic import write_bytes
from data.damage import whole
from data.json_text import loads
from data.quantity import Quantity

_REMEDY = (
    "Keep it, and restore a copy from your backup: without it this day can't be proven, claimed or summed, "
    "while other days can"
)
_OLD_VALUES = 24


@dataclass(frozen=True)
class SealedForecast:
    """A home's own forecast, 24 typical hours and 24 means, with the opening of its commitment. Private."""

    values: tuple[int, ...]
    blinding: int

    def __repr__(self) -> str:
        return "SealedForecast(...)"


def seal(folder: Path, day: int, forecast: SealedForecast, quantity: Quantity = "load") -> None:
    """Keep a forecast; a day that is sealed stays as it is."""
    path = _path(folder, day, quantity)
    if not path.exists():
        content = {"values": forecast.values, "blinding": hex(forecast.blinding)}
        write_bytes(path, json.dumps(content).encode(), private=True)


def read_sealed(folder: Path, day: int, quantity: Quantity = "load") -> SealedForecast | None:
    """The forecast of a day, or None. Raises DamagedFile."""
    path = _path(folder, day, quantity)
    if not path.exists():
        return None
    with whole(path, "a sealed forecast", _REMEDY):
        content = loads(path.read_bytes())
        values = tuple(int(value) for value in content["values"])
        if len(values) == _OLD_VALUES:  # sealed by a release before 0.2: its commitment holds no means
            values += (0,) * _OLD_VALUES
        return SealedForecast(values, int(content["blinding"], 16))


def _path(folder: Path, day: int, quantity: Quantity) -> Path:
    return folder / f"{'' if quantity == 'load' else f'{quantity}-'}forecast-{day}.json"
