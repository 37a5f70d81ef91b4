"""The embedded chain's rules: Prague, as py-evm has it, with the two precompiles that a reward needs by arkworks.

py-evm computes sums and pairings of BLS12-381 in Python: two seconds for a reward, and again whenever the chain is
replayed. Answers, errors and gas are the same here, in milliseconds (`tests/rewards/test_evm_rules.py` compares).
"""

# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

from eth._utils.address import force_bytes_to_address
from eth.abc import ComputationAPI
from eth.exceptions import VMError
from eth.precompiles.bls12_381.constants import (
    BLS12_G1_MSM_GAS,
    G1_MSM_DISCOUNTS,
    G1_MSM_MAX_DISCOUNT,
    MSM_MULTIPLIER,
)
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.constants import BLS12_G1MSM_PRECOMPILE_ADDRESS, BLS12_PAIRING_CHECK_PRECOMPILE_ADDRESS
from eth.vm.forks.prague.state import PragueState

from rewards.evm_opcodes import QuickStack, quick

_PAD, _COORDINATE = 16, 48
_G1, _G2, _SCALAR = 128, 256, 32
_PAIRING_GAS, _PAIR_GAS = 37_700, 32_600  # EIP-2537, "gas schedule"


def g1_msm(computation: ComputationAPI) -> None:
    """BLS12_G1MSM: the sum of scalars times points."""
    from py_arkworks_bls12381 import G1Point, Scalar

    terms = list(_pieces(computation, _G1 + _SCALAR))
    discount = G1_MSM_DISCOUNTS[len(terms) - 1] if len(terms) <= len(G1_MSM_DISCOUNTS) else G1_MSM_MAX_DISCOUNT
    computation.consume_gas(len(terms) * BLS12_G1_MSM_GAS * discount // MSM_MULTIPLIER, reason="BLS12_G1MSM")
    points = [_point(G1Point, term[:_G1]) for term in terms]
    scalars = [Scalar.from_be_bytes_mod_order(term[_G1:]) for term in terms]
    total = bytes(G1Point.multiexp_unchecked(points, scalars).to_xy_bytes_be())
    computation.output = b"".join(bytes(_PAD) + total[k : k + _COORDINATE] for k in (0, _COORDINATE))


def pairing_check(computation: ComputationAPI) -> None:
    """BLS12_PAIRING_CHECK: whether the product of the pairs' pairings is one."""
    from py_arkworks_bls12381 import GT, G1Point, G2Point

    pairs = list(_pieces(computation, _G1 + _G2))
    computation.consume_gas(_PAIRING_GAS + _PAIR_GAS * len(pairs), reason="BLS12_PAIRING_CHECK")
    left = [_point(G1Point, pair[:_G1]) for pair in pairs]
    right = [_point(G2Point, pair[_G1:]) for pair in pairs]
    computation.output = int(GT.pairing_check(left, right)).to_bytes(_SCALAR, "big")


def _pieces(computation: ComputationAPI, size: int) -> Iterator[bytes]:
    data = bytes(computation.msg.data)
    if not data or len(data) % size:
        raise VMError(f"the input is not a multiple of {size} bytes")
    return (data[k : k + size] for k in range(0, len(data), size))


def _point(kind: Any, data: bytes) -> Any:
    """A point of 64 bytes a coordinate, checked to be on the curve and in the subgroup; zeros are infinity."""
    parts = [data[k : k + _PAD + _COORDINATE] for k in range(0, len(data), _PAD + _COORDINATE)]
    if any(any(part[:_PAD]) for part in parts):
        raise VMError("a coordinate is not below the field's modulus")
    try:
        return kind.from_xy_bytes_be(b"".join(part[_PAD:] for part in parts))
    except ValueError as error:
        raise VMError(f"not a point: {error}") from error


_FAST: dict[bytes, Callable[[ComputationAPI], None]] = {
    BLS12_G1MSM_PRECOMPILE_ADDRESS: g1_msm,
    BLS12_PAIRING_CHECK_PRECOMPILE_ADDRESS: pairing_check,
}


class _Computation(PragueComputation):
    opcodes = quick(PragueComputation.opcodes)
    _precompiles = PragueComputation.get_precompiles() | {force_bytes_to_address(a): f for a, f in _FAST.items()}

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._stack = QuickStack()

    def extend_memory(self, start_position: int, size: int) -> None:
        """py-evm works out what it costs, which is nothing where the memory has these bytes already."""
        if start_position + size > len(self._memory):
            super().extend_memory(start_position, size)


class _State(PragueState):
    computation_class = _Computation


class FastPragueVM(PragueVM):
    """Prague's rules."""

    _state_class = _State


def rules() -> tuple[tuple[int, type[PragueVM]], ...]:
    """The rules from block zero on; py-evm's own where arkworks is not installed."""
    return ((0, FastPragueVM if importlib.util.find_spec("py_arkworks_bls12381") else PragueVM),)
