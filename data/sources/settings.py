"""The `data.live:` part of community.yaml: the meter that a gateway polls."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class LiveSettings(BaseModel):
    """The home's live source of readings. Secrets are kept in a separate file, never here."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    source: str = Field(description="p1, sml, home-assistant, mqtt, green-button, folder, or a plug-in")
    poll_s: int = Field(default=60, ge=5, le=86_400, description="seconds between polls of the meter")
    path: Path | None = Field(default=None, description="serial port, watched folder, or file")
    address: str | None = Field(default=None, repr=False, description="host:port of a dongle or broker, or a URL")
    secret_file: Path | None = Field(default=None, description="file with a token, or USER:PASSWORD of a broker")
    no_export: bool = Field(
        default=False, description="the home feeds nothing into the grid: where the source tells no export, it is 0"
    )
    options: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="further options of the source; see `wattproof source list`"
    )
