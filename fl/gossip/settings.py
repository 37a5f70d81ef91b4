"""The `federation.gossip:` part of community.yaml: training without a coordinator."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from data.address import Host, Port
from fl.training_settings import _Part


class GossipSettings(_Part):
    """How peers merge what they have learnt, and when."""

    segments: int = Field(default=16, ge=1, le=256, description="equal parts of a model; a power of two")
    degree: int = Field(default=8, ge=4, le=64, description="neighbours of a peer in an epoch's graph; even")
    pulls: int = Field(default=8, ge=2, le=64, description="of them, those that a segment is taken from; even")
    trim: int = Field(
        default=2, ge=0, description="b: values left out at either end; so many lying neighbours do no harm"
    )
    clip_norm: float = Field(
        default=0.05,
        gt=0,
        description="where fewer than 2b + 1 values are at hand: how far (L2, a segment) one of them may pull",
    )
    settle_epochs: int = Field(
        default=4, ge=0, description="epochs after `rounds` of training in which peers merge only, until they agree"
    )
    tolerance: float = Field(
        default=0.05, gt=0, description="largest difference of any weight between a peer's model and one it agrees to"
    )
    committee: int = Field(default=9, ge=1, le=64, description="peers that recompute the leader's merge in an epoch")
    clusters: int = Field(
        default=1, ge=1, le=16, description="groups of homes with like days; neighbours are mostly in one"
    )
    fewest_in_cluster: int = Field(default=5, ge=3, description="smaller clusters join the nearest")
    patience_s: float = Field(default=120, gt=0, description="how long a silent neighbour is asked again")
    peers: Path | None = Field(default=None, description="an agent's: file of the members' addresses and URLs")
    bind: Host = Field(default="0.0.0.0", description="address that a peer listens on")
    port: Port = 8444
    publish_s: int = Field(
        default=6 * 3600, ge=1, description="an epoch waits so long for the last to train and publish"
    )
    reveal_s: int = Field(default=3600, ge=1, description="and so long for the last secret")
    leader_s: int = Field(default=900, ge=1, description="a leader that is away is waited for so long")
    challenge_s: int = Field(default=6 * 3600, ge=1, description="time to put a challenged block on the chain")
    bond: float = Field(default=0.1, gt=0, description="a member's deposit, in the chain's coin (10^18 units)")
    challenge_deposit: float = Field(default=0.01, gt=0, description="a challenge's, which pays for the answer")
    registry: str | None = Field(
        default=None, pattern="^0x[0-9a-fA-F]{40}$", description="the training's registry on the chain"
    )
    round: int | None = Field(
        default=None,
        ge=1,
        description="number of the round that the training's model becomes; none: of its last epoch",
    )
    sampled_privacy: Literal["off", "days"] = Field(
        default="off", description="days: noise in each step of training (DP-SGD), accounted for single days"
    )
    day_norm: float = Field(default=0.1, gt=0, description="days: longest gradient (L2) of one window")
    noise_multiplier: float = Field(default=4.0, gt=0, description="days: noise in units of day_norm")
    sampling: float = Field(default=0.1, gt=0, le=1, description="days: chance of a window to be in a step")
    delta: float = Field(default=1e-5, gt=0, lt=1, description="days: the delta that epsilon is reported for")
    max_epsilon: float | None = Field(default=None, gt=0, description="days: a peer trains no more beyond this")

    @property
    def steps(self) -> int:
        """Steps of an epoch with noise: each window is in one of them, on average."""
        return max(1, round(1 / self.sampling))

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.segments & (self.segments - 1):
            raise ValueError(f"segments is {self.segments}: it must be a power of two (a block is proven by halving)")
        for name, value in (("degree", self.degree), ("pulls", self.pulls)):
            if value % 2:
                raise ValueError(f"{name} is {value}: it must be even, for the graph is made of cycles")
        if self.pulls > self.degree:
            raise ValueError(f"pulls is {self.pulls}, and a peer has {self.degree} neighbours (degree): lower it")
        if self.pulls + 1 < 2 * self.trim + 1:
            raise ValueError(
                f"trim is {self.trim}: that leaves nothing of {self.pulls + 1} values; raise pulls to {2 * self.trim}"
            )
        if self.max_epsilon is not None and self.sampled_privacy == "off":
            raise ValueError("gossip.max_epsilon without noise: epsilon is infinite; set sampled_privacy: days")
        return self
