"""Memory of processes while they run, from /proc: the largest sums over a process and all below it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

_EVERY_S = 0.1


class PeakMemory:
    """Samples the memory of a process (by default this one) and all below it while the block runs.

    `pss_mb` shares out what several processes map, such as libraries; `rss_mb` counts it once for each of them.
    """

    def __init__(self, pid: int | None = None) -> None:
        self.pss_mb = self.rss_mb = 0.0
        self._pid = os.getpid() if pid is None else pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def restart(self) -> None:
        """Forget the peaks so far."""
        self.pss_mb = self.rss_mb = 0.0

    def _sample(self) -> None:
        while not self._stop.wait(_EVERY_S):
            rss_kb, pss_kb = (sum(each) for each in zip(*map(_memory_kb, _tree(self._pid)), strict=True))
            self.rss_mb, self.pss_mb = max(self.rss_mb, rss_kb / 1024), max(self.pss_mb, pss_kb / 1024)


def resident_mb(pid: int) -> float:
    """Resident memory of a process and all below it, now."""
    return sum(_memory_kb(each)[0] for each in _tree(pid)) / 1024


def _tree(pid: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        children.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def _memory_kb(pid: int) -> tuple[int, int]:
    """Resident and proportional set size; zero for a process that has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0, 0
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("Rss:", "Pss:"))}
    return sizes.get("Rss", 0), sizes.get("Pss", 0)
