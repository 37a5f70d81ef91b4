"""Atomic file writes: to a temporary file in the same folder, then renamed.

By hand: os.replace, fsync and mode 0600 take thirty lines, and the package for it (atomicwrites) is unmaintained.
"""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def write_bytes(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write `content` to `path`, as `replacing` does."""
    with replacing(path, private=private) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, *, private: bool = False) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` at the end of the block; where that fails, nothing has changed.

    Its folder is made if need be. `private` files are their owner's alone (0600). Raises OSError, which names `path`.
    """
    if path.is_dir():  # otherwise the error is of the temporary file, and says that a device is busy
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # created with mode 0600
    except OSError as problem:  # read-only, or no permission: of the temporary file, whose name says nothing
        problem.filename = str(path)
        raise
    temporary = Path(name)
    try:
        with naming(path), os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if not private:
            temporary.chmod(0o644)
        temporary.replace(path)
        _settle(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def append(path: Path, content: bytes) -> None:
    """Have `content` on the disk at the end of a file; where that fails, the file is as it was.

    Raises OSError, which names the file.
    """
    with naming(path):
        handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            before = os.fstat(handle).st_size
            try:
                while content:
                    content = content[os.write(handle, content) :]
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, before)  # a part of it may be there
                raise
        finally:
            os.close(handle)


def rewrite(file: IO[str], text: str) -> None:
    """Have an open file hold `text` alone. Raises OSError, which names the file."""
    with naming(Path(file.name)):
        file.truncate(0)
        os.write(file.fileno(), text.encode())  # of a buffer, closing the file would try it again


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An error of writing to a file that is open, whose name the system leaves out, gets the name `path`."""
    try:
        yield
    except OSError as problem:
        if problem.errno and problem.filename is None:
            problem.filename = str(path)
        raise


def _settle(folder: Path) -> None:
    """Flush the rename itself to disk, so that a power cut cannot bring the old file back."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
