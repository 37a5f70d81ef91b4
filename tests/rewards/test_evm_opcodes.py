"""The embedded chain's fast opcodes leave, charge and refuse exactly what py-evm's own do."""

from functools import cache
from typing import Any

import pytest
from eth.vm import opcode_values as values
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.opcodes import PRAGUE_OPCODES
from eth_tester import PyEVMBackend
from hypothesis import example, given
from hypothesis import strategies as st

from rewards.evm_opcodes import frequent
from rewards.evm_rules import FastPragueVM
from tests.support.laws import examples

SENDER = b"\x11" * 20
FAST = sorted(frequent(PRAGUE_OPCODES))
"""The codes that have a stand-in."""


@cache
def machine(rules: type[PragueVM]) -> Any:
    return PyEVMBackend(vm_configuration=((0, rules),)).chain.get_vm()


def outcome(rules: type[PragueVM], code: bytes, gas: int) -> dict[str, Any]:
    """All that a code leaves: stack and memory, gas, output, the error's type."""
    ran = machine(rules).execute_bytecode(
        origin=SENDER, gas_price=1, gas=gas, to=SENDER, sender=SENDER, value=0, data=b"\x07" * 40, code=code
    )
    return {
        "stack": [v if isinstance(v, int) else int.from_bytes(v, "big") for v in ran._stack.values],
        "memory": bytes(ran._memory._bytes),
        "gas": ran._gas_meter.gas_remaining,
        "output": bytes(ran.output),
        "error": type(ran.error) if ran.is_error else None,
    }


def agree(code: bytes, gas: int = 100_000) -> dict[str, Any]:
    fast, known = (outcome(rules, code, gas) for rules in (FastPragueVM, PragueVM))
    if known["error"] is not None:  # what is on the stack of a call that failed, nobody sees
        fast |= {"stack": known["stack"]}
    assert fast == known
    return fast


def push(value: int) -> bytes:
    size = (value.bit_length() + 7) // 8
    return bytes([values.PUSH0 + size]) + value.to_bytes(size, "big")


numbers = st.one_of(
    st.integers(0, 70), st.sampled_from([255, 256, 257, 2**64, 2**255, 2**256 - 1]), st.integers(0, 2**256 - 1)
)
others = [
    values.BYTE,
    values.NOT,
    values.SHA3,
    values.CALLDATALOAD,
    values.MSTORE8,
    values.MCOPY,
    values.SLT,
    values.GAS,
]
"""py-evm's own, between the fast ones: they find on the stack what those put there, and the other way round."""
steps = st.one_of(
    numbers.map(push),
    st.sampled_from([code for code in FAST if not values.PUSH1 <= code <= values.PUSH32]).map(lambda c: bytes([c])),
    st.sampled_from(others).map(lambda code: bytes([code])),
)


@examples(300)
@given(st.lists(numbers, max_size=8), st.lists(steps, max_size=30), st.sampled_from([100_000, 100_000, 60, 21]))
def test_any_code_leaves_the_same(first: list[int], then: list[bytes], gas: int) -> None:
    agree(b"".join(map(push, first)) + b"".join(then), gas)


@examples(100)
@given(st.binary(max_size=60))
@example(bytes([values.PUSH32]))
@example(bytes([values.PUSH2, 1]))
def test_any_bytes_leave_the_same(code: bytes) -> None:
    agree(code)


@pytest.mark.parametrize("depth", [0, 1, 2, 17, 1023, 1024])
def test_each_does_the_same_on_an_empty_a_full_and_any_other_stack(depth: int) -> None:
    stack = b"".join(push(k % 7) for k in range(depth))
    for code in FAST:
        agree(stack + bytes([code]))


@pytest.mark.parametrize("condition", [None, 0, 1])
def test_jumps_go_to_the_same_places_and_nowhere_else(condition: int | None) -> None:
    """Over an invalid code, to JUMPDESTs, one of which is what a PUSH pushes."""
    go = push(condition) if condition is not None else b""
    jump = bytes([values.JUMP if condition is None else values.JUMPI])
    after = bytes([0xFE, values.JUMPDEST, values.PUSH1, values.JUMPDEST, values.JUMPDEST, values.GAS])
    for place in range(12):
        agree(go + bytes([values.PUSH1, place]) + jump + after)
