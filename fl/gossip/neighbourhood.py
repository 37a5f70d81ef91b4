"""An epoch whose seed is drawn, as one peer sees it: who is in its graph, and what each of them has published.

What is fetched is held against the root on the chain: a list whose digests don't lead to it, or a block that is not
the digest's, is no block. A list with another root that its peer has signed costs that peer its bond. Where a block
can't be had, the peer is challenged on the chain, once an epoch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from fl.gossip.blocks import BlockRefused, Place, block_bytes, cid_of, merkle_root
from fl.gossip.fixed_point import Fixed
from fl.gossip.registry import Drawn, Registry, Terms
from fl.gossip.segments import Segments
from fl.gossip.settings import GossipSettings
from fl.gossip.shelf import DIGEST_BYTES, MASK_BYTES, SIGNATURE_BYTES, Shelf, split_list
from fl.gossip.topology import Topology, draw
from fl.gossip.transport import PeerAway, PeerLine

_log = logging.getLogger(__name__)
_AGAIN_S = 0.25


@dataclass
class Neighbourhood:
    """Fetches from the peers of an epoch; each thing once. Peers are numbers below `len(peers)`."""

    epoch: int
    drawn: Drawn
    registry: Registry
    terms: Terms
    segments: Segments
    settings: GossipSettings
    line: PeerLine
    shelf: Shelf
    patience_s: float
    challenge: Callable[[int, bytes, int], None]  # (epoch, member, segment)
    _digests: dict[int, list[bytes] | None] = field(default_factory=dict)
    _values: dict[tuple[int, int], Fixed | None] = field(default_factory=dict)
    _away: set[int] = field(default_factory=set)

    @cached_property
    def members(self) -> list[bytes]:
        """All that had joined, by the registry's index."""
        return list(self.registry.members(self.drawn.members))

    @cached_property
    def peers(self) -> list[bytes]:
        """Members in the graph: those that are not gone."""
        gone = self.registry.gone(self.drawn.gone)
        return [member for index, member in enumerate(self.members) if index not in gone]

    @cached_property
    def topology(self) -> Topology:
        return draw(self.drawn.seed, [0] * len(self.peers), self.settings)

    def number_of(self, member: bytes) -> int | None:
        return self.peers.index(member) if member in self.peers else None

    def neighbours(self, peer: int) -> list[tuple[int, ...]]:
        """By segment."""
        return [self.topology.neighbours(segment, peer) for segment in range(self.segments.count)]

    def values(self, peer: int, segment: int) -> Fixed | None:
        """What a peer has published of a segment; None where it can't be had, or is not what its root says."""
        key = peer, segment
        if key not in self._values:
            self._values[key] = self._fetch(peer, segment)
        return self._values[key]

    def _fetch(self, peer: int, segment: int) -> Fixed | None:
        digests = self._listed(peer, segment)
        if digests is None:
            return None
        digest, member = digests[segment], self.peers[peer]
        place = Place(self.terms.community, self.epoch, member)
        size = self.segments.size
        try:
            data = self.shelf.block(digest) or self._patiently(peer, f"/blocks/{cid_of(digest)}", block_bytes(size))
            values = place.read(data, segment, size, digest)
        except (PeerAway, BlockRefused) as problem:
            self._missing(peer, segment, problem)
            return None
        self.shelf.put_block(self.epoch, data)
        return values

    def _listed(self, peer: int, segment: int) -> list[bytes] | None:
        if peer not in self._digests:
            self._digests[peer] = self._fetch_list(peer, segment)
        return self._digests[peer]

    def _fetch_list(self, peer: int, segment: int) -> list[bytes] | None:
        member = self.peers[peer]
        entry = self.registry.entry(self.epoch, member)
        if entry.root is None or not entry.revealed:
            return None  # it is not in this epoch
        count = self.segments.count
        try:
            data = self._patiently(peer, f"/epochs/{self.epoch}", count * DIGEST_BYTES + SIGNATURE_BYTES)
        except PeerAway as problem:
            self._missing(peer, segment, problem)
            return None
        digests, signature = split_list(data, count)
        if (root := merkle_root(digests)) == entry.root:
            return digests
        self._missing(peer, segment, PeerAway("its list is not that of its root"))
        if self.registry.has_signed(member, self.epoch, root, signature):
            refused = self.registry.slash_two_roots(self.epoch, member, root, signature)
            _log.warning("two roots", extra=self._about(member) | {"refused": refused})
        return None

    def _patiently(self, peer: int, path: str, size: int) -> bytes:
        """What a peer has at a path, asked again for a while: it may not have seen yet that the epoch goes on."""
        if peer in self._away:
            raise PeerAway("it did not answer before")
        until = time.monotonic() + self.patience_s
        while True:
            try:
                return self.line.get(self.peers[peer], path, size)
            except PeerAway:
                if time.monotonic() > until:
                    self._away.add(peer)
                    raise
                time.sleep(_AGAIN_S)

    def _missing(self, peer: int, segment: int, problem: Exception) -> None:
        member = self.peers[peer]
        _log.warning("block not to be had", extra=self._about(member) | {"segment": segment, "reason": str(problem)})
        self.challenge(self.epoch, member, segment)

    def _about(self, member: bytes) -> dict[str, object]:
        return {"epoch": self.epoch, "peer": f"0x{member.hex()}"}


def merge_list_bytes(segments: Segments) -> int:
    """Length of the list of a leader's merge."""
    return segments.count * (DIGEST_BYTES + MASK_BYTES)
