"""Nothing that is yet to come was measured."""

from datetime import timedelta

import pytest

from data.errors import ImportRefused
from tests.data.importing.conftest import Write
from tests.data.importing.test_importer import START, every, rows, take

NOW = (START + timedelta(hours=10)).timestamp()


def test_zeros_that_a_portal_writes_for_hours_to_come_are_left_out(write: Write) -> None:
    """With those before them: the home may have used nothing since six, or the meter may not have told yet."""
    got = take(write(rows(every(60, 24), [0.1] * 3 + [0.0] * 2 + [0.2] + [0.0] * 18)), now_s=NOW)
    assert got.readings["y"].tolist() == [100, 100, 100, 0, 0, 200]
    assert got.cut_hours == 18
    assert "zeros for hours to come" in " ".join(got.warnings)


def test_so_are_their_quarters_and_what_was_fed_in_then(write: Write) -> None:
    used = [0.1] * 15 + [0.0] * 81  # the last quarter of the fourth hour is a zero that was measured
    path = write(
        "\n".join(
            [
                "timestamp,kwh,export_kwh",
                *(f"{m.isoformat()},{v},0" for m, v in zip(every(15, 96), used, strict=True)),
            ]
        )
    )
    got = take(path, now_s=NOW, quarters=True)
    assert got.readings["y"].tolist() == [400, 400, 400, 300]
    assert got.readings["export"].tolist() == [0] * 4
    assert got.quarters is not None and got.quarters["y"].tolist() == [100] * 15 + [0]


@pytest.mark.parametrize("last", [10, 11])
def test_zeros_until_now_were_measured(write: Write, last: int) -> None:
    """Also in the hour that has begun by a clock that is a little ahead."""
    got = take(write(rows(every(60, last), [0.1] * 3 + [0.0] * (last - 3))), now_s=NOW)
    assert len(got.readings) == last and got.cut_hours == 0 and got.warnings == ()


def test_energy_in_hours_to_come_is_refused_as_a_time_read_wrong(write: Write) -> None:
    path = write(rows(every(60, 14), [0.1] * 14))
    with pytest.raises(ImportRefused, match=r"energy at 2026-01-05 11:00 UTC, which is yet to come.*--dates"):
        take(path, now_s=NOW)
    assert len(take(path, now_s=NOW, accept_unusual=True).readings) == 14


def test_zeros_alone_tell_nothing_where_they_go_on_beyond_now(write: Write) -> None:
    with pytest.raises(ImportRefused, match="nothing but zeros, also for hours to come"):
        take(write(rows(every(60, 24), [0.0] * 24)), now_s=NOW)
