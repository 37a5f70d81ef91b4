"""The field arithmetic of a recorded verifier as expressions: what is computed at once, and what is kept.

An operation whose result is used once is part of the expression that uses it; all others end an expression of their
own, whose value is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from zkp.batch import kernels
from zkp.batch.recording import Program

_LONGEST_EXPRESSION = 40
"""Operations that leave their results on the stack, for each other."""


def outputs(program: Program) -> list[int]:
    """Registers of the scalars that a verifier leaves: of points, of the ceremony's powers, of the blinder."""
    return [*program.left.scalars, *program.left.powers, program.left.blinder]


@dataclass(frozen=True)
class Operation:
    kind: int
    left: int
    right: int


class Graph:
    """The operations that matter, with the numbers that are known put in. Registers are the program's."""

    def __init__(self, program: Program) -> None:
        self._numbers = dict(program.constants)
        self._numbers[program.scale] = 1  # one proof alone
        self._same: dict[int, int] = {}
        self.operations: dict[int, Operation] = {}
        for kind, left, right, result in program.code.tolist():
            self._add(Operation(kind, self.source(left), self.source(right)), result)
        self.outputs = [self.source(r) for r in outputs(program)]
        self.uses = self._count_uses()
        self.sizes: dict[int, int] = {}  # operations of the expression that ends in a register
        self.kept: set[int] = set()  # registers that go to memory
        self._measure()

    def number(self, register: int) -> int | None:
        """The register's value, where it is the same for every proof."""
        return self._numbers.get(self.source(register))

    def source(self, register: int) -> int:
        """The register that has the same value first."""
        return self._same.get(register, register)

    def operands(self, register: int) -> tuple[int, ...]:
        """Of an operation; the one with the longer expression first."""
        operation = self.operations[register]
        if operation.kind == kernels.INVERT:
            return (operation.left,)
        pair = (operation.left, operation.right)
        return pair if self.length(pair[0]) >= self.length(pair[1]) else pair[::-1]

    def length(self, register: int) -> int:
        """Operations until the register is on the stack."""
        return 0 if register in self.kept or register not in self.operations else self.sizes[register]

    def _add(self, operation: Operation, result: int) -> None:
        left, right = self._numbers.get(operation.left), self._numbers.get(operation.right)
        is_zero = 0 in (left, right) if operation.kind == kernels.MULTIPLY else operation.left == operation.right
        if is_zero and operation.kind in (kernels.MULTIPLY, kernels.SUBTRACT):
            self._numbers[result] = 0
        elif operation.kind == kernels.MULTIPLY and 1 in (left, right):
            self._same[result] = operation.right if left == 1 else operation.left
        elif operation.kind == kernels.ADD and 0 in (left, right):
            self._same[result] = operation.right if left == 0 else operation.left
        elif operation.kind == kernels.SUBTRACT and right == 0:
            self._same[result] = operation.left
        else:
            self.operations[result] = operation

    def _count_uses(self) -> Counter[int]:
        uses = Counter(self.outputs)
        for register, operation in reversed(self.operations.items()):  # a register is written before it is read
            if uses[register]:
                uses[operation.left] += 1
                uses[operation.right] += operation.kind != kernels.INVERT
        return uses

    def _measure(self) -> None:
        """How long expressions are, and so which registers are kept."""
        for register, operation in self.operations.items():
            size = 1 + self.length(operation.left) + self.length(operation.right)
            self.sizes[register] = size
            once = self.uses[register] == 1 and operation.kind != kernels.INVERT
            if not once or size >= _LONGEST_EXPRESSION or register in self.outputs:
                self.kept.add(register)

    def read_by(self, register: int) -> Iterator[int]:
        """What an expression reads, as often as it does: kept registers, inputs and numbers."""
        for operand in self._read_of(self.operations[register]):
            if operand in self.operations and operand not in self.kept:
                yield from self.read_by(operand)
            else:
                yield operand

    @staticmethod
    def _read_of(operation: Operation) -> tuple[int, ...]:
        return (operation.left,) if operation.kind == kernels.INVERT else (operation.left, operation.right)

    def expressions(self) -> Iterator[int]:
        """Every kept register, each after those that it needs, and these as late as may be."""
        done: set[int] = set()
        for root in self.outputs:
            waiting = [(root, False)]
            while waiting:
                register, ready = waiting.pop()
                if register in done or register not in self.operations:
                    continue
                if ready:
                    done.add(register)
                    if register in self.kept:
                        yield register
                else:
                    waiting.append((register, True))
                    waiting += [(r, False) for r in reversed(self.operands(register))]
