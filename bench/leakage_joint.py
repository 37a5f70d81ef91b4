"""Readings out of all masked sums of a training together, as a coordinator could try to get them.

It has one sum of every round, of the homes that took part in it, and knows the models, the plans, and about how much
each home uses. The gradient of the mean output's public weights is, in each round, a sum over the windows that the
homes drew of their errors times their public features; and an error is linear in the loads of the week before and of
the day. So the sums of all rounds are one linear system in the hourly loads of all homes, in which a window that is
drawn again, or a home that is missing from a round, is one more equation. It is solved for the loads nearest to a
flat week, with as many steps of LSQR (Paige and Saunders, ACM TOMS 1982) as are told: few steps leave out what the
system says little about. Each window's own scale is not known; it is computed anew from the loads found so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, lsqr

from bench.leakage_inversion import FLAT_LOAD, Guess
from bench.local_rounds import SHAPE
from data.day import HOURS_PER_DAY
from data.windows import Windows
from fl.weights import Weights
from forecasting.local_model import mean_decay
from forecasting.parameters import SCALE_FLOOR_WH, SCALE_UNIT
from forecasting.shape import HISTORY
from forecasting.training import mean_weight

Array = NDArray[np.float64]
Positions = NDArray[np.int64]
_SPAN = HISTORY + HOURS_PER_DAY
_LEAST_SINGULAR = 1e-3


@dataclass(frozen=True)
class RoundSeen:
    """A round of gradients: the model `start`, the mean gradient of the homes in it (by parameter), and by home what
    the plan tells of the windows it drew: the hour of the epoch that each day starts at [n], and the public features
    [n, E]. Every home in it draws as many windows."""

    start: Weights = field(repr=False)
    gradient: Weights = field(repr=False)
    hours: dict[str, Positions] = field(repr=False)
    exogenous: dict[str, NDArray[np.float32]] = field(repr=False)


def start_hours(windows: Windows) -> Positions:
    """The hour that each window's day starts at, [n]."""
    return (windows.day - (windows.shift > 0)) * HOURS_PER_DAY + windows.shift


@dataclass(frozen=True)
class Solution:
    """The hourly loads of all homes, [homes, T] from the hour `first` on, in units of a load's usual scale."""

    loads: Array = field(repr=False)
    scales: Array = field(repr=False)
    first: int
    homes: tuple[str, ...]

    def guess(self, home: str, windows: Windows) -> Guess:
        """The loads of some windows of one home, relative to the scale that follows from them."""
        own = self.loads[self.homes.index(home)] / self.scales[self.homes.index(home)]
        spans = np.lib.stride_tricks.sliding_window_view(own, _SPAN)[start_hours(windows) - HISTORY - self.first]
        scale = SCALE_UNIT / (SCALE_FLOOR_WH + spans[:, :HISTORY].sum(axis=1, keepdims=True).clip(0))
        return Guess(spans[:, :HISTORY] * scale, spans[:, HISTORY:] * scale)


def solve(rounds: Sequence[RoundSeen], usual: dict[str, float], steps: int, passes: int = 2) -> Solution:
    """The attack.

    Args:
        usual: about what each home's scale is, Wh (a week's load and the floor).
        passes: how often the windows' scales are computed, each time from the loads found before.
    """
    system = _System(rounds, usual)
    for _ in range(passes):
        system.take_scales()
        system.loads = system.loads + system.nearest(system.observed() - system.forward(system.loads), steps)
    return Solution(system.loads, system.unit, system.first, system.homes)


