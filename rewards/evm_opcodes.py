"""The opcodes of py-evm in fewer calls: it makes six of Python's for a push, and programs are mostly such moves.

What an opcode does and costs stays py-evm's. Where something is not as usual (too little gas, a stack that is full or
too short), its own opcode is asked, which raises (`tests/rewards/test_evm_opcodes.py` compares).
"""

# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eth.vm import opcode_values as op
from eth.vm.opcode import _FastOpcode
from eth.vm.stack import Stack, to_int

_FULL = 1024
Opcode = Callable[..., None]


def quick(opcodes: Mapping[int, Any]) -> dict[int, Any]:
    """The same opcodes by the same numbers."""
    made = {number: _charged(known) if type(known) is _FastOpcode else known for number, known in opcodes.items()}
    for number in range(op.PUSH1, op.PUSH32 + 1):
        made[number] = _push(opcodes[number], number - op.PUSH1 + 1)
    for number in range(op.DUP1, op.DUP16 + 1):
        made[number] = _dup(opcodes[number], number - op.DUP1 + 1)
    for number in range(op.SWAP1, op.SWAP16 + 1):
        made[number] = _swap(opcodes[number], number - op.SWAP1 + 2)
    return made


class QuickStack(Stack):
    """py-evm's, which makes a generator and two tuples of what is taken from it."""

    def pop_ints(self, num_items: int) -> tuple[int, ...]:
        values = self.values
        if num_items > len(values):
            return super().pop_ints(num_items)
        taken = values[: -num_items - 1 : -1]
        del values[-num_items:]
        return tuple([value if type(value) is int else to_int(value) for value in taken])


def _charged(known: _FastOpcode) -> Opcode:
    cost, run = known.gas_cost, known.logic_fn

    def charged(computation: Any) -> None:
        meter = computation._gas_meter
        if meter.gas_remaining < cost:
            known(computation)
            return
        meter.gas_remaining -= cost
        run(computation)

    return charged


def _push(known: _FastOpcode, size: int) -> Opcode:
    cost = known.gas_cost

    def push(computation: Any) -> None:
        meter, values, code = computation._gas_meter, computation._stack.values, computation.code
        data = code._raw_code_bytes[code.program_counter : code.program_counter + size]
        if meter.gas_remaining < cost or len(values) >= _FULL or len(data) < size:
            known(computation)
            return
        meter.gas_remaining -= cost
        code.program_counter += size
        values.append(data)

    return push


def _dup(known: _FastOpcode, position: int) -> Opcode:
    cost = known.gas_cost

    def dup(computation: Any) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        if meter.gas_remaining < cost or not position <= len(values) < _FULL:
            known(computation)
            return
        meter.gas_remaining -= cost
        values.append(values[-position])

    return dup


def _swap(known: _FastOpcode, position: int) -> Opcode:
    cost = known.gas_cost

    def swap(computation: Any) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        if meter.gas_remaining < cost or position > len(values):
            known(computation)
            return
        meter.gas_remaining -= cost
        values[-1], values[-position] = values[-position], values[-1]

    return swap
