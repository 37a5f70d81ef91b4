"""What a file holds: itself, or the files of a zip archive, copied out of it for as long as they are read."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from data.atomic import naming
from data.errors import ImportRefused

_MOST_BYTES = 1 << 30
_MOST_FILES = 1_000
_FEWEST_LINES = 1 << 20  # as many as a workbook's sheet may have, however small the file
_BLOCK = 1 << 20
_END_MARK = 0x1A  # control-Z, with which DOS ended a text
_TAIL = 64
_UNPACK = "unpack it, and import the files in it one by one"


@dataclass(frozen=True)
class File:
    """`path`: where it can be read. `name`: what a person knows it by. `lines_before`: where its lines begin, when
    several files are counted through."""

    path: Path
    name: Path
    lines_before: int = 0


@dataclass(frozen=True)
class Files:
    """`path`: the file that was named, and `all` the files in it: at least one."""

    path: Path
    all: tuple[File, ...] = field(repr=False)

    def renamed(self, refused: ImportRefused) -> ImportRefused:
        """The refusal with the name that a person knows, and the line of that file."""
        for file in self.all:
            if refused.path == file.path != self.path:
                return ImportRefused(file.name, refused.problem, refused.line)
        if refused.line is None or len(self.all) == 1:
            return ImportRefused(self.all[0].name if refused.line else self.path, refused.problem, refused.line)
        if refused.line <= 0:  # of the names that all tables share
            return ImportRefused(self.path, refused.problem)
        file = next(file for file in reversed(self.all) if file.lines_before < refused.line)
        return ImportRefused(file.name, refused.problem, refused.line - file.lines_before)


@contextmanager
def files_in(path: Path) -> Iterator[Files]:
    """The files to be read. Raises ImportRefused for an archive that cannot be unpacked; refusals of what is in it
    name the archive and the file."""
    archive = _archive(path)
    if archive is None and not _has_end_mark(path):
        yield Files(path, (File(path, path),))
        return
    with TemporaryDirectory(prefix="wattproof-") as folder:
        try:
            files = Files(path, tuple(_unpacked(path, archive, Path(folder))))
        finally:
            if archive is not None:
                archive.close()
        try:
            yield files
        except ImportRefused as refused:
            raise files.renamed(refused) from None


def _archive(path: Path) -> zipfile.ZipFile | None:
    """A zip archive that is no workbook; None for any other file, a damaged archive included."""
    try:
        with path.open("rb") as file:
            if file.read(2) != b"PK":
                return None
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError):
        return None
    if {"[Content_Types].xml", "mimetype"}.isdisjoint(archive.namelist()):
        return archive
    archive.close()
    return None


def _has_end_mark(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return _END_MARK in _without_space(file.read())[-1:]
    except OSError:
        return False


def _without_space(text: bytes) -> bytes:
    return text.rstrip(b" \t\r\n")


def _unpacked(path: Path, archive: zipfile.ZipFile | None, folder: Path) -> Iterator[File]:
    if archive is None:
        with path.open("rb") as whole:
            yield File(_copied(whole, folder / "0"), path)
        return
    members = [member for member in archive.infolist() if not _is_beside(member)]
    if not members:
        raise ImportRefused(path, "is a zip archive without files: download it again")
    if len(members) > _MOST_FILES or sum(member.file_size for member in members) > _MOST_BYTES:
        raise ImportRefused(path, f"is a zip archive of over {_MOST_FILES} files or 1 GB: {_UNPACK}")
    before = 0
    for number, member in enumerate(sorted(members, key=lambda member: member.filename)):
        shown = "".join(letter if letter.isprintable() else "?" for letter in member.filename)
        try:
            with archive.open(member) as packed:
                copy = _copied(packed, folder / str(number))
        except RuntimeError:  # zipfile's word for a password that is needed, or a method that it does not know
            problem = f"is a zip archive with a password, or packed by an unknown method: {_UNPACK}"
            raise ImportRefused(path, problem) from None
        except (zipfile.BadZipFile, zlib.error, EOFError):
            raise ImportRefused(path / shown, "is damaged in the zip archive: download it again") from None
        yield File(copy, path / shown, before)
        before += max(member.file_size, _FEWEST_LINES)


def _is_beside(member: zipfile.ZipInfo) -> bool:
    """Folders, and what file managers put beside files."""
    parts = Path(member.filename).parts
    return member.is_dir() or not parts or parts[0] == "__MACOSX" or parts[-1].startswith(".")


def _copied(packed: IO[bytes], to: Path) -> Path:
    """A copy without control-Z at its end."""
    with naming(to), to.open("w+b") as copy:
        while block := packed.read(_BLOCK):
            copy.write(block)
        size = copy.tell()
        copy.seek(max(0, size - _TAIL))
        tail = copy.read()
        kept = _without_space(tail)
        if kept[-1:] == bytes([_END_MARK]):
            copy.truncate(size - len(tail) + len(kept.rstrip(bytes([_END_MARK]))))
    return to
