"""A recorded year arrives as its days are over, none of them twice and none of them early."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import SourceError
from data.sources.recorded import RecordedMeter
from data.sources.source import Hour
from data.table import long_table, write_table

FIRST = datetime(2017, 5, 1, 8, tzinfo=UTC)


def test_days_arrive_when_they_are_over(tmp_path: Path) -> None:
    ds = pd.date_range(FIRST, periods=72, freq="h", unit="ns")
    export = pd.Series(range(72), dtype="Int64").where(ds.hour != 10)
    recorded = long_table("home-01", ds, np.arange(72), np.arange(72) % 7 == 0, export)
    write_table(recorded, tmp_path / "recorded.csv")
    now = (FIRST + timedelta(hours=23, minutes=59)).timestamp()
    meter = RecordedMeter(tmp_path / "recorded.csv", lambda: now, 8)
    assert list(meter.poll(None)) == []
    came: list[Hour] = []
    for days in (1, 3, 3):
        now = (FIRST + timedelta(days=days)).timestamp()
        came += meter.poll(came[-1].start + timedelta(hours=1) if came else None)
        assert [hour.start for hour in came] == [FIRST + timedelta(hours=k) for k in range(24 * days)]
    assert [hour.imported for hour in came] == list(range(72))
    assert [hour.filled for hour in came] == [k % 7 == 0 for k in range(72)]
    assert [hour.exported for hour in came] == [None if hour.start.hour == 10 else k for k, hour in enumerate(came)]


@pytest.mark.parametrize(
    "content", ["", "ds,y,filled\n" + "9" * 200_000, "ds,y\n2017-05-01T08:00:00Z,secret\n", "a,b\n1,2\n"]
)
def test_a_file_of_another_kind_is_refused_without_its_values(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recorded.csv"
    path.write_text(content)
    with pytest.raises(SourceError, match="is not a table that Wattproof wrote") as refused:
        RecordedMeter(path, lambda: 0.0, 8)
    assert "secret" not in str(refused.value)
    with pytest.raises(SourceError):
        RecordedMeter(tmp_path / "absent.csv", lambda: 0.0, 8)
