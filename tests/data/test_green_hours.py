"""How green a day's hours are: by what is known before it, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.day import DayClock
from data.errors import TableError
from data.green_hours import hours_of_file, hours_of_past, hours_of_sun, scaled
from rewards import green_rule
from tests.support.laws import examples
from zkp.algebra.commitment import DAY_HOURS
from zkp.statements import green_share

DAY, CLOCK = 20_500, DayClock(23)
START = CLOCK.start_of(DAY)


@examples(50)
@given(st.lists(st.floats(0, 1e9), min_size=24, max_size=24))
def test_the_greenest_hour_weighs_all_and_the_others_in_proportion(amounts: list[float]) -> None:
    found = scaled(amounts)
    assert (found is None) == (max(amounts) == 0)
    if found is not None:
        assert max(found) == 255 and min(found) >= 0
        assert all(w == int(255 * (a / max(amounts))) for w, a in zip(found, amounts, strict=True))


def test_the_sun_is_what_the_feed_foretold_on_the_day_before() -> None:
    """No row of the day itself counts: it is not there yet when the weights are registered."""
    hours = pd.date_range(START - pd.Timedelta(days=1), periods=48, freq="h")
    sun = np.r_[np.arange(24), np.full(24, 1e6)]
    weather = pd.DataFrame({"ds": hours, "direct_solar_24h": sun})
    assert hours_of_sun(weather, CLOCK, DAY) == scaled([float(v) for v in range(24)])
    assert hours_of_sun(weather[:23], CLOCK, DAY) is None, "the feed does not reach"
    assert hours_of_sun(weather.assign(direct_solar_24h=0.0), CLOCK, DAY) is None


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def rows(hours: pd.DatetimeIndex) -> str:
    return "ds,weight\n" + "".join(f"{hour:%Y-%m-%dT%H:00Z},{k}\n" for k, hour in enumerate(hours))


def test_a_file_tells_the_days_that_it_has_in_full(tmp_path: Path) -> None:
    path = table(tmp_path / "mix.csv", rows(CLOCK.hours(DAY)))
    assert hours_of_file(path, CLOCK, DAY) == scaled([float(v) for v in range(24)])
    assert hours_of_file(path, CLOCK, DAY + 1) is None
    assert hours_of_file(table(path, rows(CLOCK.hours(DAY)[1:])), CLOCK, DAY) is None


@pytest.mark.parametrize(
    "text", ["", "ds\n", "a,b\n1,2\n", "ds,weight\n2026-01-31T14:00Z,x\n", "ds,weight\n2026-01-31T14:00,1\n",
             "ds,weight\n2026-01-31T14:00Z,-1\n", "ds,weight\n2026-01-31T14:00Z,inf\n", "ds,weight\nnever,1\n",
             "ds,weight\n2026-01-31T14:00Z,1\n2026-01-31T14:00Z,2\n"],
)  # fmt: skip
def test_a_file_of_another_form_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(TableError, match=r"mix\.csv"):
        hours_of_file(table(tmp_path / "mix.csv", text), CLOCK, DAY)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no table of green hours"):
        hours_of_file(tmp_path / "none.csv", CLOCK, DAY)


def test_past_days_tell_by_their_mean() -> None:
    assert hours_of_past([[0] * 23 + [10], [10] * 23 + [10]]) == scaled([5.0] * 23 + [10.0])
    assert hours_of_past([]) is None


def test_the_rule_has_the_numbers_of_the_statement() -> None:
    assert (green_rule.HOURS, green_rule.MAX_WEIGHT) == (DAY_HOURS, green_share.MAX_WEIGHT)


@examples(100)
@given(
    st.lists(st.integers(0, 255), min_size=24, max_size=24), st.integers(0, 5000),
    st.lists(st.integers(0, 20_000), min_size=24, max_size=24),
)  # fmt: skip
def test_no_constant_load_is_above_the_base_and_the_highest_tier_is_the_highest_that_holds(
    weights: list[int], level: int, load: list[int]
) -> None:
    if level:
        assert green_rule.highest_tier(weights, [level] * 24) <= green_rule.base_of(weights)
    if sum(load):
        tier, got = (
            green_rule.highest_tier(weights, load),
            100 * sum(w * v for w, v in zip(weights, load, strict=True)),
        )
        assert tier * 255 * sum(load) <= got < (tier + 1) * 255 * sum(load)
