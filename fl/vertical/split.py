"""Split learning (Vepakomma et al., 2018): the partner's part gives a few values an hour, the home's the forecast.

    partner   cut = clip(net(columns of the hour)) + noise                                     [days, 24, cut]
    home      forecast = meter-only forecast + net(LSTM state, meter-only forecast, cut)       [days, 24, 2]

A net is a layer of 16 units beside a linear path, for what is booked mostly adds to the load. The home's gives
kilowatts, for the partner knows nothing of the home's scale.

The labels are at the home: it computes the loss, and gives back the gradient of the cut, clipped and with noise.
Without the partner's values the second term is left out, so what remains is the meter-only forecast; on some of the
days a home learns without them (modality dropout, Neverova et al., 2016), so that it keeps its worth.

A forecast has the typical hours and the means, both relative to the home's scale, as in `forecasting.model`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fl.dp.noise import gaussian
from forecasting.model import LoadForecaster
from forecasting.parameters import SCALE_UNIT

_WIDTH = 16
_START = 0.1
_WH_PER_KWH = 1000.0
OUTPUTS = 2
_BASE_RATE = 0.01
"""Of the learning rate, for the meter-only part: it comes trained."""


class Net(nn.Module):
    """A layer of tanh units and a linear path: [..., inputs] -> [..., outputs]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.straight = nn.Linear(inputs, outputs)
        self.bent = nn.Sequential(nn.Linear(inputs, _WIDTH), nn.Tanh(), nn.Linear(_WIDTH, outputs, bias=False))

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.straight(inputs) + self.bent(inputs)
        return out


class PartnerPart(nn.Module):
    """Columns of an hour (standardised) -> its cut, of L2 norm at most `norm`."""

    def __init__(self, columns: int, cut: int, norm: float, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.net = Net(columns, cut)
        self.norm = norm

    def forward(self, columns: Tensor) -> Tensor:
        return clipped(self.net(columns), self.norm)


class HomePart(nn.Module):
    """The forecaster, and beside it what the partner's values change."""

    def __init__(self, forecaster: LoadForecaster, cut: int, seed: int) -> None:
        super().__init__()
        self.forecaster = forecaster
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.top = Net(forecaster.shape.hidden + OUTPUTS + cut, OUTPUTS)
        with torch.no_grad():  # almost the meter's forecast; nothing at all would teach the partner nothing
            for parameter in self.top.parameters():
                parameter.mul_(_START)

    def forward(
        self, history: Tensor, steps: Tensor, exogenous: Tensor, cut: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Forecast [B, 24, 2], typical hours and means, relative to the scale, and the scale [B, 1] Wh.

        Args:
            history, steps, exogenous: as for `LoadForecaster`.
            cut: [B, 24, cut]; present: bool [B], whether the day has the partner's values.
        """
        hidden, shared, scale = self.forecaster.inputs(history, steps, exogenous)
        alone = torch.stack(self.forecaster.read(hidden, shared), dim=2)
        change = self.top(torch.cat([hidden, alone, cut], dim=2)) * (_WH_PER_KWH * SCALE_UNIT / scale)[:, :, None]
        return alone + torch.where(present[:, None, None], change, torch.zeros_like(change)), scale

    def rates(self, learning_rate: float) -> list[dict[str, object]]:
        """What an optimiser is given: the forecaster moves slowly."""
        return [
            {"params": list(self.top.parameters()), "lr": learning_rate},
            {"params": list(self.forecaster.parameters()), "lr": learning_rate * _BASE_RATE},
        ]


def loss_of(forecast: Tensor, target: Tensor, scale: Tensor, huber: float) -> Tensor:
    """Losses [B, 24] of a forecast [B, 24, 2]: Huber's of the typical hour and the squared one of the mean.

    `target`: [B, 24] Wh; `scale`: [B, 1] Wh.
    """
    relative = target * (SCALE_UNIT / scale)
    typical = functional.huber_loss(forecast[:, :, 0], relative, delta=huber, reduction="none") / huber
    return typical + functional.mse_loss(forecast[:, :, 1], relative, reduction="none")


def clipped(values: Tensor, norm: float) -> Tensor:
    """Values [..., k], each row shortened to L2 norm `norm` if it is longer."""
    length = values.norm(dim=-1, keepdim=True)
    short: Tensor = values * (norm / length.clamp(min=norm))
    return short


def noised(values: Tensor, stddev: float) -> Tensor:
    """With Gaussian noise from the operating system's randomness; as they are for 0."""
    if stddev == 0:
        return values
    noise = torch.from_numpy(gaussian(values.numel())).reshape(values.shape)
    return values + (stddev * noise).to(values.dtype)
