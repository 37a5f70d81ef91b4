"""Fiat-Shamir: every message of every protocol passes through here, labelled and versioned.

The state is a Keccak-256 chain. What is absorbed, as label | length | data with labels of 32 bytes, gathers until a
challenge is asked for; then state <- keccak(state | gathered | label), and the challenge is the new state reduced
modulo the group order (2^256 / r > 2, so that no value has a probability above 3 / 2^256). `ProverChannel` writes a
proof while it absorbs it, `VerifierChannel` reads one: the proof is exactly the sequence of messages, and what is not
absorbed cannot be sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from eth_hash.auto import keccak

from zkp.algebra.curve import G1_BYTES, Curve, Point, canonical_scalars
from zkp.algebra.field import MODULUS, SCALAR_BYTES, squares
from zkp.errors import MalformedProof

PROTOCOL = b"wattproof/4"
_LABEL_BYTES = 32


@cache
def padded_label(text: str) -> bytes:
    data = text.encode()
    if len(data) > _LABEL_BYTES:
        raise ValueError(f"a transcript label takes at most {_LABEL_BYTES} bytes: {text!r}")
    return data.ljust(_LABEL_BYTES, b"\0")


def frame(label: str, size: int) -> bytes:
    """What stands before `size` absorbed bytes."""
    return padded_label(label) + size.to_bytes(8, "big")


class Transcript:
    """Labelled Keccak chain of one protocol run."""

    def __init__(self, protocol: str) -> None:
        self._state = keccak(PROTOCOL)
        self._gathered = bytearray()
        self.absorb("protocol", protocol.encode())

    def absorb(self, label: str, data: bytes) -> None:
        self._gathered += frame(label, len(data)) + data

    def challenge(self, label: str) -> int:
        self._state = keccak(self._state + self._gathered + padded_label(label))
        self._gathered.clear()
        return int.from_bytes(self._state, "big") % MODULUS

    def challenges(self, label: str, count: int) -> list[int]:
        return [self.challenge(label) for _ in range(count)]

    def point(self, label: str, count: int) -> list[int]:
        """A point for multilinear polynomials, from one challenge."""
        return squares(self.challenge(label), count)


def encode_scalars(values: Sequence[int]) -> bytes:
    return b"".join((v % MODULUS).to_bytes(SCALAR_BYTES, "big") for v in values)


class ProverChannel(Transcript):
    """A transcript that records what the prover sends."""

    def __init__(self, protocol: str, curve: Curve) -> None:
        super().__init__(protocol)
        self._curve = curve
        self._sent = bytearray()

    def send_scalars(self, label: str, values: Sequence[int]) -> None:
        self._send(label, encode_scalars(values))

    def send_points(self, label: str, points: Sequence[Point]) -> None:
        self._send(label, b"".join(self._curve.encode(p) for p in points))

    def _send(self, label: str, data: bytes) -> None:
        self.absorb(label, data)
        self._sent += data

    def proof(self) -> bytes:
        return bytes(self._sent)


class VerifierChannel(Transcript):
    """A transcript that reads what the prover sent; raises MalformedProof where the bytes are not that."""

    def __init__(self, protocol: str, curve: Curve, proof: bytes) -> None:
        super().__init__(protocol)
        self._curve = curve
        self._proof = proof
        self._position = 0

    def receive_scalars(self, label: str, count: int) -> list[int]:
        return canonical_scalars(self._take(label, count * SCALAR_BYTES))

    def receive_points(self, label: str, count: int) -> list[Point]:
        data = self._take(label, count * G1_BYTES)
        return [self._curve.decode(data[k : k + G1_BYTES]) for k in range(0, len(data), G1_BYTES)]

    def _take(self, label: str, size: int) -> bytes:
        data = self._proof[self._position : self._position + size]
        if len(data) != size:
            raise MalformedProof(f"the proof ends inside {label!r}: {size} bytes expected, {len(data)} left")
        self._position += size
        self.absorb(label, data)
        return data

    def finish(self) -> None:
        left = len(self._proof) - self._position
        if left:
            raise MalformedProof(f"{left} bytes follow the end of the proof")
