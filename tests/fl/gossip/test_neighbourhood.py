"""What a peer makes of what others serve: only blocks under the root on the chain count; a second root is told on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from fl.gossip.blocks import Place, Published, cid_of
from fl.gossip.duties import _enough
from fl.gossip.neighbourhood import Neighbourhood
from fl.gossip.registry import Drawn, Entry, Terms
from fl.gossip.segments import Segments
from fl.gossip.settings import GossipSettings
from fl.gossip.shelf import Shelf
from fl.gossip.transport import PeerAway

SEGMENTS = Segments(10, 2)
COMMUNITY, EPOCH = b"\x0c" * 32, 1
PEERS = [bytes([number]) * 20 for number in range(1, 6)]
LIAR = 2
SIGNATURE = b"\x05" * 65


def published(number: int, change: int = 0) -> Published:
    place = Place(COMMUNITY, EPOCH, PEERS[number])
    return Published.of(place, np.arange(10) * (number + 1) + change, SEGMENTS)


@dataclass
class Chain:
    """What the registry says of one epoch, and what it was told."""

    signed: bool = True
    revealed: bool = True
    slashed: list[bytes] = field(default_factory=list)

    def members(self, count: int) -> list[bytes]:
        return PEERS[:count]

    def gone(self, count: int) -> frozenset[int]:
        return frozenset(range(count))

    def entry(self, epoch: int, member: bytes) -> Entry:
        return Entry(published(PEERS.index(member)).root, self.revealed)

    def has_signed(self, member: bytes, epoch: int, root: bytes, signature: bytes) -> bool:
        return self.signed

    def slash_two_roots(self, epoch: int, member: bytes, root: bytes, signature: bytes) -> str:
        self.slashed.append(root)
        return ""


@dataclass
class Line:
    """Serves what the peers serve; `served` in place of it, by path, from the liar."""

    served: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def get(self, peer: bytes, path: str, size: int) -> bytes:
        self.asked.append(path)
        number = PEERS.index(peer)
        if number == LIAR and path in self.served:
            return self.served[path]
        own = published(number)
        answers = {f"/blocks/{cid_of(d)}": b for d, b in zip(own.digests, own.blocks, strict=True)}
        answers[f"/epochs/{EPOCH}"] = b"".join(own.digests) + SIGNATURE
        if path not in answers:
            raise PeerAway("no such thing")
        return answers[path]


def hood(chain: Chain, line: Line, challenged: list[tuple[int, bytes, int]], gone: int = 0) -> Neighbourhood:
    terms = Terms(COMMUNITY, SEGMENTS.count, SEGMENTS.size, 5, 10, 3, 20)
    return Neighbourhood(
        EPOCH, Drawn(b"\x07" * 32, len(PEERS), gone, 0), chain, terms, SEGMENTS, GossipSettings(segments=2), line,
        Shelf(), 0.0, lambda *what: challenged.append(what),
    )  # type: ignore[arg-type]  # fmt: skip


def test_a_peers_values_are_fetched_once() -> None:
    line, challenged = Line(), list[tuple[int, bytes, int]]()
    seen = hood(Chain(), line, challenged)
    for _ in range(2):
        rows = [seen.values(LIAR, segment) for segment in range(2)]
        assert (SEGMENTS.join(np.stack([row for row in rows if row is not None])) == np.arange(10) * 3).all()
    assert len(line.asked) == 3 and challenged == []


@pytest.mark.parametrize("signed", [True, False])
def test_a_list_of_another_root_counts_for_nothing_and_costs_who_has_signed_it(signed: bool) -> None:
    other = published(LIAR, change=1)
    line = Line({f"/epochs/{EPOCH}": b"".join(other.digests) + SIGNATURE})
    chain, challenged = Chain(signed), list[tuple[int, bytes, int]]()
    assert hood(chain, line, challenged).values(LIAR, 1) is None
    assert chain.slashed == ([other.root] if signed else []) and challenged == [(EPOCH, PEERS[LIAR], 1)]


@pytest.mark.parametrize("what", ["garbage", "another segment", "another epoch"])
def test_bytes_that_are_not_the_block_count_for_nothing_and_are_challenged(what: str) -> None:
    own, size = published(LIAR), len(published(LIAR).blocks[0])
    place = Place(COMMUNITY, EPOCH + 1, PEERS[LIAR])
    served = {
        "garbage": bytes(size), "another segment": own.blocks[1],
        "another epoch": place.block(0, np.arange(SEGMENTS.size)),
    }[what]  # fmt: skip
    challenged: list[tuple[int, bytes, int]] = []
    seen = hood(Chain(), Line({f"/blocks/{cid_of(own.digests[0])}": served}), challenged)
    assert seen.values(LIAR, 0) is None and seen.values(LIAR, 1) is not None
    assert challenged == [(EPOCH, PEERS[LIAR], 0)]


def test_who_has_revealed_nothing_is_not_asked_and_not_challenged() -> None:
    line, challenged = Line(), list[tuple[int, bytes, int]]()
    assert hood(Chain(revealed=False), line, challenged).values(LIAR, 0) is None
    assert line.asked == [] and challenged == []


def test_those_that_are_gone_are_in_no_graph() -> None:
    seen = hood(Chain(), Line(), [], gone=2)
    assert seen.peers == PEERS[2:] and seen.number_of(PEERS[0]) is None and seen.topology.peers == 3


def test_a_leader_can_not_leave_out_so_many_that_its_own_values_decide() -> None:
    neighbours = [list(range(8))]
    assert _enough([list(range(4))], neighbours, trim=2)
    assert not _enough([list(range(3))], neighbours, trim=1)  # fewer than half of them
    assert not _enough([[0, 1]], [[0, 1, 2]], trim=2)  # too few to trim
