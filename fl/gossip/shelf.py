"""What a peer serves to the others: blocks by their CIDs, and the lists that tell which blocks there are.

    /epochs/EPOCH   digests of the peer's blocks of an epoch, and its signature of their root
    /merges/EPOCH   digests of a leader's merge, and for each segment a mask of the neighbours that are in it
    /recomputed/EPOCH/ROOT   the same of another leader's merge that this peer has recomputed
    /blocks/CID     the bytes of a block

A list of an epoch is told once its seed is drawn, so that nobody can choose what to publish by what others have.
Every answer has a length that follows from the terms: there is nothing in it to parse.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from fl.gossip.blocks import BlockRefused, Published, digest_in, digest_of

DIGEST_BYTES, SIGNATURE_BYTES, MASK_BYTES = 32, 65, 8
_LIST = re.compile(r"/(epochs|merges)/(\d{1,9})")
_RECOMPUTED = re.compile(r"/(recomputed/\d{1,9}/[0-9a-f]{64})")
_BLOCK = re.compile(r"/blocks/(b[a-z2-7]{58})")


@dataclass
class Shelf:
    """Held in memory, of the last epochs; asked by the server's thread, filled by the peer's."""

    open_until: int = 0  # epochs whose lists are told
    _blocks: dict[bytes, tuple[int, bytes]] = field(default_factory=dict, repr=False)
    _lists: dict[tuple[str, int], bytes] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def put_published(self, epoch: int, published: Published, signature: bytes) -> None:
        self._put("epochs", epoch, published, signature)

    def put_merged(self, epoch: int, merged: Published, masks: bytes) -> None:
        self._put("merges", epoch, merged, masks)

    def put_recomputed(self, epoch: int, merged: Published, masks: bytes) -> None:
        """Serve another's merge that was recomputed here."""
        self._put(f"recomputed/{epoch}/{merged.root.hex()}", epoch, merged, masks)

    def put_block(self, epoch: int, block: bytes) -> None:
        """Serve a block that was fetched from another peer, too."""
        with self._lock:
            self._blocks[digest_of(block)] = (epoch, block)

    def block(self, digest: bytes) -> bytes | None:
        with self._lock:
            found = self._blocks.get(digest)
        return None if found is None else found[1]

    def has_list(self, kind: str, epoch: int) -> bool:
        return (kind, epoch) in self._lists

    def forget_before(self, epoch: int) -> None:
        """Drop what nobody can ask for any more."""
        with self._lock:
            self._blocks = {digest: kept for digest, kept in self._blocks.items() if kept[0] >= epoch}
            self._lists = {place: told for place, told in self._lists.items() if place[1] >= epoch}

    def answer(self, path: str) -> bytes | None:
        """What is served at a path, or None."""
        if found := _LIST.fullmatch(path):
            kind, epoch = found[1], int(found[2])
            return self._lists.get((kind, epoch)) if epoch <= self.open_until else None
        if found := _RECOMPUTED.fullmatch(path):
            return self._lists.get((found[1], int(found[1].split("/")[1])))
        if found := _BLOCK.fullmatch(path):
            try:
                return self.block(digest_in(found[1]))
            except BlockRefused:
                return None
        return None

    def _put(self, kind: str, epoch: int, published: Published, beside: bytes) -> None:
        with self._lock:
            for block in published.blocks:
                self._blocks[digest_of(block)] = (epoch, block)
            self._lists[kind, epoch] = b"".join(published.digests) + beside


def split_list(data: bytes, count: int) -> tuple[list[bytes], bytes]:
    """The digests of a list, and what stands beside them."""
    digests = [data[at : at + DIGEST_BYTES] for at in range(0, count * DIGEST_BYTES, DIGEST_BYTES)]
    return digests, data[count * DIGEST_BYTES :]


def masks_of(sources: Sequence[Sequence[int]], neighbours: Sequence[Sequence[int]]) -> bytes:
    """For each segment, which of the neighbours are in the merge, as bits of 8 bytes, little-endian."""
    out = b""
    for used, known in zip(sources, neighbours, strict=True):
        out += sum(1 << at for at, peer in enumerate(known) if peer in used).to_bytes(MASK_BYTES, "little")
    return out


def sources_in(masks: bytes, neighbours: Sequence[Sequence[int]]) -> list[list[int]]:
    """The inverse of `masks_of`; bits beyond the neighbours are ignored."""
    found = []
    for segment, known in enumerate(neighbours):
        mask = int.from_bytes(masks[segment * MASK_BYTES : (segment + 1) * MASK_BYTES], "little")
        found.append([peer for at, peer in enumerate(known) if mask >> at & 1])
    return found
