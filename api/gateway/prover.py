"""One household's part of a community day, from its own and public data: forecast, proof, bundle.

A gateway does this for its home (`api.gateway.agent`), the demo for every home in turn (`api.one_machine.day`). It
loads neither chain nor PyTorch.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from eth_utils.address import to_canonical_address
from numpy.typing import NDArray

from api.config.settings import CommunitySettings
from api.gateway.head_commitment import read_head_commitment
from api.gateway.home import Home
from api.gateway.not_forecast import (
    GapInWeek,
    NoModel,
    NoReadings,
    NotForecast,
    NoWeather,
    SealedOtherwise,
    TooFewDays,
)
from api.gateway.personal_head import CommittedHead, read_head
from api.gateway.proof_folder import ProofFigures, ProofFolder
from api.gateway.proving import Job, Made
from api.gateway.sealed import SealedForecast
from api.gateway.steps import Steps
from api.protocol.bundle import ClaimBundle, GreenBundle, InferenceBundle
from api.protocol.bundle_parts import ContextPart, HistoryDayPart, SignedDayPart, WeightsPart, to_hex
from data.community import load_community, readings_of
from data.day import DayClock, hours_text, utc_text
from data.errors import DataError
from data.features import PublicFeatures, public_features
from data.meter import DayOpening, SignedDay
from data.quantity import Quantity
from data.settings import DataSettings
from data.signed_days import Changed, SignedDays
from data.table import readings_as
from data.windows import HISTORY_HOURS, features_reach
from forecasting.integer import IntegerModel
from rewards import green_rule
from zkp.algebra import commitment
from zkp.algebra.field import MODULUS
from zkp.lstm.weights import WeightsCommitment
from zkp.statements import green_share, inference, skill
from zkp.statements.context import Context

_log = logging.getLogger(__name__)


class ProvableModel(Protocol):
    """The community's model of a round, and the commitment to it."""

    @property
    def round(self) -> int: ...
    @property
    def integer(self) -> IntegerModel: ...
    @property
    def commitment(self) -> WeightsCommitment: ...


@dataclass(frozen=True, repr=False)
class Prepared:
    """A forecast that is not yet proven: the proof's statement and witness, the signed days it uses (oldest first),
    and what is sealed once it is proven."""

    job: Job
    week: tuple[SignedDay, ...]
    forecast: SealedForecast


