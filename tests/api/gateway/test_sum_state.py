"""A home's states in sums, on disk: which of them time deletes."""

from __future__ import annotations

from pathlib import Path

from api.gateway.secure_sum.state import SecureSumFolder, SecureSumState

HOMES = ["elm-3", "elm-4", "elm-5"]
OVER = SecureSumState("ab", HOMES, "reveal", survivors=HOMES, ended="open")
NEWEST = 20_000


def test_a_year_of_shared_energy_can_be_proven_of_what_its_sums_agreed_to(tmp_path: Path) -> None:
    """States were deleted after 60 days: no gateway could prove its share of a period of three months."""
    sums = SecureSumFolder(tmp_path, "elm-3")
    for day in (NEWEST - 366, NEWEST - 61):
        sums.put("shared", day, OVER)
        sums.put("forecast", day, OVER)
    sums.put("shared", NEWEST - 800, OVER)
    sums.forget_before(NEWEST)
    for day in (NEWEST - 366, NEWEST - 61):
        assert sums.get("shared", day) == OVER
        forecast = sums.get("forecast", day)
        assert forecast is not None and forecast.lost, "nothing is proven of it"
    oldest = sums.get("shared", NEWEST - 800)
    assert oldest is not None and oldest.lost


def test_secrets_of_a_sum_that_never_ended_are_deleted(tmp_path: Path) -> None:
    sums = SecureSumFolder(tmp_path, "elm-3")
    sums.put("shared", NEWEST - 61, SecureSumState("ab", HOMES, "share", secrets="one-time secrets"))
    sums.forget_before(NEWEST)
    part = sums.get("shared", NEWEST - 61)
    assert part is not None and part.bound and part.lost
    assert not any("secrets" in path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_a_copy_beside_a_state_stops_nothing_and_is_deleted_with_all(tmp_path: Path) -> None:
    sums = SecureSumFolder(tmp_path, "elm-3")
    sums.put("forecast", NEWEST, OVER)
    (own,) = sums.states()
    own.with_name(f"forecast-{NEWEST} (1).json").write_bytes(own.read_bytes())
    assert sums.entered() == {("forecast", NEWEST)}
    sums.forget_before(NEWEST + 1000)
    sums.forget_all()
    assert sums.states() == [] and sums.entered() == {("forecast", NEWEST)}
