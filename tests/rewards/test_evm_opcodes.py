"""Opcodes in fewer calls: a program leaves with them what it leaves with py-evm's own, to the last unit of gas."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from eth.vm import opcode_values as op
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.message import Message
from hypothesis import given
from hypothesis import strategies as st

from rewards.evm_rules import FastPragueVM
from tests.support.laws import examples

WHO = b"\x07" * 20
QUICK = FastPragueVM.get_state_class().computation_class
STORAGE = {op.SLOAD, op.SSTORE, 0x5C, 0x5D}  # the last two: TLOAD and TSTORE
WITHOUT_STATE = [
    *(n for n in PragueComputation.opcodes if n < op.ADDRESS or (op.POP <= n <= op.SWAP16 and n not in STORAGE)),
    op.CALLDATALOAD, op.CALLDATASIZE, op.CALLDATACOPY, op.CODECOPY, op.RETURN, op.REVERT,
]  # fmt: skip

NEEDS = {op.PUSH1: 0, op.DUP1: 1, op.SWAP1: 2, op.ADD: 2, op.CALLDATASIZE: 0}
MOST = {op.PUSH1: 1023, op.DUP1: 1023, op.SWAP1: 1024, op.ADD: 1024, op.CALLDATASIZE: 1023}
"""The fewest and the most that may be on the stack."""


def pushes(least: int) -> st.SearchStrategy[bytes]:
    """Pushes with all their data (`least` 1), or with any part of it."""
    return st.integers(op.PUSH1, op.PUSH32).flatmap(
        lambda number: st.binary(min_size=least * (number - op.PUSH1 + 1), max_size=number - op.PUSH1 + 1).map(
            lambda data: bytes([number]) + data
        )
    )


small = st.integers(0, 200).map(lambda number: bytes([op.PUSH1, number]))
moves = st.integers(op.DUP1, op.SWAP16).map(lambda number: bytes([number]))
others = st.sampled_from([n for n in WITHOUT_STATE if not op.PUSH1 <= n <= op.PUSH32]).map(
    lambda number: bytes([number])
)
programs = st.builds(  # data may lack at the end alone: else those of the next push would be opcodes, of any kind
    lambda whole, last: b"".join(whole) + last,
    st.lists(small | pushes(1) | moves | others, max_size=60),
    st.just(b"") | pushes(0),
)


def left(kind: Any, program: bytes, gas: int) -> dict[str, Any]:
    """All that a program leaves behind."""
    message = Message(gas=gas, to=WHO, sender=WHO, value=0, data=bytes(range(40)), code=program)
    context = SimpleNamespace(origin=WHO, gas_price=1)
    state = SimpleNamespace(mark_address_warm=lambda _: None, coinbase=WHO)
    done = kind.apply_computation(state, message, context)
    return {
        "error": done._error and (type(done._error), str(done._error)),
        "gas": done.get_gas_remaining(),
        "output": bytes(done.output),
        "stack": [int.from_bytes(v, "big") if isinstance(v, bytes) else v for v in done._stack.values],
        "memory": bytes(done._memory._bytes),
        "counter": done.code.program_counter,
    }


@examples(300)
@given(program=programs, gas=st.integers(0, 400) | st.just(10**6))
def test_a_program_leaves_the_same(program: bytes, gas: int) -> None:
    assert left(QUICK, program, gas) == left(PragueComputation, program, gas)


@pytest.mark.parametrize("last", list(NEEDS))
@pytest.mark.parametrize("depth", [0, 1, 2, 1023, 1024])
def test_a_stack_that_is_full_or_too_short_is_the_same_error(depth: int, last: int) -> None:
    program = bytes([op.PUSH1, 1] * depth + [last, op.STOP])
    told = left(QUICK, program, 10**6)
    assert told == left(PragueComputation, program, 10**6)
    assert (told["error"] is not None) == (not NEEDS[last] <= depth <= MOST[last])
