"""Files written whole or not at all: to a temporary file in the same folder, then renamed."""

import os
import tempfile
from pathlib import Path


def write_bytes(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write `content` to `path`, making its folder if need be. `private` files are their owner's alone (0600)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if not private:
            temporary.chmod(0o644)
        temporary.replace(path)
        _settle(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    """Have the renaming itself on disk, so that a power cut can't bring the old file back."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
