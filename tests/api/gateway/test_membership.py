"""What a gateway erases of a home that leaves, and what it must not forget: where its days have been summed."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.config.community_yaml import load
from api.gateway.membership import erase, kept_of, shared_tables
from api.gateway.secure_sum.state import SecureSumFolder, SecureSumState
from data.errors import DamagedFile
from tests.api.files_fixture import wattproof, write_inputs

LEDGERS = ("privacy.json", "days-privacy.json", "sums.jsonl", "settled.json", "vertical.entered.json")


@pytest.mark.parametrize("stage", ["", "keys", "mask"])
def test_a_home_that_leaves_and_comes_back_enters_no_second_sum_of_a_day(tmp_path: Path, stage: str) -> None:
    write_inputs(tmp_path, ("elm-3",), 20)
    config = load(tmp_path / "community.yaml")
    sums = SecureSumFolder(config.api.sums_dir, "elm-3")
    sums.put("forecast", 20_000, SecureSumState("ab", ["elm-3", "elm-5"], stage, secrets="one-time secrets"))
    sums.mark_past(["measured"], [19_000])
    for name in LEDGERS:
        path = config.api.homes_dir / "elm-3" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    (config.api.homes_dir / "elm-3" / "vault.db").write_text("readings")

    erase(config, "elm-3", kept_of(config, "elm-3", readings=True))

    for kind, day in (("forecast", 20_000), ("measured", 19_000)):
        part = sums.get(kind, day)  # type: ignore[arg-type]
        assert part is not None and part.bound, f"{kind} {day}: two totals of the day could be subtracted"
    left = {path.name for path in (config.api.homes_dir / "elm-3").iterdir()}
    assert left == set(LEDGERS)
    assert not any("secrets" in path.read_text() for path in config.api.sums_dir.rglob("*") if path.is_file())
    assert kept_of(config, "elm-3", readings=True) == []


def test_a_home_that_leaves_takes_no_other_homes_readings_along(tmp_path: Path) -> None:
    """All tables of the settings were erased, whosever they were: `leave nobody` offered the only home's."""
    write_inputs(tmp_path, ("elm-3", "elm-5", "elm-7"), 20)
    own, other, both = (tmp_path / f"elm-{k}.csv" for k in (3, 5, 7))
    both.write_text(both.read_text() + "\n".join(own.read_text().splitlines()[1:3]) + "\n")
    config = load(tmp_path / "community.yaml")
    erased = kept_of(config, "elm-3", readings=True)
    assert own in erased and not {other, both} & set(erased)
    assert shared_tables(config, "elm-3") == [both]
    other.write_bytes(b"\xff")
    with pytest.raises(DamagedFile, match=r"elm-5\.csv is damaged"):
        kept_of(config, "elm-3", readings=True)


def test_of_a_home_that_is_not_here_nothing_is_offered_to_be_erased(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_inputs(tmp_path, ("elm-3",), 20)
    ended = wattproof(tmp_path, "leave", "elm-4", capfd=capfd)
    assert ended.code == 1 and "name a home of this gateway" in ended.said and "To be erased" not in ended.said
