"""The structured reference string: Ethereum's KZG ceremony (2023, 141,416 contributions).

The file ships with eth-account, which web3 installs. Its SHA-256 is pinned and checked whenever it is loaded; the
relation between its powers, e(tau^(i+1) G1, G2) = e(tau^i G1, tau G2) for all i, is a fact about that pinned hash,
checked by `Setup.check_powers` (in the tests, and on request by `wattproof verify --check-setup`).
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from threading import Lock

from zkp.algebra.curve import Curve, Point, curve
from zkp.algebra.vector import fresh_scalars
from zkp.errors import SetupError

ROW_BITS = 12
ROW = 1 << ROW_BITS
"""Entries of one committed row: as many as the ceremony has powers."""

CEREMONY_SHA256 = "d39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7"
_PACKAGE = "eth_account"
_FILE = "typed_transactions/blob_transactions/kzg_trusted_setup.txt"

# RFC 9380 hash_to_curve of b"blinding base" under this tag: nobody knows its logarithm. A test recomputes it.
BLINDING_TAG = b"WATTPROOF-V1-BLINDING-with-BLS12381G1_XMD:SHA-256_SSWU_RO_"
BLINDING_MESSAGE = b"blinding base"
BLINDING_BASE = bytes.fromhex(
    "b86772028fed01b72436b65c673ecbbfb12e5a199b0efc8c54a6307ecad1b644ea8705f9d0328c6fcf32acc5a4e2d5d3"
)


def powers_digest() -> bytes:
    """Names the powers of tau and the blinding base that every proof is about; 32 bytes."""
    return hashlib.sha256(bytes.fromhex(CEREMONY_SHA256) + BLINDING_BASE).digest()


class Setup:
    """Powers of the ceremony's tau for one curve backend, decoded when first needed."""

    def __init__(self, backend: Curve, g1: list[bytes], g2: list[bytes]) -> None:
        self.curve = backend
        self._g1, self._g2 = g1, g2
        self._decoded: tuple[Point, ...] = ()

    def powers(self, count: int) -> Sequence[Point]:
        """[G, tau G, ..., tau^(count-1) G] (possibly more). Safe between threads: what is decoded stays."""
        known = self._decoded
        if len(known) < count:
            known += tuple(self.curve.decode_trusted(data) for data in self._g1[len(known) : count])
            self._decoded = known
        return known

    @cached_property
    def blinder(self) -> Point:
        return self.curve.decode(BLINDING_BASE)

    @cached_property
    def g2(self) -> Point:
        return self.curve.decode_g2_trusted(self._g2[0])

    @cached_property
    def tau_g2(self) -> Point:
        return self.curve.decode_g2_trusted(self._g2[1])

    @property
    def compressed_g2(self) -> tuple[bytes, bytes]:
        """G2 and tau G2."""
        return self._g2[0], self._g2[1]

    def check_powers(self) -> None:
        """The pairing relation of all powers, by one random combination. Raises SetupError."""
        points = self.powers(ROW)
        weights = fresh_scalars(ROW - 1)
        low = self.curve.msm(points[:-1], weights)
        high = self.curve.msm(points[1:], weights)
        if not self.curve.pairing_check([(high, self.g2), (self.curve.negate(low), self.tau_g2)]):
            raise SetupError("the ceremony's file does not hold powers of one tau")


def ceremony_file() -> Path:
    """Path of the ceremony's file in the installed eth-account. Raises SetupError when it is not there."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise SetupError("eth-account, which carries the ceremony's file, is not installed")
    path = Path(spec.origin).parent / _FILE
    if not path.is_file():
        raise SetupError(f"the ceremony's file is missing: {path}")
    return path


def parse_ceremony(raw: bytes) -> tuple[list[bytes], list[bytes]]:
    """G1 and G2 powers, compressed, from the ceremony's text. Raises SetupError on another hash."""
    if hashlib.sha256(raw).hexdigest() != CEREMONY_SHA256:
        raise SetupError("the ceremony's file does not have the pinned SHA-256; reinstall eth-account")
    lines = raw.decode().split()
    count, count_g2 = int(lines[0]), int(lines[1])
    # The file holds: both counts, G1 in Lagrange form, G2 powers, G1 powers.
    g2 = lines[2 + count : 2 + count + count_g2]
    g1 = lines[2 + count + count_g2 : 2 + 2 * count + count_g2]
    return [bytes.fromhex(x) for x in g1], [bytes.fromhex(x) for x in g2]


def load_setup(backend: str = "") -> Setup:
    """The ceremony for a curve backend (default: as `curve` chooses); one object for each backend."""
    with _LOADING:  # threads that ask at once wait, instead of each holding 4096 points of its own
        return _load(curve(backend).name)


_LOADING = Lock()


@cache
def _load(backend: str) -> Setup:
    g1, g2 = parse_ceremony(ceremony_file().read_bytes())
    return Setup(curve(backend), g1, g2)
