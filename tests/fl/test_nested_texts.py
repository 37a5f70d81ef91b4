"""Texts of other parties that nest deeper than any of ours are refused: the parser recurses on the C stack."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fl.errors import KeysError
from fl.gossip.transport import read_peers
from fl.secagg.roster import Roster
from fl.vertical.errors import VerticalRefused
from fl.vertical.terms import VerticalTerms
from fl.vertical.wire import read_ridge

NESTED = b"[" * 5_000
"""Deeper than Python's own limit, and not so deep that a parser without one would end the tests."""


@pytest.fixture(autouse=True)
def pythons_own_limit() -> Iterator[None]:
    """Other tests load py-ecc, which raises it."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.parametrize("read", [VerticalTerms.from_bytes, read_ridge])
def test_a_message_of_a_session_is_refused(read: Callable[[bytes], object]) -> None:
    with pytest.raises(VerticalRefused, match="malformed"):
        read(NESTED)


@pytest.mark.parametrize("read", [Roster.read, read_peers])
def test_a_list_from_the_community_is_refused(read: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "list.json").write_bytes(NESTED)
    with pytest.raises(KeysError, match=r"list\.json is not"):
        read(tmp_path / "list.json")
