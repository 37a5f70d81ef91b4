"""When files have changed: what is made of them is made again only then."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def changed_at(files: Iterable[Path]) -> list[tuple[str, int]]:
    """Files and when they changed (ns since 1970); 0 for one that is not there."""
    return [(str(path), path.stat().st_mtime_ns if path.exists() else 0) for path in files]
