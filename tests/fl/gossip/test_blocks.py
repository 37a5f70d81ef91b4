"""Blocks: one form in bytes, named by their content, refused when they are anything else."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.gossip.blocks import (
    HEADER_BYTES,
    BlockRefused,
    Place,
    Published,
    cid_of,
    digest_in,
    digest_of,
    merkle_path,
    merkle_root,
)
from fl.gossip.segments import Segments

PLACE = Place(b"\x0c" * 32, 3, b"\x0a" * 20)
VALUES = np.arange(-5, 5, dtype=np.int64)


def test_a_block_is_read_back() -> None:
    data = PLACE.block(2, VALUES)
    assert (PLACE.read(data, 2, 10, digest_of(data)) == VALUES).all()
    assert len(data) == HEADER_BYTES + 40


@given(at=st.integers(0, HEADER_BYTES + 39), bit=st.integers(0, 7))
def test_no_bit_of_a_block_can_be_changed(at: int, bit: int) -> None:
    data = bytearray(PLACE.block(2, VALUES))
    digest = digest_of(bytes(data))
    data[at] ^= 1 << bit
    with pytest.raises(BlockRefused, match="not those of the digest"):
        PLACE.read(bytes(data), 2, 10, digest)


@pytest.mark.parametrize(
    ("place", "segment"),
    [(replace(PLACE, peer=b"\x0b" * 20), 2), (replace(PLACE, epoch=4), 2), (replace(PLACE, community=bytes(32)), 2),
     (PLACE, 1), (PLACE.merged(), 2)],
)  # fmt: skip
def test_a_copy_is_nobody_elses_block(place: Place, segment: int) -> None:
    data = PLACE.block(2, VALUES)
    with pytest.raises(BlockRefused, match="another peer's"):
        place.read(data, segment, 10, digest_of(data))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", bytes(HEADER_BYTES + 41), bytes(10**6)])
def test_bytes_of_another_length_are_not_even_hashed(data: bytes) -> None:
    with pytest.raises(BlockRefused, match="bytes where a block has"):
        PLACE.read(data, 2, 10, digest_of(data))


def test_the_one_number_that_no_block_can_be_made_of_is_refused_in_anothers() -> None:
    place = Place(b"\x0c" * 32, 1, b"\x0a" * 20)
    data = place.block(0, np.zeros(2, dtype=np.int64))[:-4] + b"\x00\x00\x00\x80"
    with pytest.raises(BlockRefused, match="below those"):
        place.read(data, 0, 2, digest_of(data))


def test_a_value_beyond_32_bits_makes_no_block() -> None:
    with pytest.raises(BlockRefused):
        PLACE.block(0, np.array([2**31]))


def test_a_cid_is_that_of_ipfs_for_the_bytes() -> None:
    """The example of the package ipfs-cid on PyPI."""
    cid = "bafkreide5semuafsnds3ugrvm6fbwuyw2ijpj43gwjdxemstjkfozi37hq"
    assert cid_of(hashlib.sha256(b"Hello world").digest()) == cid


@given(st.binary(min_size=32, max_size=32))
def test_a_cid_tells_its_digest(digest: bytes) -> None:
    assert digest_in(cid_of(digest)) == digest


@pytest.mark.parametrize(
    "cid", ["", "bafy", "zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA", "b" + "a" * 58, "é"]
)
def test_what_is_no_cid_of_ours_is_refused(cid: str) -> None:
    with pytest.raises(BlockRefused):
        digest_in(cid)


@given(power=st.integers(0, 5), at=st.integers(0, 31))
def test_a_merkle_path_leads_to_the_root(power: int, at: int) -> None:
    leaves = [digest_of(bytes([number])) for number in range(2**power)]
    at %= 2**power
    node, index = leaves[at], at
    for sibling in merkle_path(leaves, at):
        pair = (node, sibling) if index % 2 == 0 else (sibling, node)
        node, index = hashlib.sha256(b"\x01" + b"".join(pair)).digest(), index // 2
    assert node == merkle_root(leaves) and len(merkle_path(leaves, at)) == power


def test_a_peers_blocks_hold_its_model() -> None:
    segments = Segments(30, 4)
    model = np.arange(30) - 15
    published = Published.of(PLACE, model, segments)
    rows = [
        PLACE.read(block, at, segments.size, digest)
        for at, (block, digest) in enumerate(zip(published.blocks, published.digests, strict=True))
    ]
    assert (segments.join(np.stack(rows)) == model).all()
    assert published.root == merkle_root(published.digests)
