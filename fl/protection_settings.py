"""The settings of what protects a federation: secure aggregation, differential privacy, robust rules.

They stand apart from the code they steer so that reading `community.yaml` imports neither Flower nor an accountant.
What can't go together is refused by `fl.combinations`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Rule = Literal["none", "median", "trimmed_mean", "krum", "multi_krum", "bulyan", "norm_bound", "outliers"]
Mode = Literal["off", "local", "distributed", "central"]


class SecAggSettings(BaseModel):
    """Secure aggregation: the coordinator sees sums of updates only (Bonawitz et al. 2017, Bell et al. 2020)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False
    threshold: float = Field(
        default=2 / 3,
        gt=0.5,
        le=1,
        description="part of a home's share holders that must stay to the end of a round; up to as large a part may "
        "collude with the coordinator as is missing to have both secrets of a home",
    )
    degree: int | None = Field(
        default=None,
        ge=2,
        multiple_of=2,
        description="neighbours of each home; none: all homes, or 48 beyond 64 homes",
    )
    fewest_homes: int = Field(
        default=3, ge=3, description="a home starts no sum of fewer; `certain_homes` are in it to the end"
    )
    roster: Path | None = Field(
        default=None,
        description="an agent's: file of the homes it sums with and their keys, from `wattproof roster`; none: the "
        "coordinator is trusted to name true homes and to pass their keys on unchanged",
    )
    stage_timeout_s: float = Field(default=60, gt=0, description="for the short messages around the training")

    def neighbours(self, homes: int) -> int | None:
        """Neighbours of each of so many homes; None: all the others."""
        # 49 holders of which 33 must stay: among a thousand homes of which a tenth drops out, one round in a
        # thousand finds some home short of holders, and is asked again. Restoring secrets takes threshold^2.
        degree = self.degree or (48 if homes > 64 else homes)
        return degree if degree < homes else None

    def shares_needed(self, holders: int) -> int:
        """Shares that restore a secret: `threshold` of the holders, rounded up, and more than half of them."""
        return max(holders // 2 + 1, math.ceil(self.threshold * holders - 1e-9))

    def certain_homes(self) -> int:
        """Homes that are in any sum a home takes part in (`certain_homes`), whatever the coordinator says."""
        degree = self.neighbours(self.fewest_homes)
        holders = self.fewest_homes if degree is None else degree + 1
        return certain_homes(holders, self.shares_needed(holders))


def certain_homes(holders: int, threshold: int) -> int:
    """Homes that are in any sum a home takes part in, even if the coordinator lies about who dropped out.

    It may tell each home something else. Of h holders each names at least t as alive. A secret takes t shares, so
    a home that is taken for dropped is named by at most h - t, one in the sum by at most h. Counting the names,
    h t <= m h + (h - m)(h - t), so that m >= 2 h - h^2 / t homes are in the sum.
    """
    return math.ceil(2 * holders - holders**2 / threshold - 1e-9)


class PrivacySettings(BaseModel):
    """How much noise hides a home, and who adds it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = "off"
    noise_multiplier: float = Field(default=1.0, gt=0, description="z: the noise in units of the clipping norm")
    clipping: Literal["fixed", "adaptive"] = "fixed"
    clip_norm: float = Field(default=0.5, gt=0, description="C: longest update (L2); the first one, if adaptive")
    delta: float = Field(default=1e-5, gt=0, lt=1, description="the delta that epsilon is reported for")
    max_epsilon: float | None = Field(
        default=None,
        gt=0,
        description="training ends before epsilon exceeds this; in an agent's settings, the home's own budget",
    )
    quantile: float = Field(default=0.5, gt=0, lt=1, description="adaptive: part of the updates to leave unclipped")
    clip_rate: float = Field(default=0.2, gt=0, description="adaptive: how fast the norm moves, in logarithms")
    count_stddev: float | None = Field(
        default=None, gt=0, description="adaptive: noise on the count of unclipped updates; none: z or homes/20"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.max_epsilon is not None and self.mode == "off":
            raise ValueError(
                f"max_epsilon {self.max_epsilon} with mode: off: without noise epsilon is infinite, and no budget is "
                "kept; set mode: local, distributed or central"
            )
        if self.clipping == "adaptive" and self.mode in ("local", "distributed"):
            raise ValueError(
                f"adaptive clipping needs a count of the clipped updates, which {self.mode} privacy does not give to "
                "the coordinator without noise of its own: use clipping: fixed, or mode: central"
            )
        if self.count_stddev is not None and self.count_stddev <= self.noise_multiplier / 2:
            raise ValueError(
                f"count_stddev {self.count_stddev} must be more than half the noise_multiplier "
                f"{self.noise_multiplier}: the count would tell more than the whole may"
            )
        return self

    def count_noise(self, homes: int) -> float:
        """Standard deviation of the noise on the count of unclipped updates."""
        return self.count_stddev or max(self.noise_multiplier, homes / 20)

    def update_multiplier(self, homes: int) -> float:
        """Noise on the sum in units of C: z; more if the noisy count spends a part (Andrew et al., theorem 1)."""
        if self.clipping == "fixed":
            return self.noise_multiplier
        return float((self.noise_multiplier**-2 - (2 * self.count_noise(homes)) ** -2) ** -0.5)


class RobustSettings(BaseModel):
    """Which updates are believed, and how far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Rule = Field(default="none", description="none: the strategy's weighted mean")
    attackers: int = Field(default=2, ge=0, description="f: so many homes of a round may be wrong")
    norm_multiple: float = Field(
        default=1.5, gt=0, description="norm_bound: longest update allowed, in median lengths of the round"
    )
    deviations: float = Field(
        default=3.0, gt=0, description="outliers: how far from the median update, in median absolute deviations"
    )

    @property
    def fewest_homes(self) -> int:
        """Homes a round must have for the rule to withstand `attackers`."""
        f = self.attackers
        return {"none": 1, "krum": 2 * f + 3, "multi_krum": 2 * f + 3, "bulyan": 4 * f + 3}.get(self.rule, 2 * f + 1)
