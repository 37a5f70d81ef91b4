"""What a gateway still has to submit outlives the program, and an update of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.gateway.outbox import Outbox, Submission


def test_what_an_earlier_release_had_to_submit_is_taken_over(tmp_path: Path) -> None:
    waiting = Submission("forecast", 17_316, since=1)
    Outbox(tmp_path / "outbox", "elm-3").put(waiting)
    (tmp_path / "outbox").rename(tmp_path / "errands")
    assert Outbox(tmp_path / "outbox", "elm-3").all() == [waiting]
    assert not (tmp_path / "errands").exists()


def test_a_folder_of_an_earlier_release_does_not_replace_a_newer_one(tmp_path: Path) -> None:
    newer = Submission("forecast", 17_317, since=2)
    Outbox(tmp_path / "outbox", "elm-3").put(newer)
    (tmp_path / "errands" / "elm-3").mkdir(parents=True)
    assert Outbox(tmp_path / "outbox", "elm-3").all() == [newer]
    assert (tmp_path / "errands").is_dir()


@pytest.mark.parametrize(
    "changed",
    [{"since": None}, {"since": "1"}, {"signings": []}, {"state": "lost"}, {"code": 1}, {"transaction": {}}],
)
def test_a_submission_with_a_field_of_another_type_is_damaged(tmp_path: Path, changed: dict[str, Any]) -> None:
    """It was taken, and whoever looked at it next, as `status` does, ended with a fault of the program."""
    path = tmp_path / "elm-3" / "forecast-17316.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"kind": "forecast", "number": 17_316, "since": 1} | changed))
    damaged = Submission("forecast", 17_316, since=0, state="refused", code="damaged")
    assert Outbox(tmp_path, "elm-3").all() == [damaged]


@pytest.mark.parametrize("name", ["forecast-5 (1).json", "._forecast-5.json", "note-5.json", "forecast-x.json"])
def test_a_copy_beside_a_submission_stops_nothing(tmp_path: Path, name: str) -> None:
    """A file of a program that keeps folders the same ended the agent, and `wattproof status`."""
    outbox, own = Outbox(tmp_path, "elm-3"), Submission("forecast", 5, since=1)
    outbox.put(own)
    (tmp_path / "elm-3" / name).write_bytes((tmp_path / "elm-3" / "forecast-5.json").read_bytes())
    assert outbox.all() == [own]
    outbox.forget_before(100)
