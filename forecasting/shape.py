"""Sizes of the forecaster, and of its parameters. Loads no PyTorch, which provers and verifiers do not need."""

from __future__ import annotations

from dataclasses import dataclass

from data.features import DAY_FEATURES, STEP_FEATURES
from forecasting.settings import MEDIAN_PARTS, ModelSettings

HISTORY = 168
HOURS = 24
OUTPUTS = 2 * HOURS
"""Of a forecast: typical hours, then means."""
LAGS, RECENT = 7, 3
_GATES = 4


@dataclass(frozen=True)
class ModelShape:
    """Sizes: LSTM steps, features of a step, hidden units, layers, public values of the day; how many of the step's
    features are loads of its hour (`lags`) and of the last hours (`recent`), the public ones after them; how many
    days before the forecast day the last reading is (`horizon`); how many sixteenths of the typical hours are the
    median of the same hour on the week's seven days (`median`)."""

    steps: int
    features: int
    hidden: int
    layers: int
    exogenous: int
    lags: int = LAGS
    recent: int = RECENT
    horizon: int = 1
    median: int = 0

    @classmethod
    def of(cls, settings: ModelSettings) -> ModelShape:
        features = LAGS + RECENT + len(STEP_FEATURES)
        return cls(
            settings.steps, features, settings.hidden, settings.layers, DAY_FEATURES, horizon=settings.horizon_days,
            median=round(settings.median_share * MEDIAN_PARTS),
        )  # fmt: skip

    @property
    def head_inputs(self) -> int:
        return self.hidden + HISTORY + self.exogenous

    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter of `forecasting.model.LoadForecaster`."""
        gates = _GATES * self.hidden
        out: dict[str, tuple[int, ...]] = {}
        for layer in range(self.layers):
            inputs = self.hidden if layer else self.features
            out[f"lstm.weight_ih_l{layer}"] = (gates, inputs)
            out[f"lstm.weight_hh_l{layer}"] = (gates, self.hidden)
            out |= {f"lstm.bias_{kind}_l{layer}": (gates,) for kind in ("ih", "hh")}
        out |= {"head.weight": (HOURS, self.head_inputs), "head.bias": (HOURS,)}
        return out | {"mean.weight": (HOURS, self.head_inputs - self.hidden), "mean.bias": (HOURS,)}
