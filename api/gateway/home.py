"""A household's own folder: wallet, meter, vault, sealed forecasts. Readable by its owner only.

Imports no chain and no training: a gateway opens its home with this.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from eth_account.signers.local import LocalAccount

from api.config.key_file import VAULT, household_account
from api.gateway.known_meters import read_meters
from api.gateway.sealed import SealedForecast, read_sealed, seal
from data.errors import DataError
from data.export import EXPORT_VAULT, QUARTER_VAULTS
from data.home_name import HOME_NAME_RULE, is_home_name
from data.household_meters import HouseholdMeters
from data.interval import IntervalMinutes
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
    def meters(self) -> HouseholdMeters:
        """All meters that the household has had, and will have (`api.gateway.replaced_meter`).

        One whose key is gone is among them, and its days can't be signed. Raises DamagedFile, LostFile.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        return read_meters(self.folder)

    @property
    def meter(self) -> Meter:
        """The newest. Raises DamagedFile, LostFile."""
        return self.meters.newest

    @cached_property
    def vault(self) -> DayVault:
        """Created after both keys, and never without them. Raises MeterError, OSError, and as they do."""
        _ = self.wallet, self.meters
        return DayVault(self.folder / VAULT)

    @cached_property
    def export_vault(self) -> DayVault:
        """The signed days of export, made after the vault of the load."""
        _ = self.vault
        return DayVault(self.folder / EXPORT_VAULT)

    def vault_of(self, quantity: Quantity, interval: IntervalMinutes = 60) -> DayVault:
        """The signed days of a quantity, or its signed blocks of quarters of an hour."""
        if interval == 60:
            return self.vault if quantity == "load" else self.export_vault
        _ = self.vault
        return DayVault(self.folder / QUARTER_VAULTS[quantity], interval)

    def seal(self, day: int, forecast: SealedForecast, quantity: Quantity = "load") -> None:
        """Keep a forecast; a day that is sealed stays as it is."""
        seal(self.folder, day, forecast, quantity)

    def sealed(self, day: int, quantity: Quantity = "load") -> SealedForecast | None:
        return read_sealed(self.folder, day, quantity)
