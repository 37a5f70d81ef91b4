"""The demo's surplus hours: the day's registered forecasts of load beside forecasts of what the roofs feed in.

The demo's proven forecasts are of the load alone. So here each roof has a meter of its own and feeds in all that it
makes. The hours are the same as for a meter that nets both, as the month of shared energy has it: what all homes then
feed in is more than what they take if and only if the roofs make more than the load.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from api.config.community_yaml import Config
from api.config.logs import beside_screen
from api.one_machine import surplus as of_one_machine
from api.one_machine import training
from api.one_machine.community import LocalCommunity
from api.operator.export_models import publish_export_model
from api.operator.surplus_picture import pictures
from api.operator.trained_model import TrainedModel, latest_model
from api.protocol.surplus import shown, surplus_hours
from data import citylearn
from data.atomic import write_bytes
from data.table import long_table, readings_as
from rewards.chain import Chain

ROUNDS = 2
"""Of the training of export, which is to take a few seconds here."""


class RoofCommunity(LocalCommunity):
    """The demo community with roofs that are metered by themselves."""

    def __init__(self, config: Config) -> None:
        federation = config.federation.model_copy(update={"export_rounds": ROUNDS})
        super().__init__(config.model_copy(update={"federation": federation}))

    @property
    def readings(self) -> pd.DataFrame:
        return self._with_roofs

    @cached_property
    def _with_roofs(self) -> pd.DataFrame:
        load = super().readings
        made = citylearn.load_exchange(self.config.data.cache_dir)["generation"]
        return long_table(load["unique_id"], load["ds"], load["y"], export=pd.Series(made, dtype="Int64"))

    def measured(self, day: int) -> tuple[list[int], list[int]]:
        """What all homes took, and what all roofs fed in, in each hour of a day (Wh)."""
        names, hours = [home.name for home in self.homes], self.clock.hours(day)
        took, fed_in = (
            table[table["unique_id"].isin(names) & table["ds"].isin(hours)].groupby("ds")["y"].sum().sort_index()
            for table in (self.readings, readings_as(self.readings, "export"))
        )
        return took.tolist(), fed_in.tolist()


def train_export(config: Config) -> None:
    """Train the model of export, in a process of its own, while another one fits heads and judges forecasts."""
    beside_screen(config.api.log_level, config.api.state_dir)
    training.train(RoofCommunity(config), lambda _done, _model, _loss: None, quantity="export")


def publish_export(community: RoofCommunity, chain: Chain) -> TrainedModel:
    """The trained model, its digest published: before the day, as an auditor will ask."""
    trained = latest_model(community, "export")
    publish_export_model(community, chain, trained.round, trained.digest)
    return trained


def surplus_of_day(community: RoofCommunity, trained: TrainedModel, day: int) -> dict[str, Any]:
    """Prove the forecasts of export, open their sum, keep the hours and pictures; the figures (Wh).

    Raises SurplusError where fewer than three homes have forecasts.
    """
    found = of_one_machine.surplus_day(community, day, {"export": trained})
    of_one_machine.keep(community, found)
    hours = shown(found, community.clock)
    for suffix, png in pictures(hours, community.clock).items():
        write_bytes(community.config.api.state_dir / f"surplus{suffix.replace('-', '_')}.png", png)
    measured = surplus_hours(*community.measured(day))
    forecast = set(hours.hours)
    return {
        "day": day,
        "homes": hours.homes,
        "exporting_homes": hours.exporting_homes,
        "forecasts_proven": hours.homes + hours.exporting_homes,
        "load_wh": hours.load_wh,
        "export_wh": hours.export_wh,
        "hours": hours.hours,
        "best_hours": hours.best_hours,
        "measured_hours": list(measured),
        "hours_right": int(np.sum([(hour in forecast) == (hour in measured) for hour in range(len(hours.load_wh))])),
        "export_rounds": trained.round,
    }


def surplus_rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """For the summary's table."""
    best = ", ".join(f"{hour:02d}:00" for hour in found["best_hours"][:3]) or "none"
    right = f"{found['hours_right']} of {len(found['load_wh'])} hours"
    return [
        ("hours with a surplus (roofs above load), forecast", f"{len(found['hours'])}; the best: {best}"),
        ("right about a surplus", f"{right}, by {found['forecasts_proven']} proven forecasts"),
    ]
