"""Open-Meteo: the forecast of now, and for the past what was forecast a day ahead, so that learning sees what
forecasting will see. Hourly, UTC; answers are kept on disk.

https://open-meteo.com/en/docs and /previous-runs-api: free without a key for non-commercial use.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.atomic import write_bytes
from data.errors import SourceError
from data.json_text import loads

log = logging.getLogger(__name__)

FORECAST_URL = "https://api.open-meteo.com/v1/forecast"
PAST_RUNS_URL = "https://previous-runs-api.open-meteo.com/v1/forecast"
_UNITS = {"temperature_2m": "°C", "direct_radiation": "W/m²"}
_DAY_AHEAD = "_previous_day1"
_ANSWER_S = 60.0
_FRESH_S = 1800
_USABLE_S = 36 * 3600
_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class OpenMeteo:
    """Weather of one place.

    Args:
        cache: folder for answers. A forecast is asked for again after half an hour; while the service is away, one of
            up to 36 hours ago stands in.
    """

    latitude: float
    longitude: float
    cache: Path
    forecast_url: str = FORECAST_URL
    past_runs_url: str = PAST_RUNS_URL
    now: Callable[[], float] = time.time

    def current(self, past_days: int = 2) -> pd.DataFrame:
        """The forecast of now: `ds`, `temperature`, `direct_solar`, from some days ago to two days ahead.

        Raises SourceError where it can't be had, and no kept one is young enough.
        """
        query = {"past_days": past_days, "forecast_days": 3}
        return _table(self._asked(self.forecast_url, query, "", fresh_s=_FRESH_S, usable_s=_USABLE_S), "")

    def day_ahead(self, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
        """What was forecast a day ahead for the hours of the days `first` to `last` (UTC), beside what the newest run
        says: `ds`, `temperature`, `temperature_ahead`, `solar_ahead`. Kept for good."""
        query = {"start_date": f"{first:%Y-%m-%d}", "end_date": f"{last:%Y-%m-%d}"}
        is_over = last + 2 * _DAY < pd.Timestamp(self.now(), unit="s", tz="UTC")
        answer = self._asked(
            self.past_runs_url, query, _DAY_AHEAD, fresh_s=float("inf") if is_over else _FRESH_S, usable_s=_USABLE_S
        )
        ahead = _table(answer, _DAY_AHEAD)
        return _table(answer, "", solar=False).assign(
            temperature_ahead=ahead["temperature"], solar_ahead=ahead["direct_solar"]
        )

    def _asked(
        self, url: str, query: dict[str, Any], suffix: str, *, fresh_s: float, usable_s: float
    ) -> dict[str, Any]:
        """An answer, from disk if it is fresh; an older one while there is no other."""
        names = [f"{name}{suffix}" for name in _UNITS] + (["temperature_2m"] if suffix else [])
        full = {
            "latitude": self.latitude, "longitude": self.longitude, "hourly": ",".join(names),
            "timeformat": "unixtime", "timezone": "UTC", **query,
        }  # fmt: skip
        kept = self.cache / f"open-meteo-{hashlib.sha256(json.dumps([url, full]).encode()).hexdigest()[:16]}.json"
        age = self.now() - kept.stat().st_mtime if kept.exists() else float("inf")
        if age <= fresh_s and (content := _parsed(kept)) is not None:
            return content
        try:
            answer = _fetched(url, full)
        except SourceError as away:
            if age <= usable_s and (content := _parsed(kept)) is not None:
                log.warning("the weather service is unreachable: using its last answer", extra={"reason": str(away)})
                return content
            raise
        write_bytes(kept, json.dumps(answer).encode())
        return answer


def _fetched(url: str, query: dict[str, Any]) -> dict[str, Any]:
    import httpx

    from data.http_client import get

    try:
        answer = get(url, params=query, whole_s=_ANSWER_S)
        content = loads(answer.content)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        raise SourceError("Open-Meteo cannot be reached, or something else answers at its address") from None
    if answer.status_code != 200 or not isinstance(content, dict) or "hourly" not in content:
        reason = content.get("reason") if isinstance(content, dict) else None
        raise SourceError(f"Open-Meteo refuses ({answer.status_code}): {str(reason)[:200]}")
    return content


def _parsed(path: Path) -> dict[str, Any] | None:
    """A kept answer; None if it is damaged, for it can be asked for again."""
    try:
        content = loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _table(answer: dict[str, Any], suffix: str, *, solar: bool = True) -> pd.DataFrame:
    """Columns of an answer. Raises SourceError for other units than are asked for."""
    names = {"temperature": "temperature_2m"} | ({"direct_solar": "direct_radiation"} if solar else {})
    try:
        hourly = answer["hourly"]
        units = {name: str(answer["hourly_units"][f"{name}{suffix}"]) for name in names.values()}
        table: dict[str, Any] = {
            "ds": pd.to_datetime(np.array(hourly["time"], dtype=np.int64), unit="s", utc=True).as_unit("ns")
        }
        for column, name in names.items():
            table[column] = np.array(hourly[f"{name}{suffix}"], dtype=np.float64)  # null becomes NaN
    except (KeyError, TypeError, ValueError):
        raise SourceError("Open-Meteo's answer has an unknown form") from None
    for name, unit in units.items():
        if unit != _UNITS[name]:
            raise SourceError(f"Open-Meteo's {name} is in {unit[:20]}, not in {_UNITS[name]}")
    return pd.DataFrame(table)
