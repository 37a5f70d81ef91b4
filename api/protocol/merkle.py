"""Merkle trees as OpenZeppelin's MerkleProof checks them: pairs sorted, a node without a pair moves up."""

from __future__ import annotations

from collections.abc import Sequence

from eth_hash.auto import keccak

NO_LEAF = bytes(32)
"""The root of no leaf at all."""


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """From the leaves, in their order, to the root."""
    out = [list(leaves) or [NO_LEAF]]
    while len(out[-1]) > 1:
        below = out[-1]
        pairs = [sorted(below[k : k + 2]) for k in range(0, len(below), 2)]
        out.append([keccak(b"".join(pair)) if len(pair) == 2 else pair[0] for pair in pairs])
    return out


def path(leaves: Sequence[bytes], leaf: bytes) -> list[bytes]:
    """The hashes beside a leaf and beside each node above it. Raises ValueError for one that is not there."""
    place, beside = list(leaves).index(leaf), []
    for level in levels(leaves)[:-1]:
        beside += level[place ^ 1 : (place ^ 1) + 1]  # none beside the last of an odd number
        place //= 2
    return beside


def root(leaf: bytes, beside: Sequence[bytes]) -> bytes:
    """Where a leaf and its path lead."""
    for other in beside:
        leaf = keccak(b"".join(sorted([leaf, other])))
    return leaf
