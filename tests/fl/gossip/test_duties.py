"""What a committee's member attests to: a merge that it has recomputed, once in each committee that it is in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from fl.gossip.blocks import Place, Published, cid_of
from fl.gossip.draws import DRAWS, committee, leader
from fl.gossip.duties import Duties
from fl.gossip.epoch import merge_model
from fl.gossip.fixed_point import Fixed
from fl.gossip.folder import KeptEpoch, PeerFolder
from fl.gossip.registry import Accepted, ChainAway, Drawn, Entry, Moment, Terms
from fl.gossip.segments import Segments
from fl.gossip.settings import GossipSettings
from fl.gossip.shelf import Shelf, masks_of
from fl.gossip.topology import draw as draw_graph
from fl.gossip.transport import PeerAway
from fl.settings import FederationSettings

SEGMENTS, COMMUNITY, EPOCH, BEGUN = Segments(10, 2), b"\x0c" * 32, 1, 1000
PEERS = [bytes([number]) * 20 for number in range(1, 8)]
GOSSIP = GossipSettings(segments=2, trim=1, committee=3, patience_s=0.001)
TERMS = Terms(COMMUNITY, SEGMENTS.count, SEGMENTS.size, epochs=5, leader_s=10_000, committee=3, draw_s=1000)
SEED = b"\x07" * 32
LEADER = leader(SEED, 0, len(PEERS))


def model(number: int) -> Fixed:
    return np.arange(10) * (number + 1)


def merge_of(number: int) -> tuple[Fixed, bytes]:
    topology = draw_graph(SEED, [0] * len(PEERS), GOSSIP)
    merged, sources = merge_model(
        number, model(number), lambda peer, at: SEGMENTS.split(model(peer))[at], topology, SEGMENTS, GOSSIP
    )
    return merged, masks_of(sources, [topology.neighbours(at, number) for at in range(SEGMENTS.count)])


def proposal_of(number: int) -> Published:
    return Published.of(Place(COMMUNITY, EPOCH, PEERS[number]).merged(), merge_of(number)[0], SEGMENTS)


@dataclass
class Chain:
    """An epoch in which all have revealed; what its member attests to."""

    own: bytes
    root: bytes  # what the leader has proposed
    is_away: bool = False
    refused: str = ""
    attested: list[tuple[bytes, int, int]] = field(default_factory=list)

    def drawn(self, epoch: int) -> Drawn:
        return Drawn(SEED, len(PEERS), 0, BEGUN)

    def members(self, count: int) -> list[bytes]:
        return PEERS[:count]

    def gone(self, count: int) -> frozenset[int]:
        return frozenset()

    def entry(self, epoch: int, member: bytes) -> Entry:
        own = Published.of(Place(COMMUNITY, epoch, member), model(PEERS.index(member)), SEGMENTS)
        return Entry(own.root, revealed=True)

    def proposal(self, epoch: int, member: bytes) -> bytes | None:
        return self.root if member == PEERS[LEADER] else None

    def accepted(self, epoch: int) -> Accepted | None:
        return None

    def attest(self, epoch: int, leader: bytes, draw: int, place: int) -> str:
        if self.is_away:
            raise ChainAway("no node")
        if self.refused:
            return self.refused
        self.attested.append((leader, draw, place))
        return ""


class Line:
    """All peers serve what they have published, and the leader what it says it has merged."""

    def get(self, peer: bytes, path: str, size: int) -> bytes:
        own = Published.of(Place(COMMUNITY, EPOCH, peer), model(PEERS.index(peer)), SEGMENTS)
        answers = {f"/blocks/{cid_of(d)}": block for d, block in zip(own.digests, own.blocks, strict=True)}
        answers[f"/epochs/{EPOCH}"] = b"".join(own.digests) + bytes(65)
        if peer == PEERS[LEADER]:
            answers[f"/merges/{EPOCH}"] = b"".join(proposal_of(LEADER).digests) + merge_of(LEADER)[1]
        if path not in answers:
            raise PeerAway("no such thing")
        return answers[path]


def member_of(draws: set[int]) -> int:
    """A peer, not the leader, that is in these of the first two committees and in no other of them."""
    chosen = [committee(SEED, 3, len(PEERS), draw) for draw in range(2)]
    return next(
        number for number in range(len(PEERS))
        if number != LEADER and {draw for draw in range(2) if number in chosen[draw]} == draws
    )  # fmt: skip


def duties(number: int, chain: Chain, folder: Path) -> Duties:
    settings = FederationSettings(topology="gossip", gossip=GOSSIP)
    kept = PeerFolder(folder)
    kept.save_published(EPOCH, KeptEpoch(model(number), bytes(32)))
    return Duties(settings, chain, TERMS, SEGMENTS, kept, Shelf(), Line())  # type: ignore[arg-type]


def at(seconds: int) -> Moment:
    return Moment(EPOCH + 1, False, BEGUN + seconds)


def test_a_member_attests_once_and_again_in_the_committee_that_is_drawn_next(tmp_path: Path) -> None:
    number = member_of({1})
    chain = Chain(PEERS[number], proposal_of(LEADER).root)
    own = duties(number, chain, tmp_path)
    own.attend(at(TERMS.draw_s - 1))
    assert chain.attested == []  # the first committee is others'
    for _ in range(2):
        own.attend(at(TERMS.draw_s))
    assert chain.attested == [(PEERS[LEADER], 1, committee(SEED, 3, len(PEERS), 1).index(number))]
    own.attend(at(DRAWS * TERMS.draw_s))
    draws = [draw for draw in range(DRAWS) if number in committee(SEED, 3, len(PEERS), draw)]
    for _ in draws:
        own.attend(at(DRAWS * TERMS.draw_s))
    assert [draw for _, draw, _ in chain.attested] == draws


def test_what_could_not_be_said_because_the_chain_was_away_is_said_later(tmp_path: Path) -> None:
    number = member_of({0})
    chain = Chain(PEERS[number], proposal_of(LEADER).root, is_away=True)
    own = duties(number, chain, tmp_path)
    with pytest.raises(ChainAway):
        own.attend(at(0))
    chain.is_away = False
    own.attend(at(0))
    assert [(who, draw) for who, draw, _ in chain.attested] == [(PEERS[LEADER], 0)]


def test_an_attestation_that_failed_in_its_block_is_repeated(tmp_path: Path) -> None:
    """The one that decides ran out of gas where another came before it, and was never made again."""
    number = member_of({0})
    chain = Chain(PEERS[number], proposal_of(LEADER).root, refused="the transaction failed")
    own = duties(number, chain, tmp_path)
    assert not own.attend(at(0))
    chain.refused = ""
    assert own.attend(at(0))
    assert [(who, draw) for who, draw, _ in chain.attested] == [(PEERS[LEADER], 0)]


@pytest.mark.parametrize("what", ["another merge", "another leader's merge"])
def test_a_wrong_merge_is_attested_to_in_no_committee(tmp_path: Path, what: str) -> None:
    number = member_of({0})
    other = next(peer for peer in range(len(PEERS)) if peer != LEADER)
    root = b"\x09" * 32 if what == "another merge" else proposal_of(other).root
    chain = Chain(PEERS[number], root)
    own = duties(number, chain, tmp_path)
    for _ in range(DRAWS):
        own.attend(at(DRAWS * TERMS.draw_s))
    assert chain.attested == []
