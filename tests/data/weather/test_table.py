"""Any CSV with times and temperatures is a weather table; wrong units and gaps are bridged and said, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from data.errors import TableError
from data.weather.table import COLUMNS, read_weather, write_weather

HOURS = pd.date_range("2026-01-05T00:00Z", periods=48, freq="h", unit="ns")


def celsius(hour: int) -> float:
    return 4 + hour % 24 / 2


def feed(tmp_path: Path, header: str, row: Callable[[int], str], stamp: str = "%Y-%m-%dT%H:%MZ") -> Path:
    path = tmp_path / "weather.csv"
    path.write_text("\n".join([header, *(f"{at:{stamp}},{row(i)}" for i, at in enumerate(HOURS))]) + "\n")
    return path


def test_times_and_temperatures_are_enough(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    weather = read_weather(feed(tmp_path, "ds,temperature", lambda i: f"{celsius(i)}"))
    assert weather["ds"].tolist() == list(HOURS)
    assert weather["temperature"].tolist() == weather["temperature_24h"].tolist() == [celsius(i) for i in range(48)]
    assert (weather["direct_solar_24h"] == 0).all() and "tomorrow counts as today" in caplog.text


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    weather = read_weather(
        feed(tmp_path, "ds,temperature,temperature_24h,direct_solar_24h", lambda i: f"{i},{i + 1},{9 * i}")
    )
    write_weather(weather, tmp_path / "again.csv")
    pd.testing.assert_frame_equal(read_weather(tmp_path / "again.csv"), weather)
    assert tuple(weather.columns) == ("ds", *COLUMNS)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("time,temperature_2m (°C)", lambda c: c),
        ("time,temperature_2m (°F)", lambda c: c * 1.8 + 32),
        ("timestamp,temperature_f", lambda c: c * 1.8 + 32),
        ("ds,temp_K", lambda c: c + 273.15),
        ("ds,temperature", lambda c: c + 273.15),  # nothing else is that hot
    ],
)
def test_units_are_converted_where_they_show(tmp_path: Path, header: str, value: Callable[[float], float]) -> None:
    weather = read_weather(feed(tmp_path, header, lambda i: f"{value(celsius(i)):.6f}"))
    assert weather["temperature"].tolist() == pytest.approx([celsius(i) for i in range(48)], abs=1e-5)


def test_times_of_another_zone_and_quarters_of_an_hour(tmp_path: Path) -> None:
    path = tmp_path / "weather.csv"
    rows = [f"2026-01-05T{h:02d}:{m:02d}+01:00;{h + m / 60}" for h in range(24) for m in (0, 15, 30, 45)]
    path.write_text("ds;temperature\n" + "\n".join(rows))
    weather = read_weather(path)
    assert weather["ds"].iloc[0] == pd.Timestamp("2026-01-04T23:00Z")
    assert weather["temperature"].tolist() == [h + 0.375 for h in range(24)]


def test_short_gaps_are_bridged_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A row that is not there, an empty cell, and -9999, which no place has."""
    missing = {5: "", 6: "-9999", 7: "NaN", 8: "-99.9"}
    path = feed(tmp_path, "ds,temperature", lambda i: missing.get(i, f"{i}"))
    path.write_text(
        "\n".join(line for line in path.read_text().splitlines() if "T09:00Z" not in line or "01-06" in line)
    )
    assert read_weather(path)["temperature"].tolist() == list(range(48))
    assert caplog.records[-1].__dict__["hours"] == 5


REFUSED: dict[str, tuple[str, Callable[[int], str], str]] = {
    "a long gap": ("ds,temperature", lambda i: "" if 10 <= i < 20 else "1", "missing in 10 hours from 2026-01-05T10"),
    "Fahrenheit that nothing tells": (
        "ds,temperature",
        lambda i: f"{60 + i % 24}",
        "if it is in °F, call the column",
    ),
    "no temperature": ("ds,humidity", lambda i: "40", "needs columns ds.*and temperature"),
    "no number": ("ds,temperature", lambda i: "warm" if i == 3 else "1", "row 5: the value is not a number"),
    "nothing at all": ("ds,temperature", lambda i: "-9999", "no hour with all its values"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused(tmp_path: Path, kind: str) -> None:
    header, row, words = REFUSED[kind]
    with pytest.raises(TableError, match=words):
        read_weather(feed(tmp_path, header, row))


def test_times_without_offset_and_hours_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"row 2: the time has no UTC offset"):
        read_weather(feed(tmp_path, "ds,temperature", lambda i: "1", stamp="%Y-%m-%d %H:%M"))
    path = feed(tmp_path, "ds,temperature", lambda i: "1")
    path.write_text(path.read_text() + "2026-01-05T03:00Z,7\n")
    with pytest.raises(TableError, match=r"2026-01-05T03:00:00.* appears twice"):
        read_weather(path)
