"""The worked cases of `bench.vertical`: the 17 real homes, and a partner with further columns of each.

**charger**: each home gets a real home charger's profile (SimBench) on top of its load. The operator knows the
sessions as they are booked: when a car is plugged in, and how much energy is wanted, to the next half kilowatt-hour.
How the charger then draws its power the booking does not say. There are six profiles; the others are the same ones,
whole weeks later. Profiles are of 2016, local time: hours are put side by side by weekday and time of day.

**installer**: each home's draw from the grid is forecast, behind a plant of 4 kW with the data set's own generation.
The installer knows what the plant has generated up to the day before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.local_rounds import FORECASTING, SHAPE
from bench.simbench import PROFILES, QUARTERS, charging
from data.citylearn import DAY_START_UTC, FIRST_HOUR, HOMES, load
from data.day import DayClock
from data.features import public_features
from data.windows import Windows, make_windows
from fl.vertical.columns import Record
from forecasting.evaluation import Split

Ints = NDArray[np.int64]
CLOCK = DayClock(DAY_START_UTC)
_MONDAY = 3 * 24  # hours from 1 January 2016, a Friday, to the first Monday
_START_WEEK, _WEEKS = 30, 51  # 1 August 2016 is the Monday 30 weeks later; whole weeks of the year from there
_STEP_KWH, _PLANT_KW, _WEEK = 500, 4.0, 168
_ON_W = 10.0


@dataclass(frozen=True)
class Case:
    """Windows of all homes, the partner's records by home, and how the days are split."""

    columns: tuple[str, ...]
    windows: Windows
    records: dict[str, Record]
    split: Split


def charger(cache: Path, alone: bool = False) -> Case:
    """Booked sessions of a charger at each home. Raises DataError if the data can't be had.

    `alone`: the meter measures the charger only.
    """
    profiles = charging(cache)
    taken, booked = {}, {}
    for number in range(HOMES):
        name = list(PROFILES)[number % len(PROFILES)]
        order = _hours(number // len(PROFILES) * 17)
        home = f"home-{number + 1:02d}"
        hourly = profiles[name].reshape(-1, QUARTERS)
        taken[home] = np.rint(hourly.mean(axis=1)).astype(np.int64)[order]
        booked[home] = _booked(profiles[name])[order]
    return _case(
        cache, ("booked_wh", "plugged_minutes"), lambda home, load_wh: taken[home] + (0 if alone else load_wh), booked
    )


def installer(cache: Path) -> Case:
    """What a plant has generated before the day. Raises DataError if the data can't be had."""
    load(cache)
    known, made = {}, {}
    for number in range(HOMES):
        table = pd.read_csv(cache / "citylearn" / f"Building_{number + 1}.csv")
        home = f"home-{number + 1:02d}"
        made[home] = np.rint(table["Solar Generation [W/kW]"].to_numpy() * _PLANT_KW).astype(np.int64)
        mean = np.convolve(made[home], np.ones(_WEEK), "full")[: len(made[home])] / _WEEK
        lags = [np.roll(made[home], 24), np.roll(made[home], 48), np.roll(np.rint(mean).astype(np.int64), 24)]
        known[home] = np.column_stack(lags)
    names = ("generated_day_before", "generated_two_days_before", "generated_week_mean")
    return _case(cache, names, lambda home, load_wh: np.maximum(load_wh - made[home], 0), known)


def _case(cache: Path, columns: tuple[str, ...], change: Callable[[str, Ints], Ints], known: dict[str, Ints]) -> Case:
    community = load(cache)
    readings = community.readings.copy()
    for home in known:
        own = readings["unique_id"] == home
        readings.loc[own, "y"] = change(home, readings.loc[own, "y"].to_numpy())
    features = public_features(community.weather, CLOCK)
    windows = make_windows(readings, features, CLOCK, steps=SHAPE.steps, shifts=FORECASTING.shifts)
    first = int(FIRST_HOUR.timestamp()) // 3600
    records = {home: Record(first + np.arange(len(values)), values) for home, values in known.items()}
    split = Split.by_share(readings, CLOCK, FORECASTING.train_share, FORECASTING.test_share)
    return Case(columns, windows, records, split)


def _hours(weeks: int) -> Ints:
    """For each hour of the readings (the first is the hour before 1 August), the hour of 2016 that stands for it."""
    hours = np.arange(-1, 8759) + (_START_WEEK + weeks) * _WEEK
    return _MONDAY + hours % (_WEEKS * _WEEK)


def _booked(power: NDArray[np.float64]) -> Ints:
    """By hour: energy (Wh, evenly over a session, its sum rounded up to half a kWh), and minutes plugged in."""
    on = power > _ON_W
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(np.int8)))
    energy = np.zeros(len(power))
    for begin, end in edges.reshape(-1, 2):
        wanted = np.ceil(power[begin:end].sum() / QUARTERS / _STEP_KWH) * _STEP_KWH
        energy[begin:end] = wanted / (end - begin)
    hourly = energy.reshape(-1, QUARTERS).sum(axis=1), on.reshape(-1, QUARTERS).sum(axis=1) * (60 // QUARTERS)
    return np.column_stack([np.rint(hourly[0]), hourly[1]]).astype(np.int64)
