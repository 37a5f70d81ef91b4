"""Waiting for what processes do: it ends as soon as one of them has, and not after ten minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.waiting import ended, until


class Running:
    """It ends with `code` when it is looked at for the second time, having done what it does."""

    def __init__(self, code: int, does: Path | None = None) -> None:
        self._code, self._does, self._looks = code, does, 0

    def poll(self) -> int | None:
        self._looks += 1
        if self._looks < 2:
            return None
        if self._does is not None:
            self._does.touch()
        return self._code


@pytest.mark.parametrize("code", [0, 1, -9])
def test_a_process_that_has_ended_fails_what_waits_for_it_at_once(code: int) -> None:
    processes = {"server": Running(code)}
    with pytest.raises(AssertionError, match=f"server has ended with {code}: no forecast"):
        until(lambda: None, "no forecast", lambda: ended(processes))


def test_what_it_did_before_it_ended_is_found(tmp_path: Path) -> None:
    processes = {"server": Running(1, tmp_path / "done")}
    assert until((tmp_path / "done").exists, "nothing", lambda: ended(processes))


def test_one_that_ends_by_itself_may_do_so_but_not_fail() -> None:
    assert ended({"coordinator": Running(0)}, by_itself=["coordinator"]) == ""
    done, failed = Running(0), Running(1)
    for one in (done, failed):
        one.poll()
    assert ended({"coordinator": done}, by_itself=["coordinator"]) == ""
    assert ended({"coordinator": failed}, by_itself=["coordinator"]) == "coordinator has ended with 1"
