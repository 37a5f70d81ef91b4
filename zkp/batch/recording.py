"""A verifier written down once, so that it can run for many proofs at a time (`zkp.batch.lanes`).

What a verifier of the argument does follows from the shape of the statement; only bytes and numbers differ from proof
to proof. So `zkp.argument.protocol.check` is run with a `Recording` for a channel, which issues symbols where a
proof has numbers, and writes down what becomes of them: which bytes are hashed for which challenge, every step of
field arithmetic, and the scalars of the group equation that is left. The result is a `Program`.

A symbol has no value: to compare one, or to ask whether it is true, is an error. So nothing that is written down can
depend on a proof, and there is one verifier, not two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from zkp.algebra.curve import G1_BYTES
from zkp.algebra.field import MODULUS, SCALAR_BYTES
from zkp.algebra.group import Combination, GroupEquation
from zkp.algebra.vector import Ints, Vector, scalars
from zkp.argument import protocol
from zkp.argument.relation import Relation
from zkp.argument.tables import SubTable, Table
from zkp.argument.transcript import VerifierChannel, frame, padded_label
from zkp.batch import kernels


class Symbol:
    """A field element of the program: the number of its register. The operators are those of integers modulo r."""

    __slots__ = ("recording", "register")

    def __init__(self, recording: Recording, register: int) -> None:
        self.recording, self.register = recording, register

    def __add__(self, other: Symbol | int) -> Symbol:
        return self if _is(other, 0) else self.recording.step(kernels.ADD, self, other)

    def __radd__(self, other: int) -> Symbol:
        return self + other

    def __sub__(self, other: Symbol | int) -> Symbol:
        return self if _is(other, 0) else self.recording.step(kernels.SUBTRACT, self, other)

    def __rsub__(self, other: int) -> Symbol:
        return self.recording.step(kernels.SUBTRACT, other, self)

    def __mul__(self, other: Symbol | int) -> Symbol:
        return self if _is(other, 1) else self.recording.step(kernels.MULTIPLY, self, other)

    def __rmul__(self, other: int) -> Symbol:
        return self * other

    def __neg__(self) -> Symbol:
        return 0 - self

    def __mod__(self, modulus: int) -> Symbol:
        """The field is that of the program; reducing changes nothing."""
        return self if modulus == MODULUS else self._no_value()

    def __pow__(self, exponent: int, modulus: int) -> Symbol:
        """The inverse, as `zkp.algebra.field.inverse` asks for it."""
        if (exponent, modulus) != (-1, MODULUS):
            self._no_value()
        return self.recording.step(kernels.INVERT, self, self)

    def _no_value(self, *_: object) -> NoReturn:
        raise TypeError("a recorded verifier cannot look at a value: what is recorded must hold for every proof")

    __bool__ = __int__ = __index__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _no_value
    __eq__ = __ne__ = _no_value


def _is(value: Symbol | int, number: int) -> bool:
    return isinstance(value, int) and value == number


@dataclass(frozen=True)
class Span:
    """Bytes of an input, `first` .. `first + length - 1` of statement and proof one after the other."""

    first: int
    length: int

    def __len__(self) -> int:
        return self.length


@dataclass(frozen=True)
class SentPoint:
    """A point of the proof: where its 48 bytes begin in statement and proof."""

    first: int


@dataclass(frozen=True)
class SuppliedPoint:
    """A point that the statement brings along, by its number."""

    number: int


Slot = SentPoint | SuppliedPoint


@dataclass(frozen=True)
class FractionSum:
    """sum_i rho^i / (alpha - entry_i) over entries of the table, computed apart as numerator / denominator."""

    entries: slice
    alpha: int
    beta: int
    rho: int
    numerator: int
    denominator: int


@dataclass(frozen=True)
class Sum:
    """The scalars of a `Combination`, as registers."""

    slots: tuple[Slot, ...]
    scalars: tuple[int, ...]  # for each slot
    powers: tuple[int, ...]
    blinder: int


@dataclass(frozen=True)
class Hashes:
    """What is hashed, challenge after challenge.

    `text` has gaps for bytes of the input. The chain's state, and the text from one stop to the next, give the
    chain's next state, and the challenge.
    """

    text: NDArray[np.uint8]
    gaps: NDArray[np.int64]  # places in the text ...
    sources: NDArray[np.int64]  # ... and of the input bytes that belong there
    stops: NDArray[np.int64]
    registers: NDArray[np.int64]  # of the challenges

    def pieces(self, first: int, stop: int) -> Iterator[tuple[int, bytes | range]]:
        """The text from `first` to `stop`: (place, its own bytes or a range of the input), piece after piece."""
        gaps = dict(zip(self.gaps.tolist(), self.sources.tolist(), strict=True))
        text, place = self.text.tobytes(), first
        while place < stop:
            end = place + 1
            if place in gaps:
                while end < stop and gaps.get(end) == gaps[place] + end - place:
                    end += 1
                yield place, range(gaps[place], gaps[place] + end - place)
            else:
                while end < stop and end not in gaps:
                    end += 1
                yield place, text[place:end]
            place = end


@dataclass(frozen=True, repr=False)
class Program:
    """The verifier of statements of one shape. Registers are numbered from zero; each is written once."""

    statement_bytes: int
    proof_bytes: int
    table: Table | None
    hashes: Hashes
    scalars: NDArray[np.int64]  # [n, 2] place in statement and proof, register
    publics: NDArray[np.int64]  # registers of the statement's numbers
    fractions: tuple[FractionSum, ...]
    constants: dict[int, int]  # register of each number
    code: NDArray[np.int64]  # [n, 4] rows (operation, left, right, result)
    left: Sum
    right: Sum
    weight: int  # register of what the check returns beside the equation
    scale: int  # register of the factor by which the equation's scalars are multiplied, an input
    registers: int


class Recording(VerifierChannel):
    """The channel of a proof that is not there yet."""

    def __init__(self, protocol: str, statement_bytes: int, publics: int) -> None:
        self._registers = 0
        self._known: dict[tuple[int, int, int], Symbol] = {}
        self._constants: dict[int, int] = {}
        self._code: list[tuple[int, int, int, int]] = []
        self._statement = Span(0, statement_bytes)
        self._position = statement_bytes
        self._scalars: list[tuple[int, int]] = []
        self._fractions: list[FractionSum] = []
        self._text = bytearray()
        self._gaps: list[tuple[int, Span]] = []
        self._stops: list[int] = []
        self._challenges: list[int] = []  # their registers
        self.absorb("protocol", protocol.encode())
        self._publics = [self._new() for _ in range(publics)]

    # -- arithmetic ----------------------------------------------------------------------------------------------

    def _new(self) -> Symbol:
        self._registers += 1
        return Symbol(self, self._registers - 1)

    def _register(self, value: Symbol | int) -> int:
        if isinstance(value, Symbol):
            return value.register
        number = value % MODULUS
        if number not in self._constants:
            self._constants[number] = self._new().register
        return self._constants[number]

    def step(self, operation: int, left: Symbol | int, right: Symbol | int) -> Symbol:
        """The result of an operation; the same one is computed once."""
        a, b = self._register(left), self._register(right)
        if operation in (kernels.ADD, kernels.MULTIPLY) and a > b:
            a, b = b, a
        if (operation, a, b) not in self._known:
            result = self._known[operation, a, b] = self._new()
            self._code.append((operation, a, b, result.register))
        return self._known[operation, a, b]

    @property
    def publics(self) -> Vector:
        """The statement's public numbers, in their order."""
        return scalars(cast(list[int], self._publics))

    def fraction_sum(self, entries: slice, alpha: Symbol, beta: Symbol, rho: Symbol) -> Symbol:
        numerator, denominator = self._new(), self._new()
        registers = [s.register for s in (alpha, beta, rho)]
        if not set(self._challenges) >= set(registers):
            raise TypeError("a recorded sum of fractions takes challenges only")
        a, b, at = registers
        found = FractionSum(entries, a, b, at, numerator.register, denominator.register)
        self._fractions.append(found)
        return numerator * cast(Symbol, pow(cast(int, denominator), -1, MODULUS))

    # -- the channel ---------------------------------------------------------------------------------------------

    def absorb(self, label: str, data: bytes | Span) -> None:
        self._text += frame(label, len(data))
        if isinstance(data, Span):
            self._gaps.append((len(self._text), data))
            data = bytes(len(data))
        self._text += data

    def challenge(self, label: str) -> int:
        self._text += padded_label(label)
        self._stops.append(len(self._text))
        made = self._new()
        self._challenges.append(made.register)
        return cast(int, made)

    def receive_scalars(self, label: str, count: int) -> list[int]:
        first = self._receive(label, count * SCALAR_BYTES)
        made = [self._new() for _ in range(count)]
        self._scalars += [(first + k * SCALAR_BYTES, s.register) for k, s in enumerate(made)]
        return cast(list[int], made)

    def receive_points(self, label: str, count: int) -> list[Any]:
        first = self._receive(label, count * G1_BYTES)
        return [SentPoint(first + k * G1_BYTES) for k in range(count)]

    def _receive(self, label: str, size: int) -> int:
        first = self._position
        self._position += size
        self.absorb(label, Span(first, size))
        return first

    def finish(self) -> None:
        """A program knows how long its proofs are."""

    # -- the program ---------------------------------------------------------------------------------------------

    def program(self, relation: Relation) -> Program:
        """Record the verifier of a relation; its statement is absorbed from the input, whatever it says there."""
        table = relation.table
        changed: dict[str, Any] = {"statement": self._statement}
        if table is not None:
            changed["table"] = _RecordedTable(table, self)
        equation, weight = protocol.check(replace(relation, **changed), self)
        scale, scaled = self._new(), GroupEquation()
        scaled.add(equation, cast(int, scale))
        left, right = self._sum(scaled.left), self._sum(scaled.right)
        return Program(
            statement_bytes=len(self._statement),
            proof_bytes=self._position - len(self._statement),
            table=table,
            hashes=self._hashes(),
            scalars=np.array(self._scalars, dtype=np.int64),
            publics=np.array([s.register for s in self._publics], dtype=np.int64),
            fractions=tuple(self._fractions),
            constants={register: number for number, register in self._constants.items()},
            code=np.array(self._code, dtype=np.int64),
            left=left,
            right=right,
            weight=self._register(weight),
            scale=scale.register,
            registers=self._registers,
        )

    def _hashes(self) -> Hashes:
        gaps = [np.arange(place, place + span.length) for place, span in self._gaps]
        sources = [np.arange(span.first, span.first + span.length) for _, span in self._gaps]
        return Hashes(
            text=np.frombuffer(self._text, dtype=np.uint8),
            gaps=np.concatenate(gaps),
            sources=np.concatenate(sources),
            stops=np.array(self._stops, dtype=np.int64),
            registers=np.array(self._challenges, dtype=np.int64),
        )

    def _sum(self, combination: Combination) -> Sum:
        register = self._register
        return Sum(
            slots=tuple(combination.points),
            scalars=tuple(register(s) for s in combination.scalars),
            powers=tuple(register(s) for s in combination.powers),
            blinder=register(combination.blinder),
        )


@dataclass(frozen=True)
class _RecordedTable:
    """In the place of a lookup table: its denominators are never looked at, only summed up."""

    table: Table
    recording: Recording

    @property
    def tags(self) -> range:
        return self.table.tags

    @property
    def parts(self) -> tuple[SubTable, ...]:
        return self.table.parts

    @property
    def fields(self) -> list[Ints]:
        return self.table.fields

    def entries(self, tag: int) -> slice:
        return self.table.entries(tag)

    def denominators(self, alpha: Symbol, beta: Symbol) -> _RecordedDenominators:
        return _RecordedDenominators(self.recording, alpha, beta, slice(0, self.table.size))


@dataclass(frozen=True)
class _RecordedDenominators:
    recording: Recording
    alpha: Symbol
    beta: Symbol
    entries: slice

    def __getitem__(self, part: slice) -> _RecordedDenominators:
        chosen = range(self.entries.start, self.entries.stop)[part]
        return replace(self, entries=slice(chosen.start, chosen.stop))

    def fraction_sum(self, rho: Symbol) -> Symbol:
        return self.recording.fraction_sum(self.entries, self.alpha, self.beta, rho)
