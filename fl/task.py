"""Model and data of a home, beside the thin apps: the home's windows, training, and scores.

A home's windows are stored in one .npz. In a simulation that is one file per home in a folder, opened by whichever
worker simulates the home; on a gateway the agent holds them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.windows import Windows
from fl.one_shot.fixed_point import Ints
from fl.one_shot.home import own_sums
from fl.one_shot.plan import OneShotPlan
from fl.plan import LocalPlan
from fl.weights import Weights, digest_of, load, save
from forecasting import parameters
from forecasting.generator import Generator
from forecasting.integer import quantise
from forecasting.local_model import LocalModel, OpenModel
from forecasting.numpy_forecaster import NumpyForecaster
from forecasting.personal import fit_home_head
from forecasting.settings import ForecastingSettings
from forecasting.shape import HOURS, ModelShape


@dataclass(frozen=True, repr=False)
class HomeLearner:
    """One home, able to train the community's model on its own days and to score it (a `client_app.Learner`).

    Args:
        open_model: what trains it; on a gateway NumPy.
        secret: with one, nobody else can tell which days are in a gradient, or in which order days are learnt: who
            knows that, and the sums of all rounds, computes the readings (`bench.leakage_joint`). Without one, draws
            follow from the plan, as a simulation's do.

    Its repr shows nothing of the readings.
    """

    home: str
    train: Windows
    validation: Windows
    shape: ModelShape
    huber: float
    open_model: OpenModel = NumpyForecaster
    secret: bytes = b""

    def __repr__(self) -> str:
        return f"HomeLearner({self.home!r}, {self.examples} days)"

    @property
    def examples(self) -> int:
        return self.train.days

    def fit(self, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
        """Train from `weights` on the home's days; `loss` is the last epoch's mean. The same weights, plan and secret
        give the same result.

        A plan for a gradient gives `weights` minus the mean gradient of a batch, drawn anew in each round.
        """
        model = self.open_model(self.shape, weights)
        if plan.gradient:
            loss = model.step_down(self.drawn(plan, weights), self.huber)
        else:
            loss = model.train(
                self.train,
                epochs=plan.epochs,
                learning_rate=plan.learning_rate,
                batch=plan.batch_days,
                huber=self.huber,
                seed=_seed(self._drawn_by(plan, weights)),
                proximal_mu=plan.proximal_mu,
            )
        return model.weights(), {"loss": loss}

    def drawn(self, plan: LocalPlan, weights: Weights) -> Windows:
        """The windows whose gradient the plan asks for, drawn anew in each round."""
        mask = np.zeros(len(self.train), dtype=np.bool_)
        mask[self._order(plan, weights)[: plan.batch_days]] = True
        return self.train.where(mask)

    def _order(self, plan: LocalPlan, weights: Weights) -> NDArray[np.int64]:
        """The home's windows, shuffled. The seeds of `Generator` have 32 bits, too few for a secret."""
        drawn_by = self._drawn_by(plan, weights)
        if not self.secret:
            return Generator(_seed(drawn_by)).permutation(len(self.train))
        drawn = hashlib.shake_256(drawn_by).digest(8 * len(self.train))
        return np.argsort(np.frombuffer(drawn, dtype="<u8"), kind="stable")

    def _drawn_by(self, plan: LocalPlan, weights: Weights) -> bytes:
        """What the round's draws follow from: another one for each home and round, the same on every machine.

        With a secret, of another size of the batch or from another model, too: a coordinator may ask for a round
        again, and two gradients would show the day that is in one of them only, or how those of the same days differ.
        """
        told = f"{plan.seed}/{plan.round}/{self.home}".encode()
        if not self.secret:
            return hashlib.sha256(told).digest()
        return hmac.digest(self.secret, told + b"/%d/" % plan.batch_days + digest_of(weights), "sha256")

    def evaluate(self, weights: Weights) -> dict[str, float]:
        """`loss`, and `nmae`: mean absolute error of the typical hours over mean load, both of the days kept out of
        training."""
        if len(self.validation) == 0:
            return {}
        model = self.open_model(self.shape, weights)
        error = np.abs(model.forecast(self.validation)[:, :HOURS] - self.validation.target)
        return {
            "loss": model.loss(self.validation, self.huber),
            "nmae": float(error.mean() / max(1.0, self.validation.target.mean())),
        }

    def sums(self, plan: OneShotPlan) -> tuple[Ints, int]:
        """The home's part of a one-shot training (`fl.one_shot.home.own_sums`), and its last day.

        Raises StatisticsRefused where it has too few days.
        """
        return own_sums(self.train, plan), int(self.train.day.max(initial=0))

    def personal_head(self, weights: Weights, settings: ForecastingSettings) -> NDArray[np.int64] | None:
        """The home's personal head beside a round's model, in fixed point [48, loads and hidden state]; None where it
        has none.

        Raises QuantisationError for one whose outputs could leave their range.
        """
        head = fit_home_head(self.open_model(self.shape, weights), self.train, settings)
        if head is None:
            return None
        return quantise(weights, self.shape, head.as_mapping()).personal_head


@dataclass(frozen=True)
class HomeFolder:
    """Opens homes from the files `write_homes` made: what a simulation's workers are given instead of the data. They
    train by PyTorch."""

    directory: Path
    shape: ModelShape
    huber: float

    def __call__(self, home: str) -> HomeLearner:
        """The learner of one home. Raises FileNotFoundError if the folder has no such home."""
        return _open(self.directory, home, self.shape, self.huber)


def write_homes(directory: Path, train: Windows, validation: Windows) -> list[str]:
    """Write each home's windows to a file of its own; the homes with at least one day to train on, sorted."""
    homes = sorted(str(home) for home in np.unique(train.unique_id))
    for home in homes:
        parts = {"train": train.of_home(home), "validation": validation.of_home(home)}
        save(
            directory / f"{home}.npz",
            {f"{part}.{f.name}": getattr(w, f.name) for part, w in parts.items() for f in fields(w)},
        )
    return homes


def initial_weights(shape: ModelShape, seed: int) -> Weights:
    """The model of round 0."""
    return parameters.initial(shape, seed)


def projection(shape: ModelShape) -> Callable[[Weights], Weights]:
    """Projects a combined model back into the bounds within which it is provable.

    A mean of models within the bounds is within them; a step of the optimiser, a median or added noise need not be.
    """

    def project(weights: Weights) -> Weights:
        out = {name: np.array(array, dtype=np.float32) for name, array in weights.items()}
        parameters.project(out, shape)
        return out

    return project


@lru_cache(maxsize=256)
def _open(directory: Path, home: str, shape: ModelShape, huber: float) -> HomeLearner:
    arrays = load(directory / f"{home}.npz")
    train, validation = (
        Windows(**{f.name: arrays[f"{part}.{f.name}"] for f in fields(Windows)}) for part in ("train", "validation")
    )
    return HomeLearner(home, train, validation, shape, huber, _by_torch)


def _by_torch(shape: ModelShape, weights: Mapping[str, NDArray[Any]]) -> LocalModel:
    """Loads PyTorch with the first training: a gateway has none, and a one-shot training needs none."""
    from forecasting.torch_forecaster import TorchForecaster

    return TorchForecaster(shape, weights)


def _seed(drawn_by: bytes) -> int:
    return int.from_bytes(drawn_by[:7], "big")
