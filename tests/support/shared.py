"""What is expensive to make is made once, by whichever test process first asks for it, and copied by the others."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """A folder of the caller's own with what `build` puts into an empty one.

    Args:
        build: must leave nothing open in the folder, and write no path of it into its files.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # of all workers
    original = root / f"built-{name}"
    with (root / f"built-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not original.exists():
            draft = root / f"draft-{name}"
            shutil.rmtree(draft, ignore_errors=True)  # of a build that failed
            draft.mkdir()
            build(draft)
            draft.rename(original)
    return shutil.copytree(original, factory.mktemp(name), symlinks=True, dirs_exist_ok=True)
