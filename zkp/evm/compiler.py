"""A recorded verifier (`zkp.batch.recording.Program`) as EVM code: a contract runs the verifier that there is.

The code does all but the group: it reads the proof's scalars strictly, makes the challenges, takes every step of
field arithmetic, requires what must be zero to be zero, and gives out the scalars of the equation that is left.

    input:  statement | proof | public numbers (32 bytes each, below the modulus: the caller's business)
    output: scalars of the left side: of its points, of the ceremony's powers, of the blinder (32 bytes each)

A verifier that is too long for one contract becomes several (`stages`). Behind the same input each takes words that
those before it gave out: the first one gives out the challenges, `zkp.evm.fractions` makes sums of fractions of them,
the others share the arithmetic.

It is straight-line code without storage, and calls nothing but the precompile for powers modulo a number (EIP-198),
whose answer is checked by a multiplication. Anything wrong ends in a revert.

The modulus lies at the bottom of the stack. An operation whose result is used once leaves it on the stack, for the
operation that uses it; all others keep it in memory, in a register that is free.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from eth_hash.auto import keccak

from zkp.algebra.field import MODULUS
from zkp.argument.transcript import PROTOCOL
from zkp.batch import kernels
from zkp.batch.recording import Hashes, Program, SentPoint
from zkp.evm import assembler as evm
from zkp.evm.assembler import Code, CodeTooLong
from zkp.evm.graph import Graph, Operation

WORD = 32
_LONGEST_PUSH = 4
"""Bytes of a number that is written out wherever it is needed; a longer one is kept in memory."""
_MODEXP = 5
_MOST_PIECES = 8


@dataclass(frozen=True)
class Stage:
    """A contract of several: its code, and the registers whose values it takes and gives out, a word each."""

    code: bytes
    takes: tuple[int, ...]
    gives: tuple[int, ...]


def compiled(program: Program) -> bytes:
    """The code of the one contract that runs the whole program. Raises ValueError for a program with lookups, for one
    with another right side than one point of the proof, and CodeTooLong (EIP-170)."""
    if program.table is not None:
        raise ValueError("a program with a lookup table takes several contracts")
    graph = _graph(program)
    return _Writer(program, graph, [*graph.expressions()], (), graph.outputs).contract(challenges=True)


def stages(program: Program) -> list[Stage]:
    """The contracts that run the program, as few as will do: the challenges, then the arithmetic in pieces.

    Raises ValueError for a program with another right side than one point of the proof.
    """
    graph = _graph(program)
    asked = {r for f in program.fractions for r in (f.alpha, f.beta, f.rho)}
    made = [r for r in program.hashes.registers.tolist() if graph.uses[r] or r in asked]
    first = Stage(_Writer(program, graph, [], (), made).contract(challenges=True), (), tuple(made))
    known = [*made, *(r for f in program.fractions for r in (f.numerator, f.denominator))]
    order = [*graph.expressions()]
    for count in range(1, _MOST_PIECES + 1):
        pieces = [order[len(order) * k // count : len(order) * (k + 1) // count] for k in range(count)]
        try:
            return [first, *_arithmetic(program, graph, known, pieces)]
        except CodeTooLong:
            continue
    raise ValueError(f"the program is too long for {_MOST_PIECES} contracts")


def _arithmetic(program: Program, graph: Graph, known: list[int], pieces: list[list[int]]) -> Iterator[Stage]:
    """The pieces of the arithmetic, each with the words that those after it read."""
    for k, piece in enumerate(pieces):
        later = set(graph.outputs)
        for register in (r for others in pieces[k + 1 :] for r in others):
            later.update(graph.read_by(register))
        gives = graph.outputs if piece is pieces[-1] else [r for r in (*known, *piece) if r in later]
        code = _Writer(program, graph, piece, known, gives).contract(challenges=False)
        yield Stage(code, tuple(known), tuple(gives))
        known = gives


def _graph(program: Program) -> Graph:
    graph, right = Graph(program), program.right
    one_point = len(right.slots) == 1 and isinstance(right.slots[0], SentPoint) and not right.powers
    if not one_point or graph.number(right.scalars[0]) != 1 or graph.number(right.blinder) != 0:
        raise ValueError("the right side of the equation is not one point of the proof")
    return graph


# -- how it is written -----------------------------------------------------------------------------------------------


@dataclass
class _Memory:
    """Which register of the program is where, and which words of memory are free."""

    free: list[int] = field(default_factory=list)
    top: int = 0
    words: dict[int, int] = field(default_factory=dict)  # word of each register in memory

    def place(self, register: int) -> int:
        """A free word for a register."""
        if self.free:
            word = heapq.heappop(self.free)
        else:
            word, self.top = self.top, self.top + 1
        self.words[register] = word
        return word

    def release(self, register: int) -> None:
        heapq.heappush(self.free, self.words.pop(register))


class _Writer:
    """Writes a contract's code, expression after expression. `takes`: registers whose values stand behind the input;
    `gives`: those whose values are given out."""

    def __init__(
        self, program: Program, graph: Graph, expressions: list[int], takes: Sequence[int], gives: Sequence[int]
    ) -> None:
        self.program, self.graph, self.expressions, self.gives = program, graph, expressions, gives
        self.left = Counter(gives)  # uses to come
        for register in expressions:
            self.left.update(graph.read_by(register))
        self.memory = _Memory()
        inputs = program.statement_bytes + program.proof_bytes
        behind = [*program.publics.tolist(), *takes]
        self.calldata = {register: place for place, register in program.scalars.tolist()}
        self.calldata |= {register: inputs + WORD * k for k, register in enumerate(behind)}
        self.code = Code()
        self.depth = 0  # of the stack, the modulus not counted

    def contract(self, *, challenges: bool) -> bytes:
        """`challenges`: read the proof's scalars and make the challenges; else they are among what is taken."""
        self.memory.top = len(self.gives)  # where they are gathered; no other register is ever put there
        self.code.push(MODULUS)
        if challenges:
            self._read_scalars()
            self._make_challenges(self.program.hashes)
        for register in self.expressions:
            self._expression(register)
        made = set(self.expressions)
        for k, register in enumerate(self.gives):
            if register not in made:
                self._value(register, exact=True)
                self._store(WORD * k)
        self._push(WORD * len(self.gives))
        self.code.op(evm.PUSH0, evm.RETURN)
        return self.code.finish()

    def _modulus(self) -> None:
        """Put the modulus on the stack."""
        if self.depth < evm.MOST_DUPS:
            self.code.op(evm.DUP1 + self.depth)
        else:
            self.code.push(MODULUS)
        self.depth += 1

    def _op(self, code: int, change: int) -> None:
        self.code.op(code)
        self.depth += change

    def _push(self, number: int) -> None:
        self.code.push(number)
        self.depth += 1

    def _fail_if(self) -> None:
        """Revert if what is on top of the stack is not zero."""
        self.code.fail_if()
        self.depth -= 1

    # -- the proof ---------------------------------------------------------------------------------------------

    def _read_scalars(self) -> None:
        """Every scalar of the proof must be below the modulus."""
        self._push(1)
        for place, _ in self.program.scalars.tolist():
            self._modulus()
            self._push(place)
            self.code.op(evm.CALLDATALOAD, evm.LT, evm.AND)
            self.depth -= 2
        self.code.op(evm.ISZERO)
        self._fail_if()

    def _make_challenges(self, hashes: Hashes) -> None:
        """The state of the chain stands before the text of each step; the text takes the same place each time."""
        registers = hashes.registers.tolist()
        words = [self.memory.place(r) for r in registers]
        state = WORD * self.memory.top
        self._push(int.from_bytes(keccak(PROTOCOL), "big"))
        self._store(state)
        stops = hashes.stops.tolist()
        for first, stop, word in zip([0, *stops], stops, words, strict=False):
            for start, piece in hashes.pieces(first, stop):
                self._copy(state + WORD + start - first, piece)
            self._push(WORD + stop - first)
            self._push(state)
            self._op(evm.KECCAK256, -1)
            self._op(evm.DUP1, 1)
            self._store(state)
            self._modulus()
            self._op(evm.SWAP1, 0)
            self._op(evm.MOD, -1)
            self._store(WORD * word)
        for register in registers:
            if not self.left[register]:
                self.memory.release(register)

    def _copy(self, target: int, piece: bytes | range) -> None:
        self._push(len(piece))
        if isinstance(piece, bytes):
            self.code.push_data(piece)
            self._push(target)
            self.code.op(evm.CODECOPY)
        else:
            self._push(piece.start)
            self._push(target)
            self.code.op(evm.CALLDATACOPY)
            self.depth -= 1
        self.depth -= 2

    def _store(self, address: int) -> None:
        """What is on top of the stack, into memory."""
        self._push(address)
        self._op(evm.MSTORE, -2)

    # -- field arithmetic --------------------------------------------------------------------------------------

    def _expression(self, register: int) -> None:
        self._evaluate(register, exact=True)
        for k, output in enumerate(self.gives):
            if output == register:
                self._op(evm.DUP1, 1)
                self._store(WORD * k)
                self.left[register] -= 1
        if self.left[register]:
            self._store(WORD * self.memory.place(register))
        else:
            self._op(evm.POP, -1)

    def _value(self, register: int, exact: bool) -> None:
        """Put a register's value on the stack; below the modulus, or (not `exact`) at least below 2^256."""
        number = self.graph.number(register)
        if number is not None and register not in self.memory.words:
            self._number(register, number)
        elif register in self.graph.operations and register not in self.graph.kept:
            self._evaluate(register, exact)
        else:
            self._load(register)

    def _number(self, register: int, number: int) -> None:
        """A known number; a long one goes to memory if it is needed again."""
        self.left[register] -= 1
        opposite = MODULUS - number < number
        self._push(MODULUS - number if opposite else number)
        if opposite:
            self._modulus()
            self._op(evm.SUB, -1)
        if self.left[register] and _size(min(number, MODULUS - number)) > _LONGEST_PUSH:
            self._op(evm.DUP1, 1)
            self._store(WORD * self.memory.place(register))

    def _load(self, register: int) -> None:
        self.left[register] -= 1
        if register in self.memory.words:
            self._push(WORD * self.memory.words[register])
            self.code.op(evm.MLOAD)
            if not self.left[register]:
                self.memory.release(register)
        else:
            self._push(self.calldata[register])
            self.code.op(evm.CALLDATALOAD)

    def _evaluate(self, register: int, exact: bool) -> None:
        """Operands of a product or of an exact sum need not be below the modulus: two values that are add up to less
        than 2^256, which ADDMOD and MULMOD take."""
        operation = self.graph.operations[register]
        if operation.kind == kernels.INVERT:
            self._invert(operation.left)
            return
        lazy = not exact and operation.kind != kernels.MULTIPLY
        first, second = self.graph.operands(register)
        below = not lazy and not self.graph.length(first)
        if below:
            self._modulus()
        self._operand(operation, first, exact=lazy)
        if not lazy and not below:
            self._modulus()
            self._op(evm.SWAP1, 0)
        self._operand(operation, second, exact=lazy)
        if lazy:
            self._op(evm.ADD, -1)
        else:
            self._op(evm.MULMOD if operation.kind == kernels.MULTIPLY else evm.ADDMOD, -2)

    def _operand(self, operation: Operation, register: int, exact: bool) -> None:
        subtracted = operation.kind == kernels.SUBTRACT and register == operation.right
        self._value(register, exact or subtracted)
        if subtracted:
            self._modulus()
            self._op(evm.SUB, -1)

    def _invert(self, register: int) -> None:
        """x^(r - 2), by the precompile; that times x must be one, which a zero fails."""
        self._value(register, exact=True)
        scratch = WORD * self.memory.top
        for k, number in enumerate((WORD, WORD, WORD, None, MODULUS - 2, MODULUS)):
            if number is None:
                self._op(evm.DUP1, 1)
            else:
                self._push(number)
            self._store(scratch + WORD * k)
        for argument in (WORD, scratch, 6 * WORD, scratch, _MODEXP):
            self._push(argument)
        self._op(evm.GAS, 1)
        self._op(evm.STATICCALL, -5)
        self.code.op(evm.ISZERO)
        self._fail_if()
        self._modulus()
        self._op(evm.SWAP1, 0)
        self._push(scratch)
        self.code.op(evm.MLOAD)
        self._op(evm.MULMOD, -2)
        self._push(1)
        self._op(evm.XOR, -1)
        self._fail_if()
        self._push(scratch)
        self.code.op(evm.MLOAD)


def _size(number: int) -> int:
    return -(-number.bit_length() // 8)
