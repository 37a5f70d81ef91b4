"""Proofs are checked in separate processes, because the arithmetic holds the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import LifoQueue
from typing import Any

from api.protocol import bundle as bundles
from api.protocol.arithmetic import warm_up
from api.protocol.period import Side
from api.protocol.settlement import Share
from api.protocol.share_check import verify_shares
from fl.worker import WorkProcess

_NICE = 5  # read requests take priority over proofs


class ProofChecker:
    """A number of processes, each checking one proof at a time. Each starts with the first proof for which none that
    has started is idle."""

    is_ready = False

    def __init__(self, processes: int) -> None:
        self._processes = [WorkProcess(_ready) for _ in range(processes)]
        self._idle: LifoQueue[WorkProcess[None]] = LifoQueue()
        for process in self._processes:
            self._idle.put(process)

    def check(self, bundle: bundles.Bundle) -> None:
        """Check signatures and proof; for as many threads as there are processes.

        Raises what `bundle.verify` raises, or WorkProcessDied.
        """
        self._call(_check, bundles.encode(bundle))

    def check_shares(self, terms: bytes, household: str, shares: Mapping[Side, Share]) -> None:
        """Check a member's shares of a period; for as many threads as there are processes.

        Raises what `verify_shares` raises, or WorkProcessDied.
        """
        self._call(_check_shares, terms, household, dict(shares))

    def _call(self, job: Callable[..., None], *arguments: Any) -> None:
        process = self._idle.get()
        try:
            process.call(job, *arguments)
        finally:
            self._idle.put(process)

    def start(self) -> None:
        """Start the processes and load what they need, so that the first proof need not wait for that."""
        resting = [self._idle.get() for _ in self._processes]
        try:
            while resting:
                resting[-1].start()
                self._idle.put(resting.pop())
        finally:
            for process in resting:
                self._idle.put(process)
        self.is_ready = True

    def close(self) -> None:
        self.is_ready = False
        for process in self._processes:
            process.close()


def _ready() -> None:
    with suppress(OSError):
        os.nice(_NICE)
    warm_up()


def _check(_: None, data: bytes) -> None:
    bundles.verify(bundles.parse(data))


def _check_shares(_: None, terms: bytes, household: str, shares: Mapping[Side, Share]) -> None:
    verify_shares(terms, household, shares)
