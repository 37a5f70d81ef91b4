"""The compiled Keccak-256 is the one that everybody else computes."""

import numpy as np
import pytest
from eth_hash.auto import keccak as known
from hypothesis import given
from hypothesis import strategies as st

from zkp.batch.keccak import BLOCK, keccak


def hashed(data: bytes) -> bytes:
    message, out = np.full(len(data) + BLOCK, 0xA5, dtype=np.uint8), np.zeros(32, dtype=np.uint8)
    message[: len(data)] = np.frombuffer(data, dtype=np.uint8)
    keccak(message, len(data), out)
    return out.tobytes()


@given(st.binary(max_size=3 * BLOCK))
def test_any_message(data: bytes) -> None:
    assert hashed(data) == known(data)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK])
def test_around_the_ends_of_blocks(size: int) -> None:
    data = bytes(range(251)) * 2
    assert hashed(data[:size]) == known(data[:size])


def test_the_published_digest_of_nothing() -> None:
    """https://keccak.team: Keccak-256 of the empty message (not SHA3-256, which pads otherwise)."""
    assert hashed(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
