"""A household's own folder: wallet, meter, vault, sealed forecasts. Readable by its owner only.

Imports no chain and no training: a gateway opens its home with this.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from eth_account.signers.local import LocalAccount

from api.wallet import account_from_file
from data.atomic import write_bytes
from data.meter import Meter
from data.vault import DayVault


@dataclass(frozen=True)
class SealedForecast:
    """A home's own forecast with what opens its commitment. Private."""

    values: tuple[int, ...]
    blinding: int

    def __repr__(self) -> str:
        return "SealedForecast(...)"


@dataclass(frozen=True)
class Home:
    """A household's own folder: wallet, meter, vault, sealed forecasts."""

    name: str
    folder: Path

    @cached_property
    def wallet(self) -> LocalAccount:
        return account_from_file(self.folder / "wallet.key")

    @cached_property
    def meter(self) -> Meter:
        self.folder.mkdir(parents=True, exist_ok=True)
        return Meter.from_file(self.folder / "meter.key")

    @cached_property
    def vault(self) -> DayVault:
        return DayVault(self.folder / "vault.db")

    def seal(self, day: int, forecast: SealedForecast) -> None:
        """Keep a forecast; a day that is sealed stays as it is."""
        path = self.folder / f"forecast-{day}.json"
        if not path.exists():
            content = {"values": forecast.values, "blinding": hex(forecast.blinding)}
            write_bytes(path, json.dumps(content).encode(), private=True)

    def sealed(self, day: int) -> SealedForecast | None:
        path = self.folder / f"forecast-{day}.json"
        if not path.exists():
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        return SealedForecast(tuple(content["values"]), int(content["blinding"], 16))
