"""The regression twin with few inputs, for differential privacy: every hour of the day by the same 13 inputs.

Noise on the sums grows with the number of inputs, and 201 of them drown in it long before 13 do. What hour k of the
day ahead is forecast from, all of it linear in `load_inputs`: the loads of that hour on each of the last seven days,
the week's mean of the hours before and after it, the last three hours (less and less as k grows), yesterday's mean,
the temperature predicted for the hour, and whether the day is at the weekend. A model of these is a model of the 201.

Targets are what the mean of the hour's last seven days leaves over. So the penalty, which noise makes large, pulls
the forecast towards that mean and not towards a flat day.
"""

from __future__ import annotations

import numpy as np

from data.day import HOURS_PER_DAY
from data.windows import Windows
from fl.one_shot.fixed_point import Floats
from fl.one_shot.load_inputs import load_inputs, load_targets
from fl.one_shot.ridge import RidgeModel
from fl.one_shot.sizes import HOUR_INPUTS, LOAD_BOUND

_DAYS = 7
_HISTORY = _DAYS * HOURS_PER_DAY
_FADING_HOURS = 4.0
_WEEKEND = slice(_HISTORY + HOURS_PER_DAY + 5, _HISTORY + HOURS_PER_DAY + 7)  # Saturday and Sunday among the weekdays


def hour_basis(exogenous: int) -> Floats:
    """[24, 13, 168 + E]: the inputs of hour k are `basis[k] @ x` of the inputs x of `load_inputs`."""
    out = np.zeros((HOURS_PER_DAY, HOUR_INPUTS, _HISTORY + exogenous))
    for hour, rows in enumerate(out):
        before, after = ((hour + k) % HOURS_PER_DAY for k in (-1, 1))
        for day in range(_DAYS):
            rows[day, day * HOURS_PER_DAY + hour] = 1
        rows[7, before:_HISTORY:HOURS_PER_DAY] = 1 / _DAYS
        rows[8, after:_HISTORY:HOURS_PER_DAY] = 1 / _DAYS
        rows[9, _HISTORY - 3 : _HISTORY] = np.exp(-hour / _FADING_HOURS) / 3
        rows[10, _HISTORY - HOURS_PER_DAY : _HISTORY] = 1 / HOURS_PER_DAY
        rows[11, _HISTORY + hour] = 1
        rows[12, _WEEKEND] = 1
    return out


def hour_inputs(windows: Windows) -> Floats:
    """[24 n, 13]: the hours of each window, window after window. Bounded as `load_inputs` are."""
    inputs = load_inputs(windows)
    basis = hour_basis(windows.exogenous.shape[1])
    return np.asarray(np.einsum("kij,nj->nki", basis, inputs).reshape(-1, HOUR_INPUTS))


def hour_targets(windows: Windows) -> Floats:
    """[24 n, 1]: the loads of the same hours, less the means of the last seven days."""
    week = load_inputs(windows)[:, :_HISTORY].reshape(-1, _DAYS, HOURS_PER_DAY)
    return np.asarray(np.clip(load_targets(windows) - week.mean(axis=1), -LOAD_BOUND, LOAD_BOUND).reshape(-1, 1))


def of_all_hours(model: RidgeModel, exogenous: int) -> RidgeModel:
    """A model of one hour (weight [13, 1]) as one of the whole day (weight [168 + E, 24]) of `load_inputs`."""
    own = model.weight[:, 0].copy()
    own[:_DAYS] += 1 / _DAYS
    weight = np.einsum("kij,i->jk", hour_basis(exogenous), own)
    return RidgeModel(np.asarray(weight), np.repeat(model.intercept, HOURS_PER_DAY), model.penalty)
