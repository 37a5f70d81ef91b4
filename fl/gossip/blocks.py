"""What peers fetch from each other: a segment as bytes of one form, named by its content.

    b"wattproof block 1"  community (32)  epoch (4)  peer (20)  segment (2)  numbers (4)  int32 each, little-endian

A block says whose it is, so nobody can publish a copy as its own. Its name is the CIDv1 (raw, sha2-256) of its bytes.
The digests of a peer's blocks of an epoch are the leaves of a Merkle tree, whose root stands on the chain. Bytes are
held against their digest and their length before anything else is looked at; there is nothing to parse then.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fl.errors import FederationError
from fl.gossip.fixed_point import LARGEST, Fixed
from fl.gossip.segments import Segments

MAGIC = b"wattproof block 1"
_PLACE = struct.Struct(">32sI20sHI")
MERGED = 1 << 31  # added to an epoch's number: blocks of a leader's merge
HEADER_BYTES = len(MAGIC) + _PLACE.size
_CID_PREFIX = b"\x01\x55\x12\x20"  # version 1, raw, sha2-256, 32 bytes
_NODE = b"\x01"


class BlockRefused(FederationError):
    """Bytes that are not the block they were fetched as."""


@dataclass(frozen=True)
class Place:
    """Whose block of which epoch it is; `peer`: the 20 bytes of its address on the chain."""

    community: bytes
    epoch: int
    peer: bytes

    def merged(self) -> Place:
        """The place of the leader's merge in this epoch, beside what it has published before."""
        return replace(self, epoch=self.epoch | MERGED)

    def block(self, segment: int, values: Fixed) -> bytes:
        """The bytes of a segment, int64 [size] within 32 bits."""
        if np.abs(values).max(initial=0) > LARGEST:
            raise BlockRefused("a value does not fit 32 bits")
        header = _PLACE.pack(self.community, self.epoch, self.peer, segment, len(values))
        return MAGIC + header + values.astype("<i4").tobytes()

    def read(self, data: bytes, segment: int, size: int, digest: bytes) -> Fixed:
        """The values in bytes that anybody may have sent. Raises BlockRefused unless they are that block."""
        if len(data) != block_bytes(size):
            raise BlockRefused(f"{len(data)} bytes where a block has {block_bytes(size)}")
        if digest_of(data) != digest:
            raise BlockRefused("the bytes are not those of the digest")
        if data[:HEADER_BYTES] != MAGIC + _PLACE.pack(self.community, self.epoch, self.peer, segment, size):
            raise BlockRefused("the block is another peer's, or of another epoch or segment")
        values = np.frombuffer(data[HEADER_BYTES:], dtype="<i4").astype(np.int64)
        if values.min(initial=0) < -LARGEST:
            raise BlockRefused("a value is below those that a block has: none can be made of a merge with it")
        return values


@dataclass(frozen=True)
class Published:
    """A peer's blocks of an epoch."""

    blocks: tuple[bytes, ...]

    @staticmethod
    def of(place: Place, vector: Fixed, segments: Segments) -> Published:
        return Published(tuple(place.block(at, row) for at, row in enumerate(segments.split(vector))))

    @property
    def digests(self) -> list[bytes]:
        return [digest_of(block) for block in self.blocks]

    @property
    def root(self) -> bytes:
        return merkle_root(self.digests)


def block_bytes(size: int) -> int:
    """Length of a block with so many numbers."""
    return HEADER_BYTES + 4 * size


def digest_of(block: bytes) -> bytes:
    """SHA-256 of a block: its leaf in the tree, and the hash in its CID."""
    return hashlib.sha256(block).digest()


def cid_of(digest: bytes) -> str:
    """CIDv1 of a block by its digest: multibase base32, raw codec."""
    return "b" + base64.b32encode(_CID_PREFIX + digest).decode().rstrip("=").lower()


def digest_in(cid: str) -> bytes:
    """The digest in a CID of the form of `cid_of`. Raises BlockRefused."""
    try:
        data = base64.b32decode(cid[1:].upper() + "=" * (-(len(cid) - 1) % 8))
    except ValueError:
        raise BlockRefused(f"{cid[:80]!r} is no CID") from None
    if len(data) != len(_CID_PREFIX) + 32 or cid_of(data[4:]) != cid:
        raise BlockRefused(f"{cid[:80]!r} is no CID of a raw block with sha2-256")
    return data[4:]


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Root over a power of two of digests; an inner node is SHA-256 of a byte 1 and its two children."""
    level = list(leaves)
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def merkle_path(leaves: Sequence[bytes], at: int) -> list[bytes]:
    """The siblings from a leaf up, by which the chain checks that it is under the root."""
    level, path = list(leaves), []
    while len(level) > 1:
        path.append(level[at ^ 1])
        level, at = _parents(level), at // 2
    return path


def _parents(level: list[bytes]) -> list[bytes]:
    return [
        hashlib.sha256(_NODE + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=True)
    ]
