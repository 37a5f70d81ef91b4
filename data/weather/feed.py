"""The community's weather feed: an append-only table. A row never changes, because proofs depend on it.

The machine that maintains the feed (the operator, or a single machine) asks Open-Meteo every hour; the others fetch
it from there.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import SourceError
from data.weather.open_meteo import OpenMeteo
from data.weather.table import COLUMNS, read_weather, write_weather

log = logging.getLogger(__name__)
_HOUR = pd.Timedelta(hours=1)
_DAY = pd.Timedelta(days=1)
_MOST_PAST_DAYS = 730
_BRIDGED_HOURS = 6


def updated(path: Path, service: OpenMeteo, *, past_days: int = 60) -> int:
    """Add to the feed the hours up to now, and `past_days` before them if it is new; how many were added.

    Each hour's row has its temperature, and what was predicted in it for 24 hours later: for hours that are long over
    that is the forecast archived a day ahead, for the newest the forecast of now. Raises SourceError.
    """
    now = pd.Timestamp(service.now(), unit="s", tz="UTC").floor("h")
    kept = read_weather(path) if path.exists() else None
    first = kept["ds"].iloc[-1] + _HOUR if kept is not None else now - min(past_days, _MOST_PAST_DAYS) * _DAY
    if first > now:
        return 0
    rows = _rows(service, first, now)
    if rows.empty:
        return 0
    write_weather(rows if kept is None else pd.concat([kept, rows], ignore_index=True), path)
    return len(rows)


def _rows(service: OpenMeteo, first: pd.Timestamp, now: pd.Timestamp) -> pd.DataFrame:
    """The rows of the hours from `first` to `now`, up to the first that is not known."""
    hours = pd.date_range(first, now, freq="h", unit="ns")
    current = service.current().set_index("ds")
    temperature, ahead, solar = (
        current[name].reindex(at).to_numpy(dtype=np.float64, copy=True)
        for name, at in (
            ("temperature", hours), ("temperature", hours + _DAY), ("direct_solar", hours + _DAY)
        )
    )  # fmt: skip
    old = hours + _DAY <= now  # the forecast of now knows more of them than was known then
    if old.any():
        past = service.day_ahead(hours[old][0], hours[old][-1] + _DAY).set_index("ds")
        then = past.reindex(hours[old] + _DAY)
        ahead[old], solar[old] = then["temperature_ahead"], then["solar_ahead"]
        measured = past["temperature"].reindex(hours).to_numpy(dtype=np.float64)
        temperature = np.where(np.isnan(temperature), measured, temperature)
    rows = pd.DataFrame(
        {"ds": hours, "temperature": temperature, "temperature_24h": ahead, "direct_solar_24h": solar}
    )
    bridged = rows.set_index("ds").interpolate(limit=_BRIDGED_HOURS, limit_area="inside")
    filled = int((rows.set_index("ds").isna() & bridged.notna()).any(axis=1).sum())
    if filled:
        log.warning("gaps of the weather service are bridged", extra={"hours": filled})
    whole = bridged.notna().all(axis=1)
    usable = bridged[: len(whole) if whole.all() else int((~whole).argmax())]
    if usable.empty:
        raise SourceError(f"Open-Meteo does not know the weather of {first.isoformat()} yet")
    return usable.round({"temperature": 1, "temperature_24h": 1, "direct_solar_24h": 0}).reset_index()


def merged(path: Path, text: bytes) -> int:
    """Add to the feed the hours that the operator's copy has beyond it; how many.

    Raises SourceError where the copy is none, begins after the feed ends, or says something else of an hour here.
    """
    try:
        theirs = pd.read_csv(io.BytesIO(text), dtype=dict.fromkeys(COLUMNS, "float64"))
        theirs["ds"] = pd.to_datetime(theirs["ds"], utc=True, format="%Y-%m-%dT%H:%M:%SZ").dt.as_unit("ns")
        theirs = theirs[["ds", *COLUMNS]]
        steps = theirs["ds"].diff().iloc[1:]
        if theirs.empty or theirs.isna().any(axis=None) or not (steps == _HOUR).all():
            raise ValueError
    except (ValueError, KeyError, pd.errors.ParserError):
        raise SourceError("what the operator serves is not a weather feed") from None
    if not path.exists():
        write_weather(theirs, path)
        return len(theirs)
    ours = read_weather(path)
    both = ours.merge(theirs, on="ds", suffixes=("", "_theirs"))
    if any((both[name] != both[f"{name}_theirs"]).any() for name in COLUMNS):
        raise SourceError(
            f"the operator's weather differs for hours in {path}, which was not changed; move it away to fetch theirs"
        )
    new = theirs[theirs["ds"] > ours["ds"].iloc[-1]]
    if new.empty:
        return 0
    if new["ds"].iloc[0] != ours["ds"].iloc[-1] + _HOUR:
        raise SourceError(f"the operator's weather begins after {path} ends: move that away to fetch theirs")
    write_weather(pd.concat([ours, new], ignore_index=True), path)
    return len(new)
