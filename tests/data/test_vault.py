"""The vault keeps a day's opening for its owner alone, once."""

import contextlib
import sqlite3
import stat
from pathlib import Path

import pytest

from data.errors import MeterError
from data.meter import DayOpening, Meter
from data.vault import DayVault
from tests.support.small_disk import fill, small_disk

HOME, NEIGHBOUR = "0x00000000000000000000000000000000000000A1", "0x00000000000000000000000000000000000000b2"
METER = Meter(bytes([7]) * 32)


def readings(first: int) -> list[int]:
    return list(range(first, first + 24))


@pytest.fixture
def vault(tmp_path: Path) -> DayVault:
    return DayVault(tmp_path / "home" / "vault.db")


def test_what_is_put_is_got_even_by_another_process(vault: DayVault) -> None:
    signed, opening = METER.sign_day(HOME, 5, readings(0))
    vault.put(signed, opening)
    assert DayVault(vault.path).get(HOME, 5) == (signed, opening)


def test_days_are_listed_for_each_household(vault: DayVault) -> None:
    for household, day in ((HOME, 9), (HOME, 5), (NEIGHBOUR, 7)):
        vault.put(*METER.sign_day(household, day, readings(day)))
    assert vault.days(HOME) == [5, 9]
    assert vault.days(NEIGHBOUR) == [7]


def test_putting_a_day_again_changes_nothing(vault: DayVault) -> None:
    signed, opening = METER.sign_day(HOME, 5, readings(0))
    vault.put(signed, opening)
    vault.put(signed, opening)
    assert vault.days(HOME) == [5]


def test_a_second_commitment_for_a_day_is_refused(vault: DayVault) -> None:
    first = METER.sign_day(HOME, 5, readings(0))
    vault.put(*first)
    with pytest.raises(MeterError, match="already signed"):
        vault.put(*METER.sign_day(HOME, 5, readings(1)))
    assert vault.get(HOME, 5) == first


def test_a_vault_of_an_older_release_is_taken_over_and_keeps_filled_hours_from_then_on(vault: DayVault) -> None:
    signed, opening = METER.sign_day(HOME, 5, readings(0))
    vault.put(signed, opening)
    with contextlib.closing(sqlite3.connect(vault.path)) as db, db:
        db.execute("ALTER TABLE days DROP COLUMN measured")
    again = DayVault(vault.path)
    filled = METER.sign_day(HOME, 6, readings(0), 0b1011)
    again.put(*filled)
    assert (again.get(HOME, 5), again.get(HOME, 6)) == ((signed, opening), filled)


def test_a_wrong_opening_is_refused(vault: DayVault) -> None:
    signed, opening = METER.sign_day(HOME, 5, readings(0))
    with pytest.raises(MeterError):
        vault.put(signed, DayOpening(tuple(readings(1)), opening.blinding))
    assert vault.days(HOME) == []


def test_a_day_that_is_not_there(vault: DayVault) -> None:
    with pytest.raises(MeterError, match="no day 5"):
        vault.get(HOME, 5)


def test_erasing_leaves_no_trace_in_the_file(vault: DayVault) -> None:
    signed, opening = METER.sign_day(HOME, 5, readings(123_000 - 1_000))
    vault.put(signed, opening)
    vault.put(*METER.sign_day(NEIGHBOUR, 5, readings(0)))
    secret = opening.blinding.to_bytes(32, "big")
    assert secret in vault.path.read_bytes()
    assert vault.erase(HOME) == 1
    assert vault.days(HOME) == []
    assert vault.days(NEIGHBOUR) == [5]
    assert secret not in vault.path.read_bytes()


def test_only_the_owner_may_read_it(vault: DayVault) -> None:
    assert stat.S_IMODE(vault.path.stat().st_mode) == 0o600
    vault.path.chmod(0o644)
    with pytest.raises(MeterError, match="chmod 600"):
        DayVault(vault.path)


@pytest.mark.process
def test_a_full_disk_is_told_as_one_and_the_days_stay(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 256) as disk:
        vault = DayVault(disk / "vault.db")
        first = METER.sign_day(HOME, 5, readings(0))
        vault.put(*first)
        ballast = fill(disk)
        with pytest.raises(OSError, match="No space left"):
            DayVault(disk / "another.db")
        with pytest.raises(OSError, match="No space left") as failed:
            for day in range(6, 60):
                vault.put(*METER.sign_day(HOME, day, readings(0)))
        assert failed.value.filename == str(vault.path)
        ballast.unlink()
        vault.put(*METER.sign_day(HOME, 60, readings(0)))
        assert vault.get(HOME, 5) == first and 60 in vault.days(HOME)


@pytest.mark.parametrize("place", [0, 40, 4096 + 3])
def test_a_damaged_file_is_named_and_not_read(vault: DayVault, place: int) -> None:
    vault.put(*METER.sign_day(HOME, 5, readings(0)))
    content = bytearray(vault.path.read_bytes())
    content[place : place + 60] = b"\xff" * 60
    vault.path.write_bytes(content)
    with pytest.raises(MeterError, match=r"vault\.db"):
        DayVault(vault.path).get(HOME, 5)
