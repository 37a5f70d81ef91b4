"""Membership inference: was this day of a home among those that the model was trained on?

The test by a threshold on the loss (Yeom et al., "Privacy Risk in Machine Learning", CSF 2018), and the same with the
day's difficulty taken off, the loss of the model that the training started from (Watson et al., "On the Importance of
Difficulty Calibration in Membership Inference Attacks", ICLR 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from data.windows import Windows
from fl.weights import Weights, to_state_dict
from forecasting.model import LoadForecaster, tensors
from forecasting.parameters import SCALE_UNIT
from forecasting.shape import ModelShape

Array = NDArray[np.float64]
_FEW_FALSE = 0.01


@dataclass(frozen=True)
class Membership:
    """How well members are told from others: `auc` (0.5: by chance), Yeom's `advantage` (0: none), and the share of
    members found while 1 % of the others are taken for members."""

    auc: float
    advantage: float
    found_at_1_percent: float


def losses(weights: Weights, windows: Windows, shape: ModelShape) -> Array:
    """Each window's absolute error of the typical hours and squared one of the means, [n], relative to the scale."""
    model = LoadForecaster(shape)
    model.load_state_dict(to_state_dict(weights))
    history, steps, exogenous, target = tensors(windows)
    with torch.no_grad():
        hidden, shared, scale = model.inputs(history, steps, exogenous)
        typical, mean = model.read(hidden, shared)
        day = target * (SCALE_UNIT / scale)
        out = (typical - day).abs().mean(dim=1) + ((mean - day) ** 2).mean(dim=1)
    return np.asarray(out.numpy(), dtype=np.float64)


def told_apart(of_members: Array, of_others: Array) -> Membership:
    """By scores that are higher for members, [n] and [m]."""
    order = np.argsort(-np.concatenate([of_members, of_others]), kind="stable")
    is_member = np.concatenate([np.ones(len(of_members)), np.zeros(len(of_others))])[order]
    found = np.concatenate([[0], np.cumsum(is_member) / len(of_members)])
    false = np.concatenate([[0], np.cumsum(1 - is_member) / len(of_others)])
    return Membership(
        auc=float(np.trapezoid(found, false)),
        advantage=float((found - false).max()),
        found_at_1_percent=float(found[false <= _FEW_FALSE].max()),
    )
