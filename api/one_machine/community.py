"""A community with homes on this machine: beside the operator's part, their readings, keys and vaults.

In a demo one process plays all parties; in a real community a gateway opens only its own home. A home's private data
(keys, vault, forecasts) stay in the home's own folder, readable by its owner only.
"""

from __future__ import annotations

from functools import cached_property

import pandas as pd
from eth_account.signers.local import LocalAccount

from api.gateway.home import Home
from api.gateway.prover import HouseholdProver
from api.operator.community import Community
from data.quantity import Quantity
from data.table import readings_as


class LocalCommunity(Community):
    """A community and the homes on this machine; none if the settings say so (`data.source: none`)."""

    @property
    def readings(self) -> pd.DataFrame:
        """The long table of all homes."""
        return self._data.readings

    def readings_of(self, quantity: Quantity) -> pd.DataFrame:
        """The long table of a quantity. Raises TableError where the readings say nothing about it."""
        return readings_as(self.readings, quantity)

    @cached_property
    def homes(self) -> list[Home]:
        """The homes here, by name; only the first `num_clients` of them if the configuration says so."""
        if self.config.data.source == "none":
            return []
        names = sorted(str(h) for h in self.readings["unique_id"].unique())
        chosen = names[: self.config.federation.num_clients]
        return [Home(name, self.config.api.homes_dir / name) for name in chosen]

    def opened(self, home: Home, quantity: Quantity = "load") -> HouseholdProver:
        """A home with its own readings."""
        readings = self.readings_of(quantity)
        mine = readings[readings["unique_id"] == home.name]
        features, community = self.features_of(quantity), self.config.community.identifier
        return HouseholdProver(home, mine, features, self.clock, community, quantity)

    def wallet_of(self, household: str) -> LocalAccount | None:
        """Of a home that is here."""
        return next((home.wallet for home in self.homes if home.wallet.address == household), None)

    def meter_since(self, household: str) -> int:
        """Of a home that is here, as its keys say."""
        here = (home.meters.since for home in self.homes if home.wallet.address == household)
        return next(here, None) or super().meter_since(household)

    def households(self) -> list[tuple[str, str]]:
        """Those of the homes here, and those that the settings list."""
        return [(home.wallet.address, home.meter.address) for home in self.homes] + super().households()
