"""What a gateway still has to submit outlives the program, and an update of it."""

from __future__ import annotations

from pathlib import Path

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
