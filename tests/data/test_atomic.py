"""A file is written whole or not at all."""

import errno
import os
import stat
from pathlib import Path

import pytest

from data.atomic import write_bytes
from tests.support.small_disk import fill, small_disk


def test_it_replaces_what_was_there_and_makes_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"


@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o644)])
def test_private_files_are_their_owners_alone(tmp_path: Path, private: bool, mode: int) -> None:
    write_bytes(tmp_path / "f", b"x", private=private)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == mode


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    """The system's error was of the temporary file: ..j3vuxbqx: Device or resource busy."""
    (tmp_path / "f").mkdir()
    with pytest.raises(IsADirectoryError) as refused:
        write_bytes(tmp_path / "f", b"x")
    assert refused.value.filename == str(tmp_path / "f") and [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_folder_that_takes_no_files_is_told_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's error was of the temporary file: .f.0ixiyh9u: Read-only file system."""

    def read_only(name: str, *_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(OSError, match="Read-only") as refused:
        write_bytes(tmp_path / "f", b"x")
    assert refused.value.filename == str(tmp_path / "f")


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    write_bytes(path, b"old")

    def full_disk(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


@pytest.mark.process
def test_a_full_disk_is_told_with_the_file(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        write_bytes(disk / "f", b"old")
        ballast = fill(disk)
        with pytest.raises(OSError, match="No space left") as failed:
            write_bytes(disk / "f", b"new" * 5000)
        assert str(failed.value.filename).endswith("f")
        assert (disk / "f").read_bytes() == b"old" and {p.name for p in disk.iterdir()} == {"f", ballast.name}
