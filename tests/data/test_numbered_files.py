"""The numbers in names of files: a copy beside one is nothing of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.numbered_files import kind_and_number, numbered

COPIES = ("17316 (1)", "17316.sync-conflict-20260101", "017316", "-5", "17_316", "１７３１６", "", "x", "9" * 20)

KINDS = ("forecast", "forecast-", "claim")


def test_numbers_are_those_that_we_write() -> None:
    assert numbered(["20", "3", "0", *COPIES]) == [0, 3, 20]


@pytest.mark.parametrize("number", COPIES)
def test_a_copy_is_of_no_kind(number: str) -> None:
    found = kind_and_number(Path(f"forecast-{number}.json"), KINDS)
    assert found is None or found[0] != "forecast"


def test_a_file_and_a_mark_say_their_kind_and_number() -> None:
    for name in ("forecast-17316.json", "forecast-17316"):
        assert kind_and_number(Path(name), KINDS) == ("forecast", 17316)
    assert kind_and_number(Path("note-17316.json"), KINDS) is None
