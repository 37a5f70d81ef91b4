"""A home's record of its sums on a disk that is full for a while."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fl.file_lock import locked
from fl.secagg.sum_record import SecondSum, SumRecord
from tests.support.small_disk import fill, small_disk

pytestmark = pytest.mark.process  # it mounts one
PAGE = 4096


def test_what_did_not_fit_leaves_no_half_line_behind(tmp_path: Path) -> None:
    """The next entry followed it in the same line, and the record counted as damaged from the next start on."""
    with small_disk(tmp_path / "disk", 64) as disk:
        path = disk / "sums.jsonl"
        with closing(SumRecord(path)) as record:
            number = 0
            while path.stat().st_size % PAGE < PAGE - 100:  # so that a part of the next line has room
                record.reveal(number.to_bytes(32, "big"))
                number += 1
            ballast, before = fill(disk), path.read_bytes()
            with pytest.raises(OSError, match="No space left") as failed:
                record.enter(b"\x01" * 32, b"\x02" * 32, ())
            assert failed.value.filename == str(path) and path.read_bytes() == before
            ballast.unlink()
            record.enter(b"\x01" * 32, b"\x03" * 32, ())
        with closing(SumRecord(path)) as again, pytest.raises(SecondSum):
            again.enter(b"\x01" * 32, b"\x02" * 32, ())


def test_a_lock_file_without_room_is_named(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        fill(disk)
        with pytest.raises(OSError, match="No space left") as failed, locked(disk / ".lock", wait=False):
            pass
        assert failed.value.filename == str(disk / ".lock")
