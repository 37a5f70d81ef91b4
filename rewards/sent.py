"""The transactions that a piece of work has sent, whichever of its calls did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_noted: ContextVar[list[str] | None] = ContextVar("transactions sent", default=None)


@contextmanager
def transactions_sent() -> Iterator[list[str]]:
    """The hashes of what the block's thread sends, in order, in hexadecimal; complete at the block's end."""
    found: list[str] = []
    token = _noted.set(found)
    try:
        yield found
    finally:
        _noted.reset(token)


def note_sent(digest: bytes) -> None:
    """A transaction was handed to the chain."""
    found = _noted.get()
    if found is not None:
        found.append("0x" + bytes(digest).hex())
