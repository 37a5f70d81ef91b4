"""One household's part of a community day, made from what is its own and what is public: forecast, proof, bundle.

A gateway does this for its home (`api.gateway`), the demo for every home in turn (`api.day`). It loads neither chain
nor PyTorch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd
from eth_utils.address import to_canonical_address

from api.bundle import ClaimBundle, ContextPart, InferenceBundle, SignedDayPart, WeightsPart, encode, to_hex
from api.config import Config
from api.head_note import read_note
from api.home import Home
from api.own_head import OwnHead, read_head
from api.proving import Job, Made
from api.sealed import SealedForecast
from data.atomic import write_bytes
from data.community import load_community, readings_of
from data.day import DayClock
from data.errors import DataError
from data.features import PublicFeatures, public_features
from data.meter import DayOpening, SignedDay
from data.windows import make_windows
from forecasting.integer import IntegerModel
from zkp.algebra import commitment
from zkp.algebra.field import MODULUS
from zkp.lstm.weights import WeightsCommitment
from zkp.statements import inference, skill
from zkp.statements.context import Context


class ProvableModel(Protocol):
    """The community's model of a round, and the commitment to it."""

    @property
    def round(self) -> int: ...
    @property
    def integer(self) -> IntegerModel: ...
    @property
    def commitment(self) -> WeightsCommitment: ...


@dataclass(frozen=True)
class ProofFigures:
    """What a proof cost."""

    prove_s: float
    verify_s: float
    bytes: int
    peak_mb: float


@dataclass(frozen=True)
class OpenHome:
    """A home with its own readings (a long table), beside the community's clock, features and identifier."""

    home: Home
    readings: pd.DataFrame
    features: PublicFeatures
    clock: DayClock
    community: bytes

    def __repr__(self) -> str:
        return f"OpenHome({self.home.name!r})"

    def context(self, day: int, round_number: int) -> Context:
        return Context(self.community, to_canonical_address(self.home.wallet.address), day, round_number)

    def signed_day(self, day: int) -> tuple[SignedDay, DayOpening]:
        """The meter's signed day from the home's vault; signed now if it is not there yet.

        Raises DataError when the home has no complete readings of that day.
        """
        home = self.home
        if day in home.vault.days(home.wallet.address):
            return home.vault.get(home.wallet.address, day)
        mine = self.readings[self.readings["ds"].isin(self.clock.hours(day))]
        if len(mine) != commitment.DAY_HOURS:
            raise DataError(f"{home.name} has {len(mine)} of the {commitment.DAY_HOURS} readings of day {day}")
        signed, opening = home.meter.sign_day(home.wallet.address, day, [int(v) for v in mine["y"]])
        home.vault.put(signed, opening)
        return signed, opening

    def newest_day(self, steps: int) -> int:
        """The last day that can be forecast: the one after the readings end. Raises DataError if there is none."""
        windows = make_windows(self.readings, self.features, self.clock, steps=steps, with_target=False)
        if len(windows) == 0:
            raise DataError(f"{self.home.name} has no complete week of readings yet: it cannot be forecast")
        return int(windows.day.max())

    def job(self, day: int, model: ProvableModel) -> tuple[Job, list[SignedDay]]:
        """Statement and witness of the day's forecast, which is sealed, and the seven signed days they rest on.

        Made with the home's own head where one is in force. Raises DataError when the week before the day is not
        complete, HeadLost (one of them) when the head is not there any more.
        """
        home = self.home
        windows = make_windows(
            self.readings, self.features, self.clock, steps=model.integer.shape.steps, days=[day], with_target=False
        )
        if len(windows) != 1:
            raise DataError(f"{home.name} has no complete week before day {day}: it cannot be forecast")
        week = [self.signed_day(d) for d in range(day - commitment.RING_DAYS, day)]
        own = self._head_in_force(day, model.round)
        integer = model.integer if own is None else IntegerModel(model.integer.weights, own.secret.values)
        trace = integer.run(windows.history, windows.steps, windows.exogenous)
        if home.sealed(day) is None:
            values = tuple(int(v) for v in trace.forecast[0])
            home.seal(day, SealedForecast(values, commitment.random_blinding()))
        sealed = home.sealed(day)
        assert sealed is not None  # sealed just now
        window = commitment.add([signed.commitment for signed, _ in week])
        committed = commitment.commit_forecast(sealed.values, sealed.blinding)
        statement = inference.Statement(
            self.context(day, model.round), model.commitment, (day,), (window,), trace.steps, trace.exogenous,
            (committed,), None if own is None else own.rows,
        )  # fmt: skip
        blinding = sum(opening.blinding for _, opening in week) % MODULUS
        secrets = inference.Secrets((blinding,), (sealed.blinding,), None if own is None else own.secret)
        return Job(statement, trace, model.integer.weights, secrets), [signed for signed, _ in week]

    def _head_in_force(self, day: int, number: int) -> OwnHead | None:
        note = read_note(self.home.folder, number)
        if note is None or not note.is_in_force(int(self.clock.start_of(day).timestamp())):
            return None
        return read_head(self.home.folder, note)

    def is_measured(self, day: int) -> bool:
        """Whether the home has, signed or still to be signed, the readings of a day and of the one a week before."""
        return all(self._has_day(d) for d in (day, day - skill.SEASON_DAYS))

    def _has_day(self, day: int) -> bool:
        if day in self.home.vault.days(self.home.wallet.address):
            return True
        return int(self.readings["ds"].isin(self.clock.hours(day)).sum()) == commitment.DAY_HOURS

    def claim(self, day: int, round_number: int) -> ClaimBundle | None:
        """The proof of a day's skill at the best tier it reaches; None when the forecast lost to the naive one.

        Raises DataError when the day was not forecast or not measured.
        """
        sealed = self.home.sealed(day)
        if sealed is None:
            raise DataError(f"{self.home.name} has no forecast of day {day}")
        (actual, actual_opening), (naive, naive_opening) = (
            self.signed_day(d) for d in (day, day - skill.SEASON_DAYS)
        )
        secrets = skill.Secrets(
            sealed.values, actual_opening.readings, naive_opening.readings,
            sealed.blinding, actual_opening.blinding, naive_opening.blinding,
        )  # fmt: skip
        tier = skill.best_tier(secrets)
        if tier < 0:
            return None
        committed = commitment.commit_forecast(sealed.values, sealed.blinding)
        context = self.context(day, round_number)
        statement = skill.Statement(context, committed, actual.commitment, naive.commitment, tier)
        return ClaimBundle(
            context=ContextPart.of(context),
            meter=self.home.meter.address,
            tier=tier,
            forecast=to_hex(committed),
            actual=SignedDayPart.of(actual),
            naive=SignedDayPart.of(naive),
            proof=to_hex(skill.prove(statement, secrets)),
        )

    def bundle(self, job: Job, week: list[SignedDay], proof: bytes) -> InferenceBundle:
        """All that is needed to check the proof."""
        statement = job.statement
        return InferenceBundle(
            context=ContextPart.of(statement.context),
            meter=self.home.meter.address,
            weights=WeightsPart.of(statement.weights),
            personal=[to_hex(row) for row in statement.personal or ()],
            history=[SignedDayPart.of(s) for s in week],
            steps=statement.steps[0].tolist(),
            exogenous=statement.exogenous[0].tolist(),
            forecast=to_hex(statement.forecasts[0]),
            proof=to_hex(proof),
        )


