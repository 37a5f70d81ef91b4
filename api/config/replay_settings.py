"""The `replay:` part of community.yaml: a community tried on recorded time, days in minutes."""

from __future__ import annotations

from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

_DAY_MINUTES = 24 * 60


class ReplaySettings(BaseModel):
    """When the recorded time begins, and how fast it runs; the same on the server and on every gateway."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    start: AwareDatetime = Field(description="the recorded moment at which a new server begins, with a UTC offset")
    day_minutes: float = Field(default=3, ge=0.1, le=_DAY_MINUTES, description="minutes that a recorded day takes")
    recorded: Path | None = Field(
        default=None,
        description="on a gateway: the long table whose hours arrive in data.files as recorded time reaches them",
    )

    @property
    def speed(self) -> float:
        """Recorded seconds in a second."""
        return _DAY_MINUTES / self.day_minutes
