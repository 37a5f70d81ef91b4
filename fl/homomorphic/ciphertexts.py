"""Vectors of whole numbers under BFV: exact, added without the key.

BFV: Fan and Vercauteren, "Somewhat practical fully homomorphic encryption" (2012), as Microsoft SEAL has it, through
TenSEAL (the extra `he`). CKKS is not used: what it decrypts to shows the key once it is shared (Li and Micciancio,
Eurocrypt 2021); BFV decrypts to the very numbers that were encrypted.

Parameters: 8192 slots modulo a prime of 60 bits, and two primes of 48 bits for the ciphertext (a third one is SEAL's
own, never used here): 144 bits where the Homomorphic Encryption Standard (2018) allows 218 for 128 bits of security.
The noise of a fresh ciphertext leaves room for far more sums than `fl.homomorphic.member.MOST_MEMBERS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from fl.errors import FederationError
from fl.secagg.session import MaskingRefused

SLOTS = 8192
MODULUS = 1152921504606830593
"""The plain modulus: the largest prime below 2^60 that is 1 modulo 2 * 8192, so that slots add up one by one."""
_COEFFICIENT_BITS = (48, 48, 48)
MOST_BYTES = 2 * SLOTS * 2 * 8 + 4096
"""Of one ciphertext of two polynomials over two primes, with its headers; a longer one is not even parsed."""
MOST_KEY_BYTES = SLOTS * 3 * 8 + 4096


class ExtraMissing(FederationError):
    """TenSEAL is not installed."""


def require() -> None:
    """Raises ExtraMissing where the extra `he` is not installed."""
    _tenseal()


def _tenseal() -> Any:
    try:
        import tenseal
    except ImportError:
        raise ExtraMissing(
            "secure_aggregation.scheme: bfv needs TenSEAL, which is not installed: `pip install 'wattproof[he]'` at "
            "the coordinator and every gateway, or set scheme: masks"
        ) from None
    return tenseal


def chunks_of(length: int) -> int:
    """Ciphertexts that so many numbers take."""
    return -(-length // SLOTS)


class SecretKey:
    """The key that the homes of one sum share. Its repr shows nothing of it."""

    def __init__(self, context: Any) -> None:
        self._context = context

    @classmethod
    def new(cls) -> SecretKey:
        """Drawn afresh by SEAL."""
        return cls(_new_context())

    @classmethod
    def from_bytes(cls, data: bytes) -> SecretKey:
        """Raises MaskingRefused for bytes that are none, or a key of other parameters."""
        if len(data) > MOST_KEY_BYTES:
            raise MaskingRefused(f"a secret key has at most {MOST_KEY_BYTES} bytes, here are {len(data)}")
        try:
            context = _tenseal().context_from(data)
            private = bool(context.is_private())
        except (ValueError, RuntimeError) as problem:
            raise MaskingRefused(f"the secret key of the sum can't be read ({type(problem).__name__})") from None
        if not private or _parameters_id(context) != _parameters_id(_public_context()):
            raise MaskingRefused("the secret key of the sum is of other parameters than this home sums under")
        return cls(context)

    def to_bytes(self) -> bytes:
        return bytes(
            self._context.serialize(
                save_public_key=False, save_secret_key=True, save_galois_keys=False, save_relin_keys=False
            )
        )

    def encrypt(self, values: Sequence[int]) -> list[bytes]:
        """Ciphertexts of numbers modulo MODULUS, `chunks_of` their count."""
        padded = [_centred(value) for value in values] + [0] * (-len(values) % SLOTS)
        rows = [padded[at : at + SLOTS] for at in range(0, len(padded), SLOTS)]
        return [bytes(_tenseal().bfv_vector(self._context, row).serialize()) for row in rows]

    def decrypt(self, ciphertexts: Sequence[bytes]) -> list[int]:
        """The numbers, from 0 to MODULUS - 1. Raises MaskingRefused for bytes that are no ciphertexts."""
        values: list[int] = []
        for data in ciphertexts:
            vector = _parsed(self._context, data)
            values += [int(value) % MODULUS for value in vector.decrypt()]
        return values


class BlindSum:
    """The sum of what others have encrypted, formed without a key."""

    def __init__(self, chunks: int) -> None:
        self._sums: list[Any] = []
        self._chunks = chunks

    def add(self, ciphertexts: Sequence[bytes]) -> None:
        """Raises MaskingRefused for anything but ciphertexts, as many as a vector takes; then nothing was added."""
        if len(ciphertexts) != self._chunks:
            raise MaskingRefused(f"{len(ciphertexts)} ciphertexts where the vector takes {self._chunks}")
        parsed = [_parsed(_public_context(), data) for data in ciphertexts]
        self._sums = [total + one for total, one in zip(self._sums, parsed, strict=True)] if self._sums else parsed

    def to_bytes(self) -> list[bytes]:
        return [bytes(total.serialize()) for total in self._sums]


def _parsed(context: Any, data: object) -> Any:
    if not isinstance(data, bytes) or len(data) > MOST_BYTES:
        raise MaskingRefused(f"a ciphertext has at most {MOST_BYTES} bytes")
    try:
        vector = _tenseal().bfv_vector_from(context, data)
        sizes, slots = [part.size() for part in vector.ciphertext()], vector.size()
    except (ValueError, RuntimeError, IndexError) as problem:  # SEAL's and protobuf's own words are of no use
        raise MaskingRefused(f"what was sent is no ciphertext ({type(problem).__name__})") from None
    if sizes != [2] or slots != SLOTS:
        raise MaskingRefused("what was sent is a ciphertext of another form than this sum's")
    return vector


def _centred(value: int) -> int:
    """Modulo MODULUS, nearest to zero, as TenSEAL takes numbers."""
    reduced = value % MODULUS
    return reduced - MODULUS if reduced > MODULUS // 2 else reduced


def _new_context() -> Any:
    tenseal = _tenseal()
    return tenseal.context(
        tenseal.SCHEME_TYPE.BFV,
        SLOTS,
        MODULUS,
        coeff_mod_bit_sizes=list(_COEFFICIENT_BITS),
        encryption_type=tenseal.ENCRYPTION_TYPE.SYMMETRIC,
        n_threads=1,
    )


@cache
def _public_context() -> Any:
    """Parameters without any key."""
    return _tenseal().context_from(
        _new_context().serialize(
            save_public_key=False, save_secret_key=False, save_galois_keys=False, save_relin_keys=False
        )
    )


def _parameters_id(context: Any) -> list[int]:
    """SEAL's hash of all parameters."""
    return list(context.seal_context().data.key_parms_id())
