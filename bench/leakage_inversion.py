"""Gradient inversion: readings out of the updates of a federation, as a coordinator could try to get them.

It knows the model, the plan, which windows a home draws by it, and their public features; from a gradient it wants
each window's loads. Two attacks:

- **in closed form** (`read_off`). The gradient of a linear layer is its inputs, weighted by the errors of its outputs
  (Phong et al., IEEE TIFS 2018; Geiping et al., "Inverting Gradients", NeurIPS 2020, proposition 3.1). Both heads
  read the public features, too, which are known: they give the errors, these the loads, and the errors again the day.
- **by matching** (`match`). Made-up loads and days are changed until their gradient points in the direction of the
  update (Zhu et al., "Deep Leakage from Gradients", NeurIPS 2019, with the cosine of Geiping et al.).

Loads are in units of the home's own scale, times 128 (`forecasting.model`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from data.day import HOURS_PER_DAY
from data.windows import Windows
from fl.task import HomeLearner
from fl.weights import Weights, to_state_dict
from forecasting.local_model import LINEAR_DECAY, mean_decay
from forecasting.model import LoadForecaster
from forecasting.parameters import SCALE_FLOOR_WH, SCALE_UNIT, mean_of_days
from forecasting.shape import HISTORY, HOURS, ModelShape
from forecasting.training import mean_weight, objective

Array = NDArray[np.float64]
FLAT_LOAD = 0.98 * SCALE_UNIT / HISTORY
"""A load as in the mean of a week, which an attacker begins with."""
_LEAST_SINGULAR = 1e-3


@dataclass(frozen=True)
class Observed:
    """What a coordinator has of a round: the model `start`, the mean gradient of `homes` homes that sent the same
    number of windows each (float64, by parameter), the public features of those windows, [n, T, F] and [n, E], and
    the scale of each one's home, [n] Wh, which a bill tells; the first home's first."""

    start: Weights = field(repr=False)
    gradient: Weights = field(repr=False)
    steps: NDArray[np.float32] = field(repr=False)
    exogenous: NDArray[np.float32] = field(repr=False)
    scale: Array = field(repr=False)
    homes: int

    @property
    def windows(self) -> int:
        return len(self.exogenous)


@dataclass(frozen=True)
class Guess:
    """Loads of the week before [n, 168] and of the day [n, 24], relative to the home's scale."""

    week: Array = field(repr=False)
    day: Array = field(repr=False)

    def part(self, first: int, count: int) -> Guess:
        """Of `count` windows."""
        return Guess(self.week[first : first + count], self.day[first : first + count])


def read_off(seen: Observed) -> Guess:
    """The attack in closed form: exact for as many windows as there are independent public features, and errors of
    outputs; for more, the solution of least norm."""
    hidden = seen.start["head.weight"].shape[1] - seen.start["mean.weight"].shape[1]
    of_typical, of_mean = _without_decay(seen, hidden)
    public = np.concatenate([seen.exogenous, np.ones((seen.windows, 1))], axis=1).astype(np.float64)
    loads, features = (np.concatenate(both) for both in zip(of_typical, of_mean, strict=True))
    errors = features @ np.linalg.pinv(public, rcond=_LEAST_SINGULAR)
    flat = np.full((seen.windows, HISTORY), FLAT_LOAD)
    week = flat + np.linalg.pinv(errors, rcond=_LEAST_SINGULAR) @ (loads - errors @ flat)
    read = np.concatenate([week, seen.exogenous], axis=1)
    mean = read @ seen.start["mean.weight"].astype(np.float64).T + seen.start["mean.bias"]
    counted = mean_weight(torch.from_numpy(_scales(week, seen.scale))).numpy()
    return Guess(week, mean - errors[HOURS:].T * (seen.windows * HOURS / 2) / counted[:, None])


def _scales(week: Array, usual: Array) -> Array:
    """Each window's own scale, [n] Wh, by the sum of its loads (a floor of 2,048 Wh is missing from them); where that
    is impossible for any of them, the weeks are not what they should be, and the homes' usual scales are likelier."""
    missing = 1 - week.sum(axis=1) / SCALE_UNIT
    own = SCALE_FLOOR_WH / np.where(missing > 0, missing, np.inf)
    return own if ((own > usual / 4) & (own < 4 * usual)).all() else usual


