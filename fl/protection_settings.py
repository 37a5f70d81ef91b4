"""Settings that protect a federation: secure aggregation, differential privacy, robust rules.

They are kept apart from the code they control so that reading `community.yaml` imports neither Flower nor an
accountant. Incompatible combinations are refused by `fl.settings`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LEDGER = "privacy.json"  # the coordinator's, of the privacy spent, beside its rounds
LARGEST_ENTRY = 8.0  # of an update under secure aggregation; what is larger is cut to it
LARGEST_NOISY_ENTRY = 80_000.0  # of one that the home has added noise to; it must not be cut

Rule = Literal["none", "median", "trimmed_mean", "krum", "multi_krum", "bulyan", "norm_bound", "outliers"]
Mode = Literal["off", "local", "distributed", "central"]


class SecAggSettings(BaseModel):
    """Secure aggregation: the coordinator sees sums of updates only (Bonawitz et al. 2017, Bell et al. 2020)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False
    scheme: Literal["masks", "bfv"] = Field(
        default="masks",
        description="masks: pairwise masks, safe from some homes colluding with the coordinator; bfv: homomorphic "
        "encryption under a key that the homes share (extra `he`); any one home colluding with the coordinator reads "
        "everybody's updates",
    )
    threshold: float = Field(
        default=2 / 3,
        gt=0.5,
        le=1,
        description="fraction of a sum's homes that must agree on its members and stay to its end; a higher one "
        "tolerates more homes colluding with the coordinator (two thirds: fewer than a third)",
    )
    fewest_homes: int = Field(
        default=3,
        ge=3,
        description="fewest homes in any sum with this home, to its end; otherwise the sum is not opened",
    )
    roster: Path | None = Field(
        default=None,
        description="for an agent: file of the homes it sums with and their keys, from `wattproof roster`; "
        "required to start",
    )
    stage_timeout_s: float = Field(default=60, gt=0, description="timeout of the short messages around the training")

    def shares_needed(self, homes: int) -> int:
        """How many of `homes` must agree and reveal: the fraction `threshold`, rounded up, and more than half."""
        return max(homes // 2 + 1, math.ceil(self.threshold * homes - 1e-9))


class PrivacySettings(BaseModel):
    """How much noise protects a home, and who adds it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = "off"
    noise_multiplier: float = Field(default=1.0, gt=0, description="z: the noise in units of the clipping norm")
    clipping: Literal["fixed", "adaptive"] = "fixed"
    clip_norm: float = Field(default=0.5, gt=0, description="C: longest update (L2); the first one, if adaptive")
    delta: float = Field(default=1e-5, gt=0, lt=1, description="the delta that epsilon is reported for")
    max_epsilon: float | None = Field(
        default=None,
        gt=0,
        description="training ends before epsilon exceeds this; for an agent, the home's own budget",
    )
    quantile: float = Field(default=0.5, gt=0, lt=1, description="adaptive: part of the updates to leave unclipped")
    clip_rate: float = Field(default=0.2, gt=0, description="adaptive: how fast the norm moves, in logarithms")
    count_stddev: float | None = Field(
        default=None, gt=0, description="adaptive: noise on the count of unclipped updates; none: z or homes/20"
    )

    def part_multiplier(self, homes: int) -> float:
        """The noise that each home adds to its update, in units of C; `homes`: those that are certain to be in a sum.

        In `local` each hides itself, in `distributed` the parts of `homes` make z together, in `central` it is 0.
        """
        part = {"local": 1.0, "distributed": 1 / math.sqrt(homes)}.get(self.mode, 0.0)
        return part * self.noise_multiplier

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
    """Which updates are trusted, and how far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Rule = Field(default="none", description="none: the strategy's weighted mean")
    attackers: int = Field(default=2, ge=0, description="f: how many homes of a round may be wrong")
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
