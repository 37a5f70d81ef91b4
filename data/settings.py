"""The `data:` part of community.yaml: where readings come from and when the community's day starts."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from data.sources.settings import LiveSettings


class DataSettings(BaseModel):
    """`source` has no default on purpose: a community never runs on the demo homes by omission."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Literal["citylearn", "files", "none"] = Field(
        description="citylearn: the 17 real demo homes; files: the households' own imported tables; none: no "
        "readings are here, as at a coordinator or a server of homes with gateways"
    )
    pv: bool = Field(
        default=False,
        description="citylearn: the homes with their PV behind the meter: what they take, and what they feed in",
    )
    files: tuple[Path, ...] = Field(
        default=(), description="long tables as `wattproof data import` writes them; only with source: files"
    )
    quarters: tuple[Path, ...] = Field(
        default=(),
        description="tables of quarters of an hour as `wattproof data import --quarters` writes them, one for each "
        "home: for settlement by the quarter of an hour",
    )
    live: LiveSettings | None = Field(
        default=None, description="the meter that a gateway polls into the first of files: (and of quarters:)"
    )
    weather: Path | None = Field(
        default=None,
        description="hourly weather feed as CSV, not with source: citylearn; without it forecasts use none",
    )
    weather_from: Literal["open-meteo", "operator"] | None = Field(
        default=None,
        description="who updates the file in weather: open-meteo (on the server, or on a single machine), "
        "operator (on a gateway); not set: you do",
    )
    latitude: float | None = Field(default=None, ge=-90, le=90, description="of the community, for open-meteo")
    longitude: float | None = Field(default=None, ge=-180, le=180, description="of the community, for open-meteo")
    cache_dir: Path = Field(
        default=Path(".cache/wattproof"), description="where the demo data set and weather answers are kept"
    )
    day_start_utc: int = Field(
        default=8, ge=0, le=23, description="UTC hour at which a community day starts (Fontana: 8)"
    )

    @model_validator(mode="after")
    def _files_match_source(self) -> "DataSettings":
        if self.source == "files" and not self.files:
            raise ValueError("source: files needs at least one path under files:")
        if self.source == "none" and self.files:
            raise ValueError("files: is given but source is none; set source: files to use them")
        if self.quarters and self.source != "files":
            raise ValueError("quarters: needs source: files, whose tables of hours they stand beside")
        if both := sorted(str(path) for path in {*self.files} & {*self.quarters}):
            raise ValueError(f"{both[0]} is named under files: and under quarters:, which are different tables")
        if self.weather_from and self.weather is None:
            raise ValueError("weather_from: needs weather:, the file that is kept up to date")
        if self.weather_from == "open-meteo" and (self.latitude is None or self.longitude is None):
            raise ValueError("weather_from: open-meteo needs latitude: and longitude:")
        if self.live is not None and len(self.files) != 1:
            raise ValueError("live: needs source: files and one path under files:, the home's table")
        if self.live is not None and len(self.quarters) > 1:
            raise ValueError("live: takes one path under quarters:, the home's own")
        if self.pv and self.source != "citylearn":
            raise ValueError("pv: is for source: citylearn; in tables of your own, the column export is the PV's")
        if self.source == "citylearn" and (self.files or self.weather):
            raise ValueError("files: or weather: is given but source is citylearn; set source: files to use them")
        return self
