"""The float forecaster: an LSTM that goes along the hours ahead, beside a linear path from the week's lags.

Loads are relative to the home's own scale, taken from its own window, so that one model serves every home:

    S = 2048 + sum(history) Wh,  x = history * 128 / S,
    typical[k] = head[k] . [LSTM state at hour k, x, exogenous],  mean[k] = mean[k] . [x, exogenous],
    y = ((1 - share) typical + share median, mean) * S / 128 Wh.

`head` is trained for the absolute error: a home's typical hour, near the median. `mean` is linear and trained for the
squared error. Medians don't add up to the community's median; means add up to its mean. So a forecast has both: a
home is judged by its typical hours, the community's forecast is the sum of the means (docs/accuracy.md).

A step of the LSTM belongs to an hour of the day. It sees min(x, 8) at that hour on each of the last seven days, the
last three hours before the origin, and the public features of the hour to be forecast. With more than 24 steps it has
gone through the days before in the same way.

`median` is that of the same hour on the week's seven days. It is mixed into the typical hours after training
(`forecasting.local_model.Outputs`), by a share that the settings name.

Both start as the mean of the last seven days, so that training learns what is left. `project` keeps the weights
inside the L1 bounds under which the integer model (`forecasting.integer`) cannot leave its ranges.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from data.windows import Windows
from forecasting.local_model import Outputs
from forecasting.parameters import LOAD_LIMIT, SCALE_FLOOR_WH, SCALE_UNIT, initial, project
from forecasting.shape import HISTORY, HOURS, ModelShape


def tensors(windows: Windows) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """history, steps, exogenous, target as float32 tensors."""
    return (
        torch.from_numpy(windows.history.astype(np.float32)),
        torch.from_numpy(windows.steps),
        torch.from_numpy(windows.exogenous),
        torch.from_numpy(windows.target.astype(np.float32)),
    )


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
        with torch.random.fork_rng():  # the modules draw, and their draws are replaced
            self.lstm = nn.LSTM(shape.features, shape.hidden, shape.layers, batch_first=True)
            self.head = nn.Linear(shape.head_inputs, HOURS)
            self.mean = nn.Linear(shape.head_inputs - shape.hidden, HOURS)
        self.load_state_dict({name: torch.from_numpy(array) for name, array in initial(shape, seed).items()})

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
        """Outputs [B, 48], typical hours without medians, and means, relative to the scale: times S / 128 in Wh."""
        hidden, shared, _ = self.inputs(history, steps, exogenous)
        return torch.cat(self.read(hidden, shared), dim=1)

    @torch.no_grad()
    def outputs(self, windows: Windows) -> Outputs:
        """The forecasts of windows and what they are made of, as arrays."""
        history, steps, exogenous, _ = tensors(windows)
        hidden, shared, scale = self.inputs(history, steps, exogenous)
        typical, mean = self.read(hidden, shared)
        return Outputs(
            hidden.numpy(), shared.numpy(), scale.numpy(), typical.numpy(), mean.numpy(), self.shape.median
        )

    def project(self) -> None:
        """`forecasting.parameters.project`: the tensors share their memory with the arrays."""
        project({name: parameter.detach().numpy() for name, parameter in self.named_parameters()}, self.shape)
