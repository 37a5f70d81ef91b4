"""A household's own folder: wallet, meter, vault, sealed forecasts. Readable by its owner only.

Imports no chain and no training: a gateway opens its home with this.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from eth_account.signers.local import LocalAccount

from api.config.key_file import VAULT, household_account, household_key
from api.gateway.sealed import SealedForecast, read_sealed, seal
from data.errors import DataError
from data.export import EXPORT_VAULT
from data.home_name import HOME_NAME_RULE, is_home_name
from data.meter import Meter
from data.quantity import Quantity
from data.vault import DayVault


@dataclass(frozen=True)
class Home:
    """A household's own folder: wallet, meter, vault, sealed forecasts."""

    name: str
    folder: Path

    def __post_init__(self) -> None:
        """Raises DataError for a name unfit for a folder: `../..` would lead out of the state folder."""
        if not is_home_name(self.name):
            raise DataError(f"home {self.name!r} can't be used: {HOME_NAME_RULE}")

    @cached_property
    def wallet(self) -> LocalAccount:
        """Raises DamagedFile, LostFile."""
        return household_account(self.folder)

    @cached_property
    def meter(self) -> Meter:
        """Raises DamagedFile, LostFile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return Meter.from_file(household_key(self.folder, "meter.key"))

    @cached_property
    def vault(self) -> DayVault:
        """Created after both keys, and never without them. Raises MeterError, OSError, and as they do."""
        _ = self.wallet, self.meter
        return DayVault(self.folder / VAULT)

    @cached_property
    def export_vault(self) -> DayVault:
        """The signed days of export, made after the vault of the load."""
        _ = self.vault
        return DayVault(self.folder / EXPORT_VAULT)

    def vault_of(self, quantity: Quantity) -> DayVault:
        return self.vault if quantity == "load" else self.export_vault

    def seal(self, day: int, forecast: SealedForecast, quantity: Quantity = "load") -> None:
        """Keep a forecast; a day that is sealed stays as it is."""
        seal(self.folder, day, forecast, quantity)

    def sealed(self, day: int, quantity: Quantity = "load") -> SealedForecast | None:
        return read_sealed(self.folder, day, quantity)
