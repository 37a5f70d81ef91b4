"""X'Y of one party's columns X and another's Y, as two shares that add up to it: neither party learns the product.

Beaver's multiplication (Crypto 1991), for matrices (Mohassel and Zhang, "SecureML", IEEE S&P 2017, section IV),
modulo 2^64, so that it is exact. The coordinator deals random A, B and shares of A'B; home and partner tell each
other X - A and Y - B, which are uniform, through a channel that the coordinator can't read. It holds as long as the
coordinator, who knows A and B, is colluding with neither.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from fl.secagg.rings import SEED_BYTES, Words64
from fl.secagg.session import framed
from fl.vertical.errors import VerticalRefused

Words = NDArray[np.uint64]
_RING = Words64()
MOST_ROWS = 1 << 20


@dataclass(frozen=True)
class Shape:
    """X is [rows, left], Y is [rows, right]."""

    rows: int
    left: int
    right: int

    def __post_init__(self) -> None:
        if not (1 <= self.rows <= MOST_ROWS and 1 <= self.left <= 1024 and 1 <= self.right <= 64):
            raise VerticalRefused(
                f"a product of {self.left} and {self.right} columns of {self.rows} rows is too large"
            )


@dataclass(frozen=True)
class Dealt:
    """What the coordinator gives the two: a seed each, and the partner's share of A'B, [left, right] words."""

    home_seed: bytes = field(repr=False)
    partner_seed: bytes = field(repr=False)
    partner_share: Words = field(repr=False)


def context(session: bytes, home_key: bytes, partner_key: bytes) -> bytes:
    """What A and B are bound to: the digest of the session's terms, and both sides' keys in it.

    A coordinator that deals a seed twice would otherwise have the two tell each other how their columns differ.
    """
    return framed(session, home_key[:SEED_BYTES], partner_key[:SEED_BYTES])


def deal(shape: Shape, bound_to: bytes) -> Dealt:
    """Draw A, B and shares of their product. `bound_to`: see `context`."""
    home_seed, partner_seed = secrets.token_bytes(SEED_BYTES), secrets.token_bytes(SEED_BYTES)
    mask, share = home_masks(home_seed, shape, bound_to)
    product = mask.T @ partner_mask(partner_seed, shape, bound_to)
    return Dealt(home_seed, partner_seed, product - share)


def home_masks(seed: bytes, shape: Shape, bound_to: bytes) -> tuple[Words, Words]:
    """A [rows, left] and the home's share [left, right] of A'B."""
    words = _RING.expand(_bound(seed, bound_to), shape.rows * shape.left + shape.left * shape.right)
    mask, share = words[: shape.rows * shape.left], words[shape.rows * shape.left :]
    return mask.reshape(shape.rows, shape.left), share.reshape(shape.left, shape.right)


def partner_mask(seed: bytes, shape: Shape, bound_to: bytes) -> Words:
    """B [rows, right]."""
    return _RING.expand(_bound(seed, bound_to), shape.rows * shape.right).reshape(shape.rows, shape.right)


def home_share(values: Words, share: Words, partner_difference: Words) -> Words:
    """The home's share of X'Y: its share of A'B, and X'(Y - B)."""
    return share + values.T @ partner_difference


def partner_share(mask: Words, share: Words, home_difference: Words) -> Words:
    """The partner's: its share of A'B, and (X - A)'B."""
    return share + home_difference.T @ mask


def words(values: NDArray[np.int64]) -> Words:
    """Whole numbers modulo 2^64."""
    return np.ascontiguousarray(values, dtype=np.int64).view(np.uint64)


def to_bytes(array: NDArray[np.generic]) -> bytes:
    """Little-endian, by rows; the reader knows type and shape."""
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()


def from_bytes(data: bytes, dtype: str, shape: tuple[int, ...]) -> NDArray[np.generic]:
    """Raises VerticalRefused for another number of bytes than the shape takes."""
    kind = np.dtype(dtype).newbyteorder("<")
    if len(data) != kind.itemsize * int(np.prod(shape)):
        raise VerticalRefused(f"{len(data)} bytes are not an array of {shape}")
    return np.frombuffer(data, dtype=kind).reshape(shape).astype(dtype)


def mask_of(seed: bytes, what: bytes, count: int) -> Words:
    """Words that home and partner both know, to hide what a home tells the coordinator."""
    return _RING.expand(sha256(framed(b"wattproof vertical sum", what, seed)).digest(), count)


def _bound(seed: bytes, bound_to: bytes) -> bytes:
    return sha256(framed(b"wattproof vertical product", seed, bound_to)).digest()
