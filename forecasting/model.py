"""The float forecaster: an LSTM over the last hours beside a linear path from the week's lags, 24 hours ahead.

Loads are relative to the home's own scale, taken from its own window, so that one model serves every home:

    S = 2048 + sum(history) Wh,  x = history * 128 / S,  out = head([LSTM(min(x, 8), features), x, exogenous]),
    y = out * S / 128 Wh.

The head starts as the mean of the last seven days, so that training learns what is left. `project` keeps the weights
inside the L1 bounds under which the integer model (`forecasting.integer`) cannot leave its ranges.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from data.features import DAY_FEATURES, STEP_FEATURES
from forecasting.settings import ModelSettings

HISTORY = 168
HOURS = 24
SCALE_FLOOR_WH = 2048.0
SCALE_UNIT = 128.0
LOAD_LIMIT = 8.0
FEATURE_LIMIT = 2.0
_GATE_BOUND, _CANDIDATE_BOUND = 15.8, 7.9  # a little under 16 and 8, for the rounding of the weights


@dataclass(frozen=True)
class ModelShape:
    """Sizes: LSTM steps, features of a step (the load first), hidden units, layers, public values of the day."""

    steps: int
    features: int
    hidden: int
    layers: int
    exogenous: int

    @classmethod
    def of(cls, settings: ModelSettings) -> ModelShape:
        return cls(settings.steps, 1 + len(STEP_FEATURES), settings.hidden, settings.layers, DAY_FEATURES)

    @property
    def head_inputs(self) -> int:
        return self.hidden + HISTORY + self.exogenous


class LoadForecaster(nn.Module):
    """LSTM and linear path. Parameters `lstm.*`, `head.weight` [24, H + 168 + E], `head.bias` [24]."""

    def __init__(self, shape: ModelShape, seed: int = 0) -> None:
        super().__init__()
        self.shape = shape
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.lstm = nn.LSTM(shape.features, shape.hidden, shape.layers, batch_first=True)
            self.head = nn.Linear(shape.head_inputs, HOURS)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.weight[:, shape.hidden :] = 0
            self.head.bias.zero_()
            for hour in range(HOURS):
                self.head.weight[hour, shape.hidden + hour : shape.hidden + HISTORY : HOURS] = 1 / 7
        self.project()

    def inputs(self, history: Tensor, steps: Tensor, exogenous: Tensor) -> tuple[Tensor, Tensor]:
        """Head inputs [B, H + 168 + E] and scale [B, 1] Wh of history [B, 168] Wh and public features."""
        scale = SCALE_FLOOR_WH + history.sum(dim=1, keepdim=True)
        load = history * (SCALE_UNIT / scale)
        seen = load[:, HISTORY - self.shape.steps :].clamp(max=LOAD_LIMIT)
        hidden, _ = self.lstm(torch.cat([seen[:, :, None], steps], dim=2))
        return torch.cat([hidden[:, -1], load, exogenous], dim=1), scale

    def forward(self, history: Tensor, steps: Tensor, exogenous: Tensor) -> Tensor:
        """Forecast [B, 24] relative to the scale: multiply by S / 128 for Wh."""
        inputs, _ = self.inputs(history, steps, exogenous)
        out: Tensor = self.head(inputs)
        return out

    @torch.no_grad()
    def project(self) -> None:
        """Scale down each gate row whose worst-case pre-activation exceeds its bound (L1 projection, radially)."""
        hidden = self.shape.hidden
        for layer in range(self.shape.layers):
            inputs = self.lstm.get_parameter(f"weight_ih_l{layer}")
            parts = [inputs, self.lstm.get_parameter(f"weight_hh_l{layer}")]
            biases = [self.lstm.get_parameter(f"bias_{kind}_l{layer}") for kind in ("ih", "hh")]
            reach = torch.ones(inputs.shape[1])
            if layer == 0:
                reach[0], reach[1:] = LOAD_LIMIT, FEATURE_LIMIT
            worst = (inputs.abs() * reach).sum(1) + parts[1].abs().sum(1) + (biases[0] + biases[1]).abs()
            bound = torch.full_like(worst, _GATE_BOUND)
            bound[2 * hidden : 3 * hidden] = _CANDIDATE_BOUND
            shrink = (bound / worst).clamp(max=1)
            for part in parts:
                part.mul_(shrink[:, None])
            for bias in biases:
                bias.mul_(shrink)
