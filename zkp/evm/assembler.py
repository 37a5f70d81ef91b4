"""Writing EVM code: opcodes, pushes, a data part behind the code (Ethereum's yellow paper, appendix H; EIP-3855)."""

from __future__ import annotations

ADD, MUL, SUB, MOD, ADDMOD, MULMOD, SIGNEXTEND = 0x01, 0x02, 0x03, 0x06, 0x08, 0x09, 0x0B
LT, GT, SLT, EQ, ISZERO, AND, OR, XOR, BYTE, SHL, SHR = (
    0x10,
    0x11,
    0x12,
    0x14,
    0x15,
    0x16,
    0x17,
    0x18,
    0x1A,
    0x1B,
    0x1C,
)
KECCAK256 = 0x20
CALLDATALOAD, CALLDATASIZE, CALLDATACOPY, CODECOPY = 0x35, 0x36, 0x37, 0x39
RETURNDATASIZE = 0x3D
POP, MLOAD, MSTORE, JUMP, JUMPI, GAS, JUMPDEST, PUSH0 = 0x50, 0x51, 0x52, 0x56, 0x57, 0x5A, 0x5B, 0x5F
DUP1, SWAP1 = 0x80, 0x90
RETURN, STATICCALL, REVERT = 0xF3, 0xFA, 0xFD

MOST_DUPS = 16
CONTRACT_BYTES = 24_576
"""The longest code of a contract (EIP-170)."""

_FAIL = 3  # see Code.__init__
_PUSH2 = 0x61


class CodeTooLong(ValueError):
    """The code does not fit into a contract (EIP-170)."""


class Code:
    """A contract's code being written; `fail_if` jumps to its only other end, a revert without a word."""

    def __init__(self) -> None:
        self._code = bytearray([0x60, 7, JUMP, JUMPDEST, PUSH0, PUSH0, REVERT, JUMPDEST])
        self._data = bytearray()
        self._places: list[tuple[int, int]] = []  # where an address of the data part is to stand, and which

    def __len__(self) -> int:
        return len(self._code) + len(self._data)

    def op(self, *codes: int) -> None:
        self._code += bytes(codes)

    def push(self, number: int) -> None:
        """A number from 0 to 2^256 - 1, in as few bytes as it takes."""
        data = number.to_bytes(-(-number.bit_length() // 8), "big")
        self._code += bytes([PUSH0 + len(data)]) + data

    def push_data(self, data: bytes) -> None:
        """The address at which these bytes will stand in the code."""
        found = self._data.find(data)
        if found < 0:
            found = len(self._data)
            self._data += data
        self._places.append((len(self._code) + 1, found))
        self._code += bytes([_PUSH2, 0, 0])

    def fail_if(self) -> None:
        """Revert if what is on top of the stack is not zero."""
        self.push(_FAIL)
        self.op(JUMPI)

    def label(self) -> int:
        """A place to jump to: here."""
        self.op(JUMPDEST)
        return len(self._code) - 1

    def jump_if(self, label: int) -> None:
        """Jump where what is on top of the stack is not zero."""
        self._code += bytes([_PUSH2]) + label.to_bytes(2, "big")
        self.op(JUMPI)

    def finish(self) -> bytes:
        """Code and data. Raises CodeTooLong."""
        if len(self) > CONTRACT_BYTES:
            raise CodeTooLong(f"{len(self)} bytes of code, a contract has {CONTRACT_BYTES} at most")
        for place, offset in self._places:
            self._code[place : place + 2] = (len(self._code) + offset).to_bytes(2, "big")
        return bytes(self._code + self._data)


def creation(runtime: bytes) -> bytes:
    """The code that deploys a contract of this code."""
    head = bytes([_PUSH2, *len(runtime).to_bytes(2, "big"), DUP1, 0x60, 10, PUSH0, CODECOPY, PUSH0, RETURN])
    return head + runtime
