"""The `forecasting:` part of community.yaml: the model's sizes and how it is trained."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MEDIAN_PARTS = 16
"""A share of the median is a multiple of one in so many (`zkp.lstm.integer_model.MEDIAN_BITS`)."""


class ModelSettings(BaseModel):
    """Sizes of the forecaster. Larger ones forecast little better and take longer to prove."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(
        default=24, ge=24, le=168, description="hours the LSTM runs over; its last 24 give the outputs"
    )
    hidden: int = Field(default=32, ge=4, le=64, description="hidden units of each LSTM layer")
    layers: int = Field(default=1, ge=1, le=2)
    horizon_days: int = Field(
        default=1,
        ge=1,
        le=3,
        description="how many days before the forecast day the last reading is: 1, the day before; 2 or 3 where "
        "readings come a day or two late (docs/horizon.md)",
    )
    median_share: float = Field(
        default=0.25,
        ge=0,
        le=0.5,
        multiple_of=1 / MEDIAN_PARTS,
        description="share of a home's forecast that is the median of the same hour of the last seven days "
        "(docs/accuracy.md), in steps of a sixteenth",
    )


class ForecastingSettings(BaseModel):
    """The model, the split of the year, and the loss."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelSettings = ModelSettings()
    train_share: float = Field(default=0.7, gt=0, lt=1, description="first part of the hours: training")
    test_share: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="last part of the hours: test; between: validation. A gateway also learns from its test days",
    )
    huber: float = Field(
        default=0.1, gt=0, description="where the loss turns from squared to absolute, in units of the home's scale"
    )
    shift_hours: int = Field(
        default=3, ge=0, le=11, description="training also starts days up to so many hours early or late; 0: no"
    )
    personal_epochs: int = Field(default=4, ge=0, description="epochs of the personal head; 0 for none")
    personal_least_days: int = Field(
        default=28, ge=1, description="a home with fewer days to learn from has no personal head"
    )
    personal_means: bool = Field(default=False, description="the personal head corrects the means, too")
    personal_rate: float = Field(default=1.5e-4, gt=0)
    personal_decay: float = Field(default=0.3, ge=0, description="pull of the personal head towards zero")
    baselines: tuple[str, ...] = Field(
        default=(),
        description="further methods to compare with: names among the entry points of wattproof.baselines "
        "(docs/extending.md)",
    )
    seed: int = 7

    @property
    def shifts(self) -> range:
        """Hours beside the day's start that training windows begin at."""
        return range(-self.shift_hours, self.shift_hours + 1)