@dataclass(frozen=True)
class HouseholdProver:
    """A home with its own readings (a long table), beside the community's clock, features and identifier.

    `readings` and `features` are of the quantity that is forecast. Claims and personal heads are of load alone.
    """

    home: Home
    readings: pd.DataFrame
    features: PublicFeatures
    clock: DayClock
    community: bytes
    quantity: Quantity = "load"

    def __repr__(self) -> str:
        return f"HouseholdProver({self.home.name!r})"

    def context(self, day: int, round_number: int) -> Context:
        return Context(self.community, to_canonical_address(self.home.wallet.address), day, round_number)

    @cached_property
    def days(self) -> SignedDays:
        """The home's days as its meter has signed them."""
        home, vault = self.home, self.home.vault_of(self.quantity)
        return SignedDays(
            home.name, vault, home.meters, home.wallet.address, self.readings, self.clock, self.quantity
        )

    @property
    def readings_end(self) -> pd.Timestamp:
        """The end of the last hour that was read."""
        return pd.Timestamp(self.readings["ds"].max()) + pd.Timedelta(hours=1)

    def due_day(self) -> int:
        """The day to forecast from the available readings: the last one whose week they complete."""
        return self._readings_day + self.features.horizon - 1

    @property
    def _readings_day(self) -> int:
        """The first day that the readings do not complete."""
        return self.clock.day_of(self.readings_end)

    def prepare(self, day: int, model: ProvableModel, timed: Steps | None = None) -> Prepared:
        """The forecast of a day, and the statement and witness of its proof, from the seven signed days before it,
        or before its origin where the horizon is longer than a day.

        Made with the home's own head if one is in force. Nothing is stored yet. Hours for which the table differs
        from a signed day are logged. Raises NotForecast (its kinds say why), MeterError for a damaged vault.
        """
        self._check_horizon(model)
        timed = timed or Steps()
        with timed("sign readings"):
            week = self._week_before(day)
        steps, exogenous = self._public_inputs(day, model.integer.shape.steps)
        own = self._head_in_force(day, model.round)
        integer = model.integer if own is None else IntegerModel(model.integer.weights, own.secret.values)
        history = np.array([opening.readings for _, opening in week], dtype=np.int64).reshape(1, HISTORY_HOURS)
        with timed("compute forecast"):
            trace = integer.run(history, steps, exogenous)
        forecast = self._forecast_to_seal(day, tuple(int(v) for v in trace.forecast[0]))
        window = commitment.add([signed.commitment for signed, _ in week])
        committed = commitment.commit_forecast(forecast.values, forecast.blinding)
        statement = inference.Statement(
            self.context(day, model.round), model.commitment, (day,), (window,), trace.steps, trace.exogenous,
            (committed,), None if own is None else own.rows, self.quantity,
        )  # fmt: skip
        blinding = sum(opening.blinding for _, opening in week) % MODULUS
        secrets = inference.Secrets((blinding,), (forecast.blinding,), None if own is None else own.secret)
        job = Job(statement, trace, model.integer.weights, secrets)
        return Prepared(job, tuple(signed for signed, _ in week), forecast)

    def keep(self, prepared: Prepared, made: Made, folder: ProofFolder) -> tuple[InferenceBundle, ProofFigures]:
        """Seal the forecast, now that it is proven and checked, and keep its bundle; returns the bundle, and what it
        cost.

        Raises SealedOtherwise if another process has sealed the day in the meantime.
        """
        day = prepared.job.statement.context.day
        self.home.seal(day, prepared.forecast, self.quantity)
        if self.home.sealed(day, self.quantity) != prepared.forecast:
            raise self._sealed_otherwise(day)
        bundle = self._bundle(prepared, made.proof)
        return bundle, folder.write(self.home.name, bundle, made)

    def _check_horizon(self, model: ProvableModel) -> None:
        """Raises NoModel for a model of another horizon than the settings'."""
        theirs, ours = model.integer.shape.horizon, self.features.horizon
        if theirs != ours:
            raise NoModel(
                f"the model of round {model.round} forecasts from readings up to {theirs} days before the day, and "
                f"forecasting.model.horizon_days is {ours}: set what the community has"
            )

    def _week_before(self, day: int) -> list[tuple[SignedDay, DayOpening]]:
        """The seven signed days that a day is forecast from. Raises NotForecast."""
        numbers = commitment.window_days(day, self.features.horizon)
        absent = pd.DatetimeIndex([hour for d in numbers for hour in self.days.missing(d)])
        if len(absent):
            raise self._incomplete(day, absent)
        return [self._signed(d) for d in numbers]

    def _signed(self, day: int) -> tuple[SignedDay, DayOpening]:
        """A signed day; differences from the table are logged."""
        changed = self.days.changes(day)
        if changed is not None:
            _tell_changed(self.home.name, changed)
        return self.days.get(day)

    def _incomplete(self, day: int, absent: pd.DatetimeIndex) -> NotForecast:
        """Why the week that a day is forecast from is not complete."""
        origin = self.features.origin_day(day)
        name, first, end = self.home.name, pd.Timestamp(self.readings["ds"].min()), self.readings_end
        if absent[0] >= end:
            return NoReadings(
                f"the readings of {name} end at {utc_text(end)}, and a forecast of day {day} needs those up to "
                f"{utc_text(self.clock.start_of(origin))}: import the newer ones"
            )
        if absent[-1] < first:
            whole = self.clock.day_of(first - pd.Timedelta(hours=1)) + 1
            return TooFewDays(
                f"the readings of {name} begin at {utc_text(first)}, and a forecast needs the seven days before it: "
                f"{self._next(whole + commitment.RING_DAYS + self.features.horizon - 1)}"
            )
        return GapInWeek(
            f"{name} has no readings of {hours_text(absent)} in the week before day {origin}: import them; else "
            + self._next(self.clock.day_of(absent[-1]) + commitment.RING_DAYS + self.features.horizon)
        )

    def _next(self, day: int) -> str:
        return f"the first day that can be forecast is {day}, which starts at {utc_text(self.clock.start_of(day))}"

    def _public_inputs(self, day: int, steps: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Public features of a day, [1, T, F - 1] and [1, E]. Raises NoWeather."""
        if not features_reach(self.features, day, steps):
            origin = self.features.origin_day(day)
            raise NoWeather(f"the weather feed does not cover the hours before day {origin}: update it")
        ahead, exogenous = self.features.window(day, steps)
        return ahead[None], exogenous[None]

    def _forecast_to_seal(self, day: int, values: tuple[int, ...]) -> SealedForecast:
        """A forecast's values with a fresh blinding, or as they are sealed. Raises SealedOtherwise."""
        sealed = self.home.sealed(day, self.quantity)
        if sealed is None:
            return SealedForecast(values, commitment.random_blinding())
        if sealed.values != values:
            raise self._sealed_otherwise(day)
        return sealed

    def _sealed_otherwise(self, day: int) -> SealedOtherwise:
        return SealedOtherwise(
            f"another forecast of day {day} is sealed in {self.home.folder}, from another round or head. It stays, "
            "as it may have been submitted"
        )

    def _head_in_force(self, day: int, number: int) -> CommittedHead | None:
        if self.quantity != "load":
            return None
        note = read_head_commitment(self.home.folder, number)
        if note is None or not note.is_in_force(int(self.clock.start_of(day).timestamp())):
            return None
        return read_head(self.home.folder, note)

    def is_measured(self, day: int) -> bool:
        """Whether the home has measured, signed or still to be signed, a day and its benchmarks' days."""
        return not len(self._not_measured(day))

    def has_filled_for_good(self, day: int) -> bool:
        """Whether a day can never be claimed, because it or a benchmark's day is signed with filled hours."""
        return any(self.days.is_signed_as_filled(d) for d in _claimed_days(day))

    def tell_gap(self, day: int) -> None:
        """Log the hours that keep a day of the last week, already over, from being claimed."""
        if not self._readings_day - commitment.RING_DAYS <= day < self._readings_day:
            return
        context = {"home": self.home.name, "day": day, "hours": hours_text(self._not_measured(day))}
        _log.warning("a day can't be claimed: its readings have a gap", extra=context)

    def _not_measured(self, day: int) -> pd.DatetimeIndex:
        """Hours that keep a day from being claimed: missing, or filled in."""
        kinds = (self.days.missing, self.days.filled)
        return pd.DatetimeIndex(sorted(hour for d in _claimed_days(day) for kind in kinds for hour in kind(d)))

    def claim(self, day: int, round_number: int) -> ClaimBundle | None:
        """The proof of a day's skill with the most buckets it reaches; None when it reaches none.

        Raises DataError when the day was not forecast or not measured, hours that were filled in included.
        """
        if self.quantity != "load":
            raise DataError(f"forecasts of {self.quantity} are not paid for: only those of load can be claimed")
        sealed = self.home.sealed(day)
        if sealed is None:
            raise DataError(f"{self.home.name} has no forecast of day {day}")
        if filled := [hour for d in _claimed_days(day) for hour in self.days.filled(d)]:
            raise DataError(
                f"{self.home.name} can't claim day {day}: {hours_text(pd.DatetimeIndex(sorted(filled)))} were filled "
                "in, not measured. Import the measured values before the day is signed; what is signed stays"
            )
        (actual, opening), *past = (self._signed(d) for d in _claimed_days(day))
        secrets = skill.Secrets(
            sealed.values, opening.readings, [o.readings for _, o in past],
            sealed.blinding, opening.blinding, sum(o.blinding for _, o in past),
        )  # fmt: skip
        buckets = skill.most_buckets(secrets)
        if buckets <= 0:
            return None
        committed = commitment.commit_forecast(sealed.values, sealed.blinding)
        context = self.context(day, round_number)
        days = tuple(signed.commitment for signed, _ in past)
        statement = skill.Statement(context, committed, actual.commitment, days, buckets)
        return ClaimBundle(
            context=ContextPart.of(context),
            meter=(meter := self._meter_on(day)),
            buckets=buckets,
            forecast=to_hex(committed),
            actual=SignedDayPart.of(actual),
            benchmarks=[SignedDayPart.of(signed).by(self._meter_on(signed.day), meter) for signed, _ in past],
            proof=to_hex(skill.prove(statement, secrets)),
        )

    def green_share(self, day: int, weights: Sequence[int]) -> GreenBundle | None:
        """The proof of the highest percentage of a day's load that is green, by 24 weights of its hours; None where
        it is no higher than that of a load that is the same in every hour.

        Raises DataError when the day was not measured in full.
        """
        if len(hours := self.days.missing(day).union(self.days.filled(day))):
            raise DataError(f"{self.home.name} has not measured {hours_text(hours)} of day {day}")
        actual, opening = self._signed(day)
        tier = green_rule.highest_tier(weights, opening.readings)
        if not sum(opening.readings) or tier <= green_rule.base_of(weights):
            return None
        context = self.context(day, 0)
        statement = green_share.Statement(context, actual.commitment, tuple(weights), tier)
        return GreenBundle(
            context=ContextPart.of(context),
            meter=self._meter_on(day),
            tier=tier,
            weights=list(weights),
            actual=SignedDayPart.of(actual),
            proof=to_hex(green_share.prove(statement, opening.readings, opening.blinding)),
        )

    def _meter_on(self, day: int) -> str:
        return self.home.meters.on(day).address

    def _bundle(self, prepared: Prepared, proof: bytes) -> InferenceBundle:
        """Everything needed to check the proof."""
        statement = prepared.job.statement
        return InferenceBundle(
            quantity=None if self.quantity == "load" else self.quantity,
            context=ContextPart.of(statement.context),
            meter=(meter := self._meter_on(prepared.week[-1].day)),
            weights=WeightsPart.of(statement.weights),
            personal=[to_hex(row) for row in statement.personal or ()],
            history=[HistoryDayPart.of(s).by(self._meter_on(s.day), meter) for s in prepared.week],
            steps=statement.steps[0].tolist(),
            exogenous=statement.exogenous[0].tolist(),
            forecast=to_hex(statement.forecasts[0]),
            proof=to_hex(proof),
        )


def _claimed_days(day: int) -> tuple[int, ...]:
    """The days whose readings a claim is about: the day, and those of the benchmarks."""
    return day, *(day - back for back in skill.BENCHMARK_DAYS)


def _tell_changed(home: str, changed: Changed) -> None:
    context = {"home": home, "day": changed.day, "hours": hours_text(changed.hours)}
    if changed.shift:
        _log.warning(
            "the day was signed with another start of the day (data.day_start_utc): it counts as signed",
            extra=context | {"hours_later": changed.shift},
        )
    else:
        _log.warning("the table has other values than the meter signed: the day counts as signed", extra=context)


def open_household(
    data: DataSettings, community: CommunitySettings, homes: Path, name: str, horizon: int = 1,
    quantity: Quantity = "load",
) -> HouseholdProver:  # fmt: skip
    """The household of this gateway, its folder below `homes`.

    Raises DataError if its readings cannot be loaded, or say nothing of the quantity.
    """
    loaded, clock = load_community(data), DayClock(data.day_start_utc)
    readings = readings_as(readings_of(loaded.readings, name), quantity)
    features = public_features(loaded.weather, clock, quantity, horizon)
    return HouseholdProver(Home(name, homes / name), readings, features, clock, community.identifier, quantity)