class _System:
    """The linear system in the loads of all homes, each relative to its home's usual scale."""

    def __init__(self, rounds: Sequence[RoundSeen], usual: dict[str, float]) -> None:
        self.rounds, self.homes = rounds, tuple(sorted(usual))
        every = np.concatenate([hours for seen in rounds for hours in seen.hours.values()])
        self.first = int(every.min()) - HISTORY
        length = int(every.max()) + HOURS_PER_DAY - self.first
        self.unit = SCALE_UNIT / np.array([usual[home] for home in self.homes])
        self.loads: Array = np.full((len(self.homes), length), FLAT_LOAD)
        self._numbers = {home: number for number, home in enumerate(self.homes)}
        self._windows = [self._of_round(seen) for seen in rounds]
        public = np.concatenate([np.concatenate(list(seen.exogenous.values())) for seen in rounds[:20]])
        self._basis = _whitened(np.concatenate([public, np.ones((len(public), 1))], axis=1))
        self._public = [
            np.concatenate([one.exogenous[home] for home in one.hours]).astype(np.float64) for one in rounds
        ]
        self._read = [self._matrix(seen) for seen in rounds]
        self._shape = (len(rounds), HOURS_PER_DAY, self._basis.shape[1])

    def _of_round(self, seen: RoundSeen) -> tuple[Positions, Positions]:
        """The number of each window's home, and where its week begins in the home's loads."""
        homes = np.concatenate([np.full(len(hours), self._numbers[home]) for home, hours in seen.hours.items()])
        return homes, np.concatenate(list(seen.hours.values())) - HISTORY - self.first

    @staticmethod
    def _matrix(seen: RoundSeen) -> Array:
        """From loads of week and day to errors of the means, [24, 192]."""
        weight = seen.start["mean.weight"][:, :HISTORY].astype(np.float64)
        return np.concatenate([weight, -np.eye(HOURS_PER_DAY)], axis=1)

    def _spans(self, number: int, loads: Array) -> Array:
        homes, begins = self._windows[number]
        return np.lib.stride_tricks.sliding_window_view(loads, _SPAN, axis=1)[homes, begins]

    def take_scales(self) -> None:
        """Each window's scale, and how much its means count, by the loads found so far."""
        self._ratios, self._counted = [], []
        for number in range(len(self.rounds)):
            unit = self.unit[self._windows[number][0]]
            week = self._spans(number, self.loads)[:, :HISTORY].sum(axis=1) / unit
            scale = (SCALE_FLOOR_WH + week).clip(SCALE_UNIT / unit / 4, 4 * SCALE_UNIT / unit)
            self._ratios.append((SCALE_UNIT / scale / unit)[:, None])
            self._counted.append(mean_weight(torch.from_numpy(scale)).numpy()[:, None])

    def observed(self) -> Array:
        """What the sums say of public weights and biases, the known pull of the decay taken off, [R, 24, P]."""
        out = np.empty(self._shape)
        for number, seen in enumerate(self.rounds):
            pull = 2 * mean_decay(SHAPE)[HISTORY:] * seen.start["mean.weight"][:, HISTORY:]
            pulled = seen.gradient["mean.weight"][:, HISTORY:] - pull
            both = np.concatenate([pulled, seen.gradient["mean.bias"][:, None]], axis=1).astype(np.float64)
            out[number] = both @ self._basis * len(self._public[number]) * HOURS_PER_DAY / 2
        return out

    def forward(self, loads: Array, known: bool = True) -> Array:
        """What they would say of these loads, [R, 24, P]; `known`: with what public features add to the errors."""
        out = np.empty(self._shape)
        for number, seen in enumerate(self.rounds):
            errors = (self._spans(number, loads) * self._ratios[number]) @ self._read[number].T
            public = self._public[number]
            if known:
                errors += public @ seen.start["mean.weight"][:, HISTORY:].T + seen.start["mean.bias"]
            out[number] = (errors * self._counted[number]).T @ self._in_basis(public)
        return out

    def nearest(self, missing: Array, steps: int) -> Array:
        """What to add to the loads so that the sums say `missing` more, by LSQR."""
        operator = LinearOperator(
            (missing.size, self.loads.size),
            matvec=lambda loads: self.forward(loads.reshape(self.loads.shape), known=False).ravel(),
            rmatvec=lambda told: self.adjoint(told.reshape(missing.shape)).ravel(),
        )
        found = lsqr(operator, missing.ravel(), iter_lim=steps, atol=0, btol=0, conlim=0)[0]
        return np.asarray(found).reshape(self.loads.shape)

    def adjoint(self, told: Array) -> Array:
        """The transpose of `forward` without what is known, [homes, T]."""
        out = np.zeros(self.loads.size)
        for number in range(len(self.rounds)):
            errors = (self._in_basis(self._public[number]) @ told[number].T) * self._counted[number]
            spans = (errors @ self._read[number]) * self._ratios[number]
            homes, begins = self._windows[number]
            place = (homes * self.loads.shape[1] + begins)[:, None] + np.arange(_SPAN)
            out += np.bincount(place.ravel(), spans.ravel(), minlength=out.size)
        return out.reshape(self.loads.shape)

    def _in_basis(self, public: Array) -> Array:
        return np.asarray(public @ self._basis[:-1] + self._basis[-1])


def _whitened(public: Array) -> Array:
    """A basis [P, Q] in which public features of many windows [n, P] are independent and alike in size."""
    _, singular, directions = np.linalg.svd(public / np.sqrt(len(public)), full_matrices=False)
    kept = singular > _LEAST_SINGULAR * singular[0]
    return np.asarray((directions[kept] / singular[kept, None]).T)