def _without_decay(seen: Observed, hidden: int) -> list[tuple[Array, Array]]:
    """By output, the gradient of its loads [24, 168], and of its public features and bias [24, E + 1]; the known pull
    of the decay taken off."""
    shape = _shape(seen)
    own, of_mean = mean_of_days(shape).astype(np.float64), mean_decay(shape)
    out = []
    for name, first, decay in (("head", hidden, LINEAR_DECAY), ("mean", 0, of_mean)):
        linear = seen.start[f"{name}.weight"][:, first:].astype(np.float64)
        pulled = seen.gradient[f"{name}.weight"][:, first:] - 2 * decay * (linear - own)
        bias = seen.gradient[f"{name}.bias"][:, None]
        out.append((pulled[:, :HISTORY], np.concatenate([pulled[:, HISTORY:], bias], axis=1)))
    return out


def match(seen: Observed, huber: float, iterations: int, rate: float = 0.05, seed: int = 0) -> Guess:
    """The attack by matching, from loads that are all alike; double precision, for gradients of gradients."""
    shape = _shape(seen)
    model = LoadForecaster(shape).double()
    model.load_state_dict(to_state_dict(seen.start))
    names = [name for name, _ in model.named_parameters()]
    wanted = [torch.from_numpy(np.asarray(seen.gradient[name], dtype=np.float64)) for name in names]
    length = torch.sqrt(sum(((part**2).sum() for part in wanted), torch.zeros(())))
    steps, exogenous = (torch.from_numpy(part).double() for part in (seen.steps, seen.exogenous))
    generator = torch.Generator().manual_seed(seed)
    made_up = [
        (1 + 0.1 * torch.randn(seen.windows, hours, generator=generator, dtype=torch.float64)).requires_grad_()
        for hours in (HISTORY, HOURS_PER_DAY)
    ]
    optimiser = torch.optim.Adam(made_up, rate)
    for _ in range(iterations):
        history, target = (1000 * part.clamp(min=0) for part in made_up)
        loss = objective(model, (history, steps, exogenous, target), huber)
        found = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
        along = sum(((a * b).sum() for a, b in zip(found, wanted, strict=True)), torch.zeros(()))
        own = torch.sqrt(sum(((part**2).sum() for part in found), torch.zeros(())))
        optimiser.zero_grad()
        (1 - along / (own * length)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    history, target = (1000 * part.detach().clamp(min=0) for part in made_up)
    scale = SCALE_UNIT / (SCALE_FLOOR_WH + history.sum(dim=1, keepdim=True))
    return Guess((history * scale).numpy(), (target * scale).numpy())


@dataclass(frozen=True)
class Recovered:
    """How near the attack came to the days of one home. `correlation`: of the hours' departures from the home's
    average day, which guessing that day scores 0 by; `nmae`: absolute error over mean load; `guess_nmae`: the same of
    guessing the home's average day."""

    correlation: float
    nmae: float
    guess_nmae: float


def average_day(home: HomeLearner) -> Array:
    """[24], relative to the home's scale."""
    days = home.train.at_day_start()
    scale = SCALE_UNIT / (SCALE_FLOOR_WH + days.history.sum(axis=1, keepdims=True))
    return np.asarray((days.target * scale).mean(axis=0))


def recovered(guess: Guess, truth: Windows, average_day: Array) -> Recovered:
    """How near a guess of some windows of one home is to what they were.

    Args:
        average_day: [24] of the home, relative to its scale, from the start of a day.
    """
    day = truth.target * SCALE_UNIT / (SCALE_FLOOR_WH + truth.history.sum(axis=1, keepdims=True))
    usual = np.stack([np.roll(average_day, -int(shift)) for shift in truth.shift])
    found = guess.day
    correlation = np.corrcoef((found - usual).ravel(), (day - usual).ravel())[0, 1]
    errors = (float(np.abs(one - day).sum() / day.sum()) for one in (found, usual))
    return Recovered(float(correlation), *errors)


def _shape(seen: Observed) -> ModelShape:
    units = seen.start["lstm.weight_hh_l0"].shape[1]
    layers = sum(name.startswith("lstm.weight_hh") for name in seen.start)
    features = seen.start["lstm.weight_ih_l0"].shape[1]
    return ModelShape(seen.steps.shape[1], features, units, layers, seen.exogenous.shape[1])
