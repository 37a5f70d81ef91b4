"""The float forecaster: an LSTM that goes along the hours ahead, beside a linear path from the week's lags.

Loads are relative to the home's own scale, taken from its own window, so that one model serves every home:

    S = 2048 + sum(history) Wh,  x = history * 128 / S,
    typical[k] = head[k] . [LSTM state at hour k, x, exogenous],  mean[k] = mean[k] . [x, exogenous],
    y = (typical, mean) * S / 128 Wh.

`head` is trained for the absolute error: a home's typical hour, near the median. `mean` is linear and trained for the
squared error. Medians don't add up to the community's median; means add up to its mean. So a forecast has both: a
home is judged by its typical hours, the community's forecast is the sum of the means (docs/accuracy.md).

A step of the LSTM belongs to an hour of the day. It sees min(x, 8) at that hour on each of the last seven days, the
last three hours before the origin, and the public features of the hour to be forecast. With more than 24 steps it has
gone through the days before in the same way.

Both start as the mean of the last seven days, so that training learns what is left. `project` keeps the weights
inside the L1 bounds under which the integer model (`forecasting.integer`) cannot leave its ranges.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecasting.shape import HISTORY, HOURS, ModelShape

SCALE_FLOOR_WH = 2048.0
SCALE_UNIT = 128.0
LOAD_LIMIT = 8.0
FEATURE_LIMIT = 2.0
_FORGET_BIAS = 3.0
_GATE_BOUND, _CANDIDATE_BOUND = 15.6, 7.8
"""Under 16 and 8 by what rounding the weights can add: at most 8 / 256 for each of 10 loads, 2 / 2,048 for each of 6
public features and 1 / 2,048 for each of 64 hidden units, 0.35 together (twice the weights of the candidate)."""


def remember_at_first(lstm: nn.LSTM, layer: int, hidden: int) -> None:
    """Set the forget gates' biases from 0.9 to 3, unit by unit, so that memories of different lengths start out open
    (Jozefowicz, Zaremba and Sutskever, ICML 2015: with a bias of zero an LSTM forgets within a few hours)."""
    gate = slice(hidden, 2 * hidden)
    lstm.get_parameter(f"bias_ih_l{layer}")[gate] = _FORGET_BIAS * torch.linspace(0.3, 1, hidden)
    lstm.get_parameter(f"bias_hh_l{layer}")[gate] = 0


def mean_of_days(shape: ModelShape) -> Tensor:
    """The linear path [24, 168 + E] that forecasts each hour as its mean over the last seven days."""
    out = torch.zeros(HOURS, HISTORY + shape.exogenous)
    for hour in range(HOURS):
        out[hour, hour:HISTORY:HOURS] = HOURS / HISTORY
    return out


def apply_head(weight: Tensor, bias: Tensor, hidden: Tensor, shared: Tensor) -> Tensor:
    """Outputs [B, 24] of a head: weight [24, H + 168 + E], bias [24], inputs as of `LoadForecaster.inputs`."""
    own = (hidden * weight[:, : hidden.shape[2]]).sum(dim=2)
    return own + shared @ weight[:, hidden.shape[2] :].T + bias


class LoadForecaster(nn.Module):
    """LSTM and output heads. Parameters `lstm.*`, `head.weight` [24, H + 168 + E], `head.bias` [24], `mean.weight`
    [24, 168 + E], `mean.bias` [24]."""

    def __init__(self, shape: ModelShape, seed: int = 0) -> None:
        super().__init__()
        self.shape = shape
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.lstm = nn.LSTM(shape.features, shape.hidden, shape.layers, batch_first=True)
            self.head = nn.Linear(shape.head_inputs, HOURS)
            self.mean = nn.Linear(shape.head_inputs - shape.hidden, HOURS)
        with torch.no_grad():
            for layer in range(shape.layers):
                remember_at_first(self.lstm, layer, shape.hidden)
            self.head.weight[:, : shape.hidden] = 3 * self.head.weight[:1, : shape.hidden]  # every hour the same
            self.head.weight[:, shape.hidden :] = mean_of_days(shape)
            self.mean.weight.copy_(mean_of_days(shape))
            self.head.bias.zero_()
            self.mean.bias.zero_()
        self.project()

    def inputs(self, history: Tensor, steps: Tensor, exogenous: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden states [B, 24, H] that the hours read, what they share [B, 168 + E], and the scale [B, 1] Wh, of
        history [B, 168] Wh and public features."""
        scale = SCALE_FLOOR_WH + history.sum(dim=1, keepdim=True)
        load = history * (SCALE_UNIT / scale)
        hidden, _ = self.lstm(torch.cat([self._step_loads(load.clamp(max=LOAD_LIMIT)), steps], dim=2))
        return hidden[:, self.shape.steps - HOURS :], torch.cat([load, exogenous], dim=1), scale

    def _step_loads(self, load: Tensor) -> Tensor:
        """[B, T, lags + recent], as `zkp.lstm.integer_model.step_loads`."""
        steps, recent = self.shape.steps, self.shape.recent
        past = HOURS * (self.shape.lags - 1)
        padded = nn.functional.pad(load, (max(0, steps + past - HISTORY), 0))  # zeros before the window
        end = padded.shape[1]
        lags = [padded[:, end - steps - HOURS * k : end - HOURS * k] for k in range(self.shape.lags)]
        last = [load[:, HISTORY - 1 - k, None].expand(-1, steps) for k in range(recent)]
        return torch.stack([*lags, *last], dim=2)

    def read(self, hidden: Tensor, shared: Tensor) -> tuple[Tensor, Tensor]:
        """Both outputs, [B, 24] each: typical, mean; arguments as of `inputs`."""
        return apply_head(self.head.weight, self.head.bias, hidden, shared), self.mean(shared)

    def forward(self, history: Tensor, steps: Tensor, exogenous: Tensor) -> Tensor:
        """Forecast [B, 48], typical hours and means, relative to the scale: multiply by S / 128 for Wh."""
        hidden, shared, _ = self.inputs(history, steps, exogenous)
        return torch.cat(self.read(hidden, shared), dim=1)

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
                loads = self.shape.lags + self.shape.recent
                reach[:loads], reach[loads:] = LOAD_LIMIT, FEATURE_LIMIT
            worst = (inputs.abs() * reach).sum(1) + parts[1].abs().sum(1) + (biases[0] + biases[1]).abs()
            bound = torch.full_like(worst, _GATE_BOUND)
            bound[2 * hidden : 3 * hidden] = _CANDIDATE_BOUND
            shrink = (bound / worst).clamp(max=1)
            for part in parts:
                part.mul_(shrink[:, None])
            for bias in biases:
                bias.mul_(shrink)
