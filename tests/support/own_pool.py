"""Proofs of a community's homes are made in processes of their own (`data.process_pool`), each of which imports and
compiles for seconds what the test's process has at hand: fixtures make theirs there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from api.one_machine import day


class OwnPool(ThreadPoolExecutor):
    """One thread of this process in the place of a pool of processes."""

    def __init__(self, _workers: int, start: Callable[[], None]) -> None:
        super().__init__(1, initializer=start)


@contextmanager
def proving_here() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(day, "ProcessPool", OwnPool)
        yield
