"""The `federation.vertical:` part of community.yaml: learning with a partner that has columns of the same homes."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from fl.training_settings import _Part


class VerticalSettings(_Part):
    """With whom, what a session is made of, and what this party asks of it at least."""

    partner: str | None = Field(default=None, description="the other party's name among the agents; none: no session")
    columns: tuple[str, ...] = Field(default=(), description="the partner's columns, whole numbers by hour")
    roster: Path | None = Field(
        default=None, description="file with the keys of homes and partner, from `wattproof roster`"
    )
    records: Path | None = Field(
        default=None, description="the partner's: folder with NAME.id.json and NAME.csv for each customer"
    )
    steps: int = Field(default=180, ge=0, description="of split learning in a session")
    penalty: float = Field(default=1.0, gt=0, description="of the ridge regression")
    fewest_homes: int = Field(default=3, ge=3, description="so many are in the sum that the regression is made from")
    cut: int = Field(default=2, ge=1, le=4, description="values an hour that the partner's part gives")
    cut_norm: float = Field(default=4.0, gt=0, description="they are clipped to this L2 norm")
    cut_noise: float = Field(default=0.0, ge=0, description="noise on them, in units of it; at a partner: at least")
    gradient_norm: float = Field(default=1.0, gt=0, description="the same for what homes give back")
    gradient_noise: float = Field(default=0.0, ge=0, description="noise on it; at a home: at least")
    fresh_days: int = Field(default=28, ge=1, description="a home's: new days before it enters another sum")
    most_steps: int = Field(default=1000, ge=0, description="a home's: each step tells a little of its loads")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.partner is not None and not self.columns:
            raise ValueError(f"partner: {self.partner} without columns: name the columns that it has")
        return self
