"""The embedded chain's fast precompiles say, charge and refuse exactly what py-evm's own do."""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from eth.exceptions import VMError
from eth.precompiles import bls12_g1_msm, bls12_pairing_check
from hypothesis import given
from hypothesis import strategies as st
from py_ecc.optimized_bls12_381 import G2, normalize

from rewards import evm_rules as prague
from tests.support.laws import examples
from zkp.algebra.curve import FIELD_MODULUS
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import load_setup
from zkp.evm import points as evm_points

pytestmark = pytest.mark.slow

Precompile = Callable[[Any], Any]
PAIRS: list[tuple[Precompile, Precompile]] = [
    (prague.g1_msm, bls12_g1_msm),
    (prague.pairing_check, bls12_pairing_check),
]


def outcome(precompile: Precompile, data: bytes) -> tuple[bytes | None, list[int]]:
    """Output (None for an error) and gas."""
    charged: list[int] = []
    call = SimpleNamespace(msg=SimpleNamespace(data=data), output=b"")
    call.consume_gas = lambda amount, reason: charged.append(amount)
    try:
        precompile(call)
    except VMError:
        return None, charged
    return bytes(call.output), charged


def agree(kind: int, data: bytes) -> bytes | None:
    fast, known = (outcome(precompile, data) for precompile in PAIRS[kind])
    assert fast == known
    return fast[0]


@cache
def point(multiple: int) -> bytes:
    setup = load_setup()
    made = setup.curve.msm([setup.powers(1)[0]], [multiple])
    return bytes(128) if multiple % MODULUS == 0 else evm_points.g1(setup.curve.encode(made))


@cache
def generator_of_g2(negative: bool) -> bytes:
    x, y = normalize(G2)
    parts = [*x.coeffs, *(-y if negative else y).coeffs]
    return b"".join(int(c).to_bytes(64, "big") for c in parts)


multiples = st.sampled_from([0, 1, 2, 5, MODULUS - 1])
scalars = st.one_of(st.sampled_from([0, 1, MODULUS, MODULUS + 3, (1 << 256) - 1]), st.integers(0, (1 << 256) - 1))


@examples(15)
@given(st.lists(st.tuples(multiples, scalars), max_size=5))
def test_sums_are_the_same(terms: list[tuple[int, int]]) -> None:
    agree(0, b"".join(point(m) + s.to_bytes(32, "big") for m, s in terms))


@pytest.mark.parametrize("count", [1, 71, 128, 129])
def test_the_gas_of_a_sum_is_the_same(count: int) -> None:
    data = (point(0) + bytes(32)) * count
    assert agree(0, data) == bytes(128)


@pytest.mark.parametrize(("left", "right", "holds"), [(3, 3, 1), (3, 2, 0), (0, 0, 1), (0, 1, 0)])
def test_pairings_are_the_same(left: int, right: int, holds: int) -> None:
    data = point(left) + generator_of_g2(False) + point(right) + generator_of_g2(True)
    assert agree(1, data) == holds.to_bytes(32, "big")


def xy(x: int, y: int) -> bytes:
    return x.to_bytes(64, "big") + y.to_bytes(64, "big")


GOOD_X, GOOD_Y = (int.from_bytes(point(1)[k : k + 64], "big") for k in (0, 64))
BAD = {
    "not on the curve": xy(GOOD_X, GOOD_Y + 1),
    "outside the subgroup": xy(0, 2),
    "x not below the modulus": xy(GOOD_X + FIELD_MODULUS, GOOD_Y),
    "y not below the modulus": xy(GOOD_X, GOOD_Y + FIELD_MODULUS),
    "padding not zero": b"\1" + point(1)[1:],
    "x alone zero": xy(0, GOOD_Y),
}


@pytest.mark.parametrize("name", list(BAD))
@pytest.mark.parametrize("scalar", [0, 1, MODULUS])
def test_what_is_no_point_is_refused_even_with_a_scalar_of_zero(name: str, scalar: int) -> None:
    assert agree(0, point(2) + (7).to_bytes(32, "big") + BAD[name] + scalar.to_bytes(32, "big")) is None


@pytest.mark.parametrize("name", list(BAD))
def test_no_pairing_takes_what_is_no_point(name: str) -> None:
    assert agree(1, BAD[name] + generator_of_g2(False)) is None
    g2 = generator_of_g2(False)
    assert agree(1, point(1) + g2[:-1] + bytes([g2[-1] ^ 1])) is None


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("size", [0, 1, 159, 161, 383, 385])
def test_input_of_another_length_is_refused(kind: int, size: int) -> None:
    assert agree(kind, bytes(size)) is None
