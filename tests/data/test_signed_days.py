"""What a meter signed stands, whatever becomes of the table; where the two differ is said to the hour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.day import DayClock
from data.errors import MeterError, TableError
from data.household_meters import HouseholdMeters
from data.meter import ALL_MEASURED, Meter, verify_day_with_filled, verify_signed_day
from data.signed_days import SignedDays
from data.table import long_table
from data.vault import DayVault
from tests.support.laws import examples

HOUSEHOLD = "0x00000000000000000000000000000000000000A1"
METER = Meter(bytes([7]) * 32)
METERS = HouseholdMeters({0: METER})
DAY, CLOCK = 20_000, DayClock(23)
DS = pd.date_range(CLOCK.start_of(DAY), periods=72, freq="h", unit="ns")
LOAD = 100 + 7 * np.arange(72) % 61


@pytest.fixture
def vault(tmp_path: Path) -> DayVault:
    return DayVault(tmp_path / "vault.db")


def days(vault: DayVault, y: dict[int, int] | None = None, clock: DayClock = CLOCK) -> SignedDays:
    """Of a table of three days, or of the hours given."""
    hours = dict(enumerate(LOAD)) if y is None else y
    table = long_table("elm-3", DS[sorted(hours)], np.array([hours[h] for h in sorted(hours)], dtype=np.int64))
    return SignedDays("elm-3", vault, METERS, HOUSEHOLD, table, clock)


def test_a_day_is_signed_when_it_is_first_asked_for_and_once(vault: DayVault) -> None:
    signed, opening = days(vault).get(DAY + 1)
    verify_signed_day(signed, METER.address)
    assert list(opening.readings) == LOAD[24:48].tolist() and vault.days(HOUSEHOLD) == [DAY + 1]
    assert days(vault).get(DAY + 1) == (signed, opening)


def test_hours_that_the_table_lacks_keep_a_day_from_being_signed(vault: DayVault) -> None:
    table = days(vault, {h: int(LOAD[h]) for h in range(72) if h not in (30, 31)})
    assert table.missing(DAY + 1).tolist() == [DS[30], DS[31]] and not len(table.missing(DAY))
    with pytest.raises(TableError, match=f"elm-3 has 22 of the 24 readings of day {DAY + 1}"):
        table.get(DAY + 1)
    assert vault.days(HOUSEHOLD) == []


def with_filled(vault: DayVault, filled: set[int]) -> SignedDays:
    """Of a table of three days with some hours filled in."""
    table = long_table("elm-3", DS, LOAD, filled=np.isin(np.arange(72), sorted(filled)))
    return SignedDays("elm-3", vault, METERS, HOUSEHOLD, table, CLOCK)


def test_hours_that_were_filled_in_are_never_signed_as_measured(vault: DayVault) -> None:
    table = with_filled(vault, {24 + 5, 24 + 6})
    signed, opening = table.get(DAY + 1)
    assert signed.measured == ALL_MEASURED & ~(1 << 5 | 1 << 6) and list(opening.readings) == LOAD[24:48].tolist()
    with pytest.raises(MeterError, match="2 of its hours were filled in, not measured"):
        verify_signed_day(signed, METER.address)
    verify_day_with_filled(signed, METER.address)
    assert table.filled(DAY + 1).tolist() == [DS[29], DS[30]] and table.get(DAY)[0].is_measured


def test_what_was_signed_as_filled_stays_so_when_it_is_measured_later(vault: DayVault) -> None:
    first = with_filled(vault, {29}).get(DAY + 1)
    after = days(vault)
    assert after.get(DAY + 1) == first and after.filled(DAY + 1).tolist() == [DS[29]]
    assert after.is_signed_as_filled(DAY + 1) and not after.is_signed_as_filled(DAY)


def test_what_is_measured_before_a_day_is_signed_counts_as_measured(vault: DayVault) -> None:
    filled = with_filled(vault, {29})
    assert filled.filled(DAY + 1).tolist() == [DS[29]] and not filled.is_signed_as_filled(DAY + 1)
    assert days(vault).get(DAY + 1)[0].is_measured


hours_now = st.dictionaries(st.integers(0, 71), st.integers(0, 300), max_size=72)


@examples(20)
@given(now=hours_now, altered=st.sets(st.integers(0, 23), max_size=5))
def test_whatever_becomes_of_the_table_the_signed_day_stands_and_the_difference_is_named(
    tmp_path_factory: pytest.TempPathFactory, now: dict[int, int], altered: set[int]
) -> None:
    vault = DayVault(tmp_path_factory.mktemp("law") / "vault.db")
    first = days(vault).get(DAY)
    now = {h: int(LOAD[h]) for h in range(24) if h not in altered} | now
    after = days(vault, now)
    assert after.get(DAY) == first and not len(after.missing(DAY))
    changed = after.changes(DAY)
    differing = [h for h in range(24) if h in now and now[h] != LOAD[h]]
    assert (changed.hours.tolist() if changed else []) == [DS[h] for h in differing]
    assert after.changes(DAY + 2) is None, "nothing was signed there"


@pytest.mark.parametrize("start", [0, 8, 22])
def test_another_start_of_the_day_is_seen_as_such(vault: DayVault, start: int) -> None:
    first = days(vault).get(DAY + 1)
    after = days(vault, clock=DayClock(start))
    changed = after.changes(DAY + 1)
    assert changed is not None and changed.shift == 23 - start
    assert after.get(DAY + 1) == first


def test_other_values_are_not_taken_for_another_start(vault: DayVault) -> None:
    days(vault).get(DAY + 1)
    changed = days(vault, {h: int(LOAD[h]) + (h == 25) for h in range(72)}).changes(DAY + 1)
    assert changed is not None and changed.shift == 0 and changed.hours.tolist() == [DS[25]]


def test_an_opening_that_is_not_the_signed_ones_is_found_before_anything_rests_on_it(vault: DayVault) -> None:
    _, opening = days(vault).get(DAY)
    secret = opening.readings[0].to_bytes(4, "big") + opening.readings[1].to_bytes(4, "big")
    content = vault.path.read_bytes()
    assert content.count(secret) == 1
    vault.path.write_bytes(content.replace(secret, bytes([0, 0, 0, 9]) * 2))
    with pytest.raises(MeterError, match=f"day {DAY} of household"):
        days(vault).get(DAY)


def test_its_repr_shows_no_reading(vault: DayVault) -> None:
    assert repr(days(vault)) == "SignedDays('elm-3')"
