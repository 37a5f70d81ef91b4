"""The `rewards:` part of community.yaml: the chain, deadlines and amounts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from rewards.rule import Terms

_KEY = re.compile("(0x)?[0-9a-fA-F]{64}")


class RewardSettings(BaseModel):
    """Where the contracts live and what they pay."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    rpc_url: SecretStr | None = Field(default=None, description="a node's URL; none: an EVM inside this process")
    key_file: Path | None = Field(
        default=None, description="with rpc_url: file with the operator's funded private key, 64 hexadecimal digits"
    )
    clock: Literal["machine", "standing"] = Field(
        default="machine",
        description="clock of the embedded chain: this machine's, or one that stands between commands (the demo)",
    )
    finality_blocks: int = Field(
        default=12, ge=0, le=10_000, description="a transaction counts as final under so many blocks (a node's chain)"
    )
    grace_seconds: int = Field(
        default=3600, ge=0, le=86_400, description="a forecast is due this long after its day has started"
    )
    verifier: Literal["contract", "auditor"] = Field(
        default="contract",
        description="who checks skill proofs before a reward is paid: the contract itself (the chain needs the "
        "precompiles of EIP-2537), or the operator's key, which then has to be trusted",
    )
    meter_authority: str | None = Field(
        default=None,
        pattern="^0x[0-9a-fA-F]{40}$",
        description="address of whoever says which meter is where, the distributor; not set: the operator",
    )
    challenge_bond: int = Field(
        default=10**16,
        gt=0,
        description="what a challenge of a forecast costs, in the chain's smallest unit: it goes "
        "to whoever answers it, and has to cover the gas, about 2,000,000",
    )
    bucket_amount: int = Field(
        default=10**18, gt=0, description="for 100 Wh of error avoided, at most, in 10^-18 of a token"
    )
    day_budget: int = Field(default=250 * 10**18, gt=0, description="for all of a day's claims, in 10^-18 of a token")
    day_cap: int = Field(default=60, gt=0, lt=2**16, description="buckets of 100 Wh of a meter that count on a day")
    year_cap: int = Field(default=4_000, gt=0, lt=2**32, description="buckets of a meter that count in a year")

    green_amount: int = Field(
        default=2 * 10**16,
        gt=0,
        description="for a percent of green load above a constant load's, and each bucket that counts, at most, in "
        "10^-18 of a token",
    )
    green_budget: int = Field(
        default=125 * 10**18, gt=0, description="for all of a day's green shares, in 10^-18 of a token"
    )
    green_hours: Literal["none", "sun", "shared_energy"] | Path = Field(
        default="none",
        description="where the server takes a day's green hours from, which it registers before the day starts: the "
        "sun of the weather feed (`sun`), what the homes fed in by hour in the last settled weeks (`shared_energy`), "
        "or a CSV file of hours and weights; `none`: no day has green hours",
    )

    @property
    def terms(self) -> Terms:
        """What the contract pays by."""
        return Terms(self.day_budget, self.bucket_amount, self.day_cap, self.year_cap)

    @model_validator(mode="after")
    def _budget_holds_a_meters_day(self) -> Self:
        if self.day_budget < self.day_cap * self.bucket_amount:
            raise ValueError(
                f"rewards.day_budget is less than one meter may earn on a day, day_cap * bucket_amount = "
                f"{self.day_cap * self.bucket_amount}: raise it, or lower one of those"
            )
        return self

    @model_validator(mode="after")
    def _green_budget_holds_a_meters_day(self) -> Self:
        if self.green_budget < (most := 100 * self.day_cap * self.green_amount):
            raise ValueError(
                "rewards.green_budget is less than one meter may earn on a green day, "
                f"100 * day_cap * green_amount = {most}: raise it, or lower one of those"
            )
        return self

    @field_validator("key_file")
    @classmethod
    def _names_a_file(cls, path: Path | None) -> Path | None:
        if path is not None and _KEY.fullmatch(str(path)):
            raise ValueError(
                "this is the private key itself: put it into a file of mode 0600, and name that file here"
            )
        return path
