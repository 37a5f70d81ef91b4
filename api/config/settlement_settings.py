"""The `settlement:` part of community.yaml: by which key shared energy is split, and what it is paid with."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.config.settings import Address
from data.interval import IntervalMinutes

KeyKind = Literal["pro_rata", "priority", "static", "equal"]


class SettlementSettings(BaseModel):
    """docs/shared-energy.md says which key fits the rules of which country."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: KeyKind = Field(
        default="pro_rata",
        description="how members who took shared energy split it: pro_rata: in proportion to what each took; "
        "priority: class by class; static: fixed parts; equal: equal parts",
    )
    numbers: dict[str, int] = Field(
        default_factory=dict,
        description="by home: its class from 1 (priority), or its part in ten-thousandths (static)",
    )
    interval_minutes: IntervalMinutes = Field(
        default=60,
        description="shared energy is the smaller of both sums in each hour (60) or quarter of an hour (15: needs "
        "data.quarters); the same on the server and on each gateway",
    )
    premium: Decimal = Field(
        default=Decimal(0), ge=0, le=1000, decimal_places=3, description="cents that a shared kWh is paid with"
    )
    producers_percent: int = Field(
        default=50,
        ge=0,
        le=100,
        description="what of the premium goes to those who fed in; the rest to those who took",
    )
    fewest_days: int = Field(
        default=28, ge=7, le=366, description="days of the shortest period: shares of few days would show habits"
    )
    tokens_per_kwh: Decimal = Field(
        default=Decimal(0), ge=0, le=10**6, max_digits=26,
        description="tokens that a shared kWh is paid with, split as producers_percent says; 0: none",
    )  # fmt: skip
    token: Address | None = Field(
        default=None, description="the ERC-20 token that shares are paid in; none: the community's reward token"
    )
    gateways: bool = Field(
        default=False,
        description="the members' gateways sum their days and prove their shares over the network; set it on the "
        "server and on each gateway, with the same key and numbers",
    )
    late_meter_hours: float = Field(
        default=48, ge=0, le=24 * 31, description="how long the sum of a day waits for meters that were not read yet"
    )
    share_days: int = Field(
        default=14, ge=1, le=366, description="days after its opening that a period waits for the last shares"
    )

    @property
    def classes(self) -> dict[str, int]:
        """By home; empty where the key knows no classes."""
        return self.numbers if self.key == "priority" else {}

    @model_validator(mode="after")
    def _numbers_fit(self) -> Self:
        takes = self.key in ("priority", "static")
        if bool(self.numbers) != takes:
            raise ValueError(
                f"settlement.key {self.key} needs settlement.numbers, one for each home"
                if takes
                else f"settlement.key {self.key} takes no settlement.numbers: leave them out"
            )
        if self.classes and sorted(set(self.classes.values())) != list(range(1, max(self.classes.values()) + 1)):
            raise ValueError("settlement.numbers of the key priority are classes, from 1 without a gap")
        return self