def open_home(config: Config, name: str) -> OpenHome:
    """The household of this gateway, from its own settings. Raises DataError if its readings can't be had."""
    community = load_community(config.data)
    clock = DayClock(config.data.day_start_utc)
    home = Home(name, config.api.homes_dir / name)
    readings, features = readings_of(community.readings, name), public_features(community.weather, clock)
    return OpenHome(home, readings, features, clock, config.community.identifier)


@dataclass(frozen=True)
class ProofFolder:
    """Proofs on disk: `proofs/DAY/HOME.json`, the bundle, and `proofs/DAY/figures/HOME.json`, what it cost."""

    directory: Path

    def path(self, day: int, home: str) -> Path:
        return self.directory / str(day) / f"{home}.json"

    def read(self, day: int, home: str) -> InferenceBundle | None:
        """A proof made before, or None."""
        path = self.path(day, home)
        return InferenceBundle.model_validate_json(path.read_bytes()) if path.exists() else None

    def figures(self, day: int, home: str) -> ProofFigures | None:
        """What a proof made before cost, or None where that is not known."""
        path = self._figures_path(day, home)
        return ProofFigures(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def write(self, home: str, bundle: InferenceBundle, made: Made) -> ProofFigures:
        """Keep a proof; what it cost."""
        figures, day = ProofFigures(made.prove_s, made.verify_s, len(made.proof), made.peak_mb), bundle.context.day
        write_bytes(self._figures_path(day, home), json.dumps(asdict(figures)).encode())
        write_bytes(self.path(day, home), encode(bundle))
        return figures

    def _figures_path(self, day: int, home: str) -> Path:
        return self.directory / str(day) / "figures" / f"{home}.json"
