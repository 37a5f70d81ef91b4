"""The opcodes that contracts mostly consist of, as py-evm has them but with fewer Python calls in each.

py-evm charges, checks and moves in a function each, and searches 32 bytes of code before every jump. What is left on
stack and in memory, the gas and the errors are the same here (`tests/rewards/test_evm_opcodes.py` compares).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from operator import and_, eq, gt, lt, or_, xor
from typing import Any, cast

from eth.abc import OpcodeAPI
from eth.exceptions import FullStack, InsufficientStack, InvalidInstruction, InvalidJumpDestination, OutOfGas
from eth.vm import opcode_values as values

Opcode = Callable[..., None]
_WORD = 32
_MOST = (1 << 256) - 1
_STACK = 1024


def frequent(opcodes: Mapping[int, Any]) -> dict[int, OpcodeAPI]:
    """Stand-ins for those of a fork's opcodes that this module has, at that fork's gas."""
    made: dict[int, Callable[[int, str], Opcode]] = {
        values.POP: _pop,
        values.ISZERO: _is_zero,
        values.JUMPDEST: _jumpdest,
        values.JUMP: _jump,
        values.JUMPI: _jump_if,
        values.MLOAD: _mload,
        values.MSTORE: _mstore,
    }
    made |= {code: partial(_binary, compute) for code, compute in _BINARY.items()}
    for size in range(_WORD + 1):
        made[values.PUSH0 + size] = partial(_push, size)
    for depth in range(1, 17):
        made[values.DUP1 + depth - 1] = partial(_dup, depth)
        made[values.SWAP1 + depth - 1] = partial(_swap, depth)
    return {
        code: cast(OpcodeAPI, make(opcodes[code].gas_cost, opcodes[code].mnemonic)) for code, make in made.items()
    }


_BINARY: dict[int, Callable[[int, int], int]] = {
    values.ADD: lambda left, right: (left + right) & _MOST,
    values.MUL: lambda left, right: (left * right) & _MOST,
    values.SUB: lambda left, right: (left - right) & _MOST,
    values.LT: lt,
    values.GT: gt,
    values.EQ: eq,
    values.AND: and_,
    values.OR: or_,
    values.XOR: xor,
    values.SHL: lambda count, value: (value << count) & _MOST if count < 256 else 0,
    values.SHR: lambda count, value: value >> count if count < 256 else 0,
}


def _charge(computation: Any, gas: int, name: str) -> None:
    meter = computation._gas_meter
    if gas > meter.gas_remaining:
        raise OutOfGas(f"Out of gas: Needed {gas} - Remaining {meter.gas_remaining} - Reason: {name}")
    meter.gas_remaining -= gas


def _take(stack: list[Any]) -> int:
    """The top of the stack, which py-evm's own opcodes may have put there as bytes."""
    value = stack.pop()
    return value if type(value) is int else int.from_bytes(value, "big")


def _need(stack: list[Any], count: int) -> None:
    if len(stack) < count:
        raise InsufficientStack(f"Wanted {count} stack items, only had {len(stack)}")


def _push(size: int, gas: int, name: str) -> Opcode:
    def opcode(computation: Any) -> None:
        _charge(computation, gas, name)
        code, stack = computation.code, computation._stack.values
        if len(stack) >= _STACK:
            raise FullStack("Stack limit reached")
        start = code.program_counter
        code.program_counter = start + size
        pushed = code._raw_code_bytes[start : start + size]
        stack.append(int.from_bytes(pushed, "big") << 8 * (size - len(pushed)))  # beyond the code's end are zeros

    return opcode


def _dup(depth: int, gas: int, name: str) -> Opcode:
    def opcode(computation: Any) -> None:
        _charge(computation, gas, name)
        stack = computation._stack.values
        if len(stack) >= _STACK:
            raise FullStack("Stack limit reached")
        _need(stack, depth)
        stack.append(stack[-depth])

    return opcode


def _swap(depth: int, gas: int, name: str) -> Opcode:
    def opcode(computation: Any) -> None:
        _charge(computation, gas, name)
        stack = computation._stack.values
        _need(stack, depth + 1)
        stack[-1], stack[-1 - depth] = stack[-1 - depth], stack[-1]

    return opcode


def _pop(gas: int, name: str) -> Opcode:
    def opcode(computation: Any) -> None:
        _charge(computation, gas, name)
        stack = computation._stack.values
        _need(stack, 1)
        stack.pop()

    return opcode


def _binary(compute: Callable[[int, int], int], gas: int, name: str) -> Opcode:
    def opcode(computation: Any) -> None:
        _charge(computation, gas, name)
        stack = computation._stack.values
        _need(stack, 2)
        stack.append(int(compute(_take(stack), _take(stack))))

    return opcode


def _is_zero(gas: int, name: str) -> Opcode:
    def opcode(computation: Any) -> None:
        _charge(computation, gas, name)
        stack = computation._stack.values
        _need(stack, 1)
        stack.append(int(_take(stack) == 0))

    return opcode


def _jumpdest(gas: int, name: str) -> Opcode:
    def opcode(computation: Any) -> None:
        _charge(computation, gas, name)

    return opcode


def _jump(gas: int, name: str) -> Opcode:
    def opcode(computation: Any) -> None:
        _charge(computation, gas, name)
        stack = computation._stack.values
        _need(stack, 1)
        _go_to(computation.code, _take(stack))

    return opcode


def _jump_if(gas: int, name: str) -> Opcode:
    def opcode(computation: Any) -> None:
        _charge(computation, gas, name)
        stack = computation._stack.values
        _need(stack, 2)
        place, condition = _take(stack), _take(stack)
        if condition:
            _go_to(computation.code, place)

    return opcode


def _go_to(code: Any, place: int) -> None:
    code.program_counter = place
    if place not in _destinations(code._raw_code_bytes):
        if code.peek() != values.JUMPDEST:
            raise InvalidJumpDestination("Invalid Jump Destination")
        raise InvalidInstruction("Jump resulted in invalid instruction")


@lru_cache(maxsize=64)
def _destinations(code: bytes) -> frozenset[int]:
    """Where a code may be entered: its JUMPDESTs, unless they are what a PUSH pushes."""
    found, place = set(), 0
    while place < len(code):
        if code[place] == values.JUMPDEST:
            found.add(place)
        if values.PUSH1 <= code[place] <= values.PUSH32:
            place += code[place] - values.PUSH0
        place += 1
    return frozenset(found)


def _mload(gas: int, name: str) -> Opcode:
    def opcode(computation: Any) -> None:
        _charge(computation, gas, name)
        stack, memory = computation._stack.values, computation._memory
        _need(stack, 1)
        start = _take(stack)
        if start + _WORD > len(memory._bytes):
            computation.extend_memory(start, _WORD)
        stack.append(int.from_bytes(memory._bytes[start : start + _WORD], "big"))

    return opcode


def _mstore(gas: int, name: str) -> Opcode:
    def opcode(computation: Any) -> None:
        _charge(computation, gas, name)
        stack, memory = computation._stack.values, computation._memory
        _need(stack, 2)
        start, value = _take(stack), _take(stack)
        if start + _WORD > len(memory._bytes):
            computation.extend_memory(start, _WORD)
        memory._bytes[start : start + _WORD] = value.to_bytes(_WORD, "big")

    return opcode
