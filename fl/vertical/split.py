"""Split learning (Vepakomma et al., 2018): the partner's part gives a few values an hour, the home's the forecast.

    partner   cut = clip(MLP(columns of the hour)) + noise                                     [days, 24, cut]
    home      forecast = meter-only forecast + MLP(LSTM state, meter-only forecast, cut)       [days, 24, 2]

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
from forecasting.model import SCALE_UNIT, LoadForecaster

_WIDTH = 16
OUTPUTS = 2
_BASE_RATE = 0.1
"""Of the learning rate, for the meter-only part: it comes trained."""


class PartnerPart(nn.Module):
    """Columns of an hour (standardised) -> its cut, of L2 norm at most `norm`."""

    def __init__(self, columns: int, cut: int, norm: float, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.layers = nn.Sequential(nn.Linear(columns, _WIDTH), nn.Tanh(), nn.Linear(_WIDTH, cut))
        self.norm = norm

    def forward(self, columns: Tensor) -> Tensor:
        return clipped(self.layers(columns), self.norm)


class HomePart(nn.Module):
    """The forecaster, and beside it what the partner's values change."""

    def __init__(self, forecaster: LoadForecaster, cut: int, seed: int) -> None:
        super().__init__()
        self.forecaster = forecaster
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            last = nn.Linear(_WIDTH, OUTPUTS)
            self.top = nn.Sequential(nn.Linear(forecaster.shape.hidden + OUTPUTS + cut, _WIDTH), nn.Tanh(), last)
            nn.init.zeros_(last.bias)
            nn.init.normal_(
                last.weight, std=0.01
            )  # the first forecasts are the meter's; all zero would stop the partner

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
        change = self.top(torch.cat([hidden, alone, cut], dim=2))
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
