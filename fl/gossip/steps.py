"""Whoever wants to know what a peer does in an epoch, and when (`api.gateway.gossip_traces`)."""

from __future__ import annotations

from typing import Protocol


class Done(Protocol):
    """Told of each step that has worked: its name, the epoch it is part of, and when it began, nanoseconds since
    1970. `homes`: how many members are in the epoch, where it is a merge."""

    def __call__(self, step: str, epoch: int, began_ns: int, *, homes: int = 0) -> None: ...


def tell_nobody(step: str, epoch: int, began_ns: int, *, homes: int = 0) -> None:
    """Of a peer that nobody watches."""
