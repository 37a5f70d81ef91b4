"""The `one_shot:` part of a federation's settings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

HeadName = Literal["naive_bayes", "linear_discriminant", "quadratic_discriminant", "fisher_mix", "proto_hyper"]


class OneShotSettings(BaseModel):
    """What is learnt in one shot, and what a home takes part in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    peak_classes: bool = Field(
        default=True, description="also learn the class of a home's peak; without differential privacy only"
    )
    head: HeadName = Field(default="linear_discriminant", description="what tells peak classes apart")
    fewest_days: int = Field(
        default=10, ge=2, description="a home with fewer days of a peak class enters no sum that has this class"
    )
    fresh_days: int | None = Field(
        default=None,
        ge=1,
        description="for an agent: enter another one-shot training after this many new days. None: none, because "
        "the difference of two sums of nearly the same days reveals a home that is in only one of them. Under "
        "differential privacy the budget counts instead",
    )
    leave: bool = Field(
        default=False,
        description="for an agent: its home's sums are taken out of the total again, and none is entered",
    )
    clip_norm: float = Field(
        default=1.5, gt=0, description="under differential privacy: longest statistics of a home (L2), a day's mean"
    )
