"""The contract that checks inference proofs: it takes what `inference.verify` takes, and runs the compiled verifier.

    input:  household (20 bytes) | day (4) | round (4) | rows (48 each) | features (8 each) | proof | ordinates (48
            each)
    output: one, in 32 bytes; everything else ends in a revert without a word

Rows are those of the model's weights, layers before the head, those of the personal head if the form has one, the
window's commitment and the forecast's. Features are the public ones, steps before exogenous values, signed and
big-endian, as the statement hashes them. Ordinates are y of each point of the equation's left side, in its order
(`ordinates`).

It builds the statement's bytes, runs stages and sums of fractions, holds each y to the sign that its compressed point
gives it, and settles e(left, G2) = e(witness, tau G2) with the precompiles of EIP-2537, which refuse what is not on
the curve or not in the subgroup, for the sum and the pairing alike. Only a row of weights may be the identity: one of
zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zkp.algebra.commitment import RING_DAYS
from zkp.algebra.curve import FIELD_MODULUS, G1_BYTES, IDENTITY
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import BLINDING_BASE, load_setup
from zkp.batch.programs import Form, inference_program
from zkp.batch.recording import Program, SentPoint, SuppliedPoint
from zkp.evm import assembler as evm
from zkp.evm import points
from zkp.evm.assembler import Code
from zkp.evm.compiler import WORD, Stage
from zkp.lstm.grid import Grid
from zkp.lstm.integer_model import FEATURE_LIMIT, ONE, Shape
from zkp.lstm.weights import digest_prefix, row_count
from zkp.statements import inference
from zkp.statements.context import COMMUNITY_BYTES, CONTEXT_BYTES
from zkp.statements.inference import Statement

_WHO = CONTEXT_BYTES - COMMUNITY_BYTES  # household, day, round
_HOUSEHOLD = 20
_DAY_BYTES, _FEATURE, _LENGTH, _HASH = 4, 8, 4, 32
_POINT, _TERM = 4 * WORD, 5 * WORD  # of the precompiles: x and y, and a scalar
_G1_MSM, _PAIRING = 0x0C, 0x0F
_HALF = FIELD_MODULUS // 2


def form_of(shape: Shape, *, personal: bool) -> Form:
    """Of the statements of one day that a contract serves; every row is there, be it one of zeros."""
    grid = Grid(shape, 1, personal)
    rows = [row_count(cells) for _, cells in inference.input_cells(grid)]
    own = G1_BYTES * row_count(grid.head_cells) if personal else 0
    return Form(grid, sum(_LENGTH + size for size in _part_sizes(own).values()), tuple((True,) * n for n in rows))


def _part_sizes(personal: int) -> dict[str, int]:
    """Of the parts of a statement's bytes (`Statement.encode`), in their order."""
    return {
        "context": CONTEXT_BYTES, "digest": _HASH, "day": _DAY_BYTES, "window": G1_BYTES, "features": _HASH,
        "forecast": G1_BYTES, "personal": personal,
    }  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """Where the parts of the input begin, and of the statement's bytes."""

    form: Form
    program: Program

    @classmethod
    def of(cls, shape: Shape, *, personal: bool) -> Layout:
        form = form_of(shape, personal=personal)
        return cls(form, inference_program(form))

    def __post_init__(self) -> None:
        if not self.features:
            raise ValueError("a model without public features has no contract")

    @property
    def rows(self) -> list[int]:
        """Rows of each input."""
        return [len(rows) for rows in self.form.rows]

    @property
    def model_rows(self) -> int:
        return sum(self.rows[: self.form.grid.shape.layers + 1])

    @property
    def features(self) -> int:
        """Public features of the day."""
        return len(self.program.publics) - RING_DAYS

    @property
    def at_features(self) -> int:
        return _WHO + G1_BYTES * sum(self.rows)

    @property
    def at_proof(self) -> int:
        return self.at_features + _FEATURE * self.features

    @property
    def at_ordinates(self) -> int:
        return self.at_proof + len(inference.HEADER) + self.program.proof_bytes

    @property
    def size(self) -> int:
        return self.at_ordinates + G1_BYTES * len(self.program.left.slots)

    def row(self, number: int) -> int:
        return _WHO + G1_BYTES * number

    def compressed(self, slot: SentPoint | SuppliedPoint) -> int:
        """Where a point of the left side stands."""
        if isinstance(slot, SuppliedPoint):
            return self.row(slot.number)
        return self.at_proof + len(inference.HEADER) + slot.first - self.program.statement_bytes

    @property
    def parts(self) -> dict[str, tuple[int, int]]:
        """Place and length of each part of the statement's bytes."""
        out, place = {}, 0
        for name, size in _part_sizes(G1_BYTES * (sum(self.rows) - self.model_rows - 2)).items():
            out[name] = place + _LENGTH, size
            place += _LENGTH + size
        return out


def encoded(layout: Layout, statement: Statement, proof: bytes) -> bytes:
    """The input. Raises MalformedProof for a point that is none."""
    context, weights = statement.context, statement.weights
    rows = [r for block in (*weights.layers, weights.head, statement.personal or ()) for r in block]
    features = statement.steps.astype(">i8").tobytes() + statement.exogenous.astype(">i8").tobytes()
    day, number = (n.to_bytes(_DAY_BYTES, "big") for n in (context.day, context.round))
    data = context.household + day + number
    data += b"".join((*rows, *statement.windows, *statement.forecasts)) + features + proof
    return data + ordinates(layout, data)


def ordinates(layout: Layout, data: bytes) -> bytes:
    """y of the left side's points; zeros for a row of zeros."""
    found = []
    for slot in layout.program.left.slots:
        place = layout.compressed(slot)
        point = data[place : place + G1_BYTES]
        found.append(bytes(G1_BYTES) if point == IDENTITY else points.ordinate(point))
    return b"".join(found)


def compiled(
    layout: Layout, stages: Sequence[Stage], community: bytes, addresses: Sequence[bytes], fractions: bytes
) -> bytes:
    """The code of the contract, for a community; `addresses` of the stages, and of the sums of fractions."""
    return _Writer(layout, stages, community, addresses, fractions).contract()


class _Writer:
    """Memory: statement | proof | public numbers | words of the stages | terms of the sum | scratch."""

    def __init__(
        self, layout: Layout, stages: Sequence[Stage], community: bytes, addresses: Sequence[bytes], fractions: bytes
    ) -> None:
        self.layout, self.stages, self.community = layout, stages, community
        self.addresses, self.fractions = addresses, fractions
        self.code = Code()
        program = layout.program
        self.numbers = program.statement_bytes + program.proof_bytes
        self.words = self.numbers + WORD * len(program.publics)
        most = max(max(len(s.takes), len(s.gives)) for s in stages)
        self.terms = self.words + WORD * most
        self.scratch = self.terms + _TERM * len(stages[-1].gives)

    def contract(self) -> bytes:
        self._size_and_header()
        self._points()
        self._statement()
        self._numbers()
        self._run()
        self._settle()
        return self.code.finish()

    # -- the input -------------------------------------------------------------------------------------------------

    def _size_and_header(self) -> None:
        code = self.code
        code.push(self.layout.size)
        code.op(evm.CALLDATASIZE, evm.XOR)
        code.fail_if()
        code.push(int.from_bytes(inference.HEADER, "big"))
        self._input(self.layout.at_proof, len(inference.HEADER))
        code.op(evm.XOR)
        code.fail_if()

    def _input(self, place: int, size: int = WORD) -> None:
        """A number of the input, in `size` bytes."""
        self.code.push(place)
        self.code.op(evm.CALLDATALOAD)
        if size < WORD:
            self.code.push(8 * (WORD - size))
            self.code.op(evm.SHR)

    def _copy(self, to: int, place: int, size: int) -> None:
        for number in (size, place, to):
            self.code.push(number)
        self.code.op(evm.CALLDATACOPY)

    def _write(self, to: int, data: bytes) -> None:
        self.code.push(len(data))
        self.code.push_data(data)
        self.code.push(to)
        self.code.op(evm.CODECOPY)

    def _store(self, to: int) -> None:
        self.code.push(to)
        self.code.op(evm.MSTORE)

    def _hash(self, first: int, size: int, to: int) -> None:
        self.code.push(size)
        self.code.push(first)
        self.code.op(evm.KECCAK256)
        self._store(to)

    def _statement(self) -> None:
        layout, parts = self.layout, self.layout.parts
        frames = bytearray(layout.program.statement_bytes)
        for place, size in parts.values():
            frames[place - _LENGTH : place] = size.to_bytes(_LENGTH, "big")
        context = parts["context"][0]
        frames[context : context + COMMUNITY_BYTES] = self.community
        self._write(0, bytes(frames))
        prefix = digest_prefix(layout.form.grid.shape)
        rows, features = G1_BYTES * layout.model_rows, _FEATURE * layout.features
        self._write(self.scratch, prefix)
        self._copy(self.scratch + len(prefix), _WHO, rows)
        self._hash(self.scratch, len(prefix) + rows, parts["digest"][0])
        self._copy(self.scratch, layout.at_features, features)
        self._hash(self.scratch, features, parts["features"][0])
        window = sum(layout.rows) - 2
        self._copy(context + COMMUNITY_BYTES, 0, _WHO)
        self._copy(parts["day"][0], _HOUSEHOLD, _DAY_BYTES)
        self._copy(parts["personal"][0], layout.row(layout.model_rows), parts["personal"][1])
        self._copy(parts["window"][0], layout.row(window), G1_BYTES)
        self._copy(parts["forecast"][0], layout.row(window + 1), G1_BYTES)
        proof = layout.at_proof + len(inference.HEADER)
        self._copy(layout.program.statement_bytes, proof, layout.program.proof_bytes)

    def _numbers(self) -> None:
        """Features as elements of the field, each within its limit; the day modulo 7, one-hot."""
        layout, code, limit = self.layout, self.code, FEATURE_LIMIT * ONE
        code.op(evm.PUSH0)  # their number
        again = code.label()
        code.op(evm.DUP1)
        code.push(_FEATURE)
        code.op(evm.MUL)
        code.push(layout.at_features)
        code.op(evm.ADD, evm.CALLDATALOAD)
        code.push(8 * (WORD - _FEATURE))
        code.op(evm.SHR)
        code.push(_FEATURE - 1)
        code.op(evm.SIGNEXTEND, evm.DUP1)
        code.push(limit)
        code.op(evm.ADD)
        code.push(2 * limit)
        code.op(evm.LT)  # 2 limit < value + limit, and so is a negative one, without a sign
        code.fail_if()
        code.op(evm.PUSH0, evm.DUP1 + 1, evm.SLT)
        code.push(MODULUS)
        code.op(evm.MUL, evm.ADD, evm.DUP1 + 1)
        code.push(WORD)
        code.op(evm.MUL)
        code.push(self.numbers)
        code.op(evm.ADD, evm.MSTORE)
        code.push(1)
        code.op(evm.ADD, evm.DUP1)
        code.push(layout.features)
        code.op(evm.XOR)
        code.jump_if(again)
        code.op(evm.POP)
        code.push(1)
        code.push(RING_DAYS)
        self._input(_HOUSEHOLD, _DAY_BYTES)
        code.op(evm.MOD)
        code.push(WORD)
        code.op(evm.MUL)
        code.push(self.numbers + WORD * layout.features)
        code.op(evm.ADD, evm.MSTORE)

    # -- the compiled verifier -------------------------------------------------------------------------------------

    def _call(self, address: int, first: int, size: int, to: int, gives: int) -> None:
        """Ask a contract; it must succeed, and give out as many bytes as it should."""
        for number in (gives, to, size, first, address):
            self.code.push(number)
        self.code.op(evm.GAS, evm.STATICCALL, evm.ISZERO)
        self.code.fail_if()
        self.code.op(evm.RETURNDATASIZE)
        self.code.push(gives)
        self.code.op(evm.XOR)
        self.code.fail_if()

    def _run(self) -> None:
        for k, (stage, address) in enumerate(zip(self.stages, self.addresses, strict=True)):
            size = self.words + WORD * len(stage.takes)
            self._call(int.from_bytes(address, "big"), 0, size, self.words, WORD * len(stage.gives))
            if k == 0:
                self._sum_fractions(stage)

    def _sum_fractions(self, first: Stage) -> None:
        """Of the challenges that the first stage gave out; the sums follow these."""
        wanted = self.layout.program.fractions
        for k, register in enumerate((wanted[0].alpha, wanted[0].beta, wanted[0].rho)):
            self.code.push(self.words + WORD * first.gives.index(register))
            self.code.op(evm.MLOAD)
            self._store(self.scratch + WORD * k)
        to = self.words + WORD * len(first.gives)
        self._call(int.from_bytes(self.fractions, "big"), self.scratch, 3 * WORD, to, 2 * WORD * len(wanted))

    # -- the group -------------------------------------------------------------------------------------------------

    def _points(self) -> None:
        """Points of the left side, each in the place of its term."""
        layout, left = self.layout, self.layout.program.left
        for k, slot in enumerate(left.slots):
            optional = isinstance(slot, SuppliedPoint) and slot.number < sum(layout.rows) - 2
            self._point(layout.compressed(slot), layout.at_ordinates + G1_BYTES * k, self._term(k), optional)
        setup, count = load_setup(), len(left.powers)
        bases = [*(setup.curve.encode(p) for p in setup.powers(count)[:count]), BLINDING_BASE]
        for k, base in enumerate(bases):
            self._write(self._term(len(left.slots) + k), points.g1(base))

    def _term(self, number: int) -> int:
        return self.terms + _TERM * number

    def _point(self, x: int, y: int, to: int, optional: bool) -> None:
        """x and y as the precompiles take them. ZCash's flags: compressed, infinity, sign.

        Zeros stand for infinity, which a row of zeros is; no other point in the subgroup has y = 0."""
        code, half = self.code, WORD // 2
        self._input(x, half)
        if optional:
            self._is_identity(x)
        else:
            code.op(evm.PUSH0)
        code.op(evm.DUP1 + 1)  # upper half of x, whether it is the identity
        code.push(126)
        code.op(evm.SHR, evm.DUP1 + 1)
        code.push(2)
        code.op(evm.ADD, evm.XOR)
        code.fail_if()
        self._input(y, half)
        self._input(y + half)
        code.op(evm.DUP1 + 1, evm.DUP1 + 1, evm.OR, evm.ISZERO, evm.DUP1 + 3, evm.XOR)
        code.fail_if()
        self._is_larger()
        code.op(evm.DUP1 + 4)
        code.push(125)
        code.op(evm.SHR)
        code.push(1)
        code.op(evm.AND, evm.XOR)
        code.fail_if()
        self._store(to + 3 * WORD)
        self._store(to + 2 * WORD)
        code.op(evm.POP)
        code.push((1 << 125) - 1)
        code.op(evm.AND)
        self._store(to)
        self._input(x + half)
        self._store(to + WORD)

    def _is_identity(self, place: int) -> None:
        self._input(place, WORD // 2)
        self.code.push(int.from_bytes(IDENTITY[: WORD // 2], "big"))
        self.code.op(evm.EQ)
        self._input(place + WORD // 2)
        self.code.op(evm.ISZERO, evm.AND)

    def _is_larger(self) -> None:
        """Whether y, two words on top of the stack, is larger than its opposite; y stays."""
        high, low = divmod(_HALF, 1 << 8 * WORD)
        self.code.push(low)
        self.code.op(evm.DUP1 + 1, evm.GT)
        self.code.push(high)
        self.code.op(evm.DUP1 + 3, evm.EQ, evm.AND)
        self.code.push(high)
        self.code.op(evm.DUP1 + 3, evm.GT, evm.OR)

    def _settle(self) -> None:
        """e(left, G2) e(witness, -tau G2) = 1"""
        left, code = self.layout.program.left, self.code
        terms, pairs = len(self.stages[-1].gives), self.scratch
        for k in range(terms):
            code.push(self.words + WORD * k)
            code.op(evm.MLOAD)
            self._store(self._term(k) + _POINT)
        self._call(_G1_MSM, self.terms, _TERM * terms, pairs, _POINT)
        g2, tau_g2 = load_setup().compressed_g2
        sides = points.g2(g2), points.g2(tau_g2, negative=True)
        self._write(pairs + _POINT, sides[0])
        witness = pairs + _POINT + len(sides[0])
        for k in range(0, _POINT, WORD):
            code.push(self._term(left.slots.index(self.layout.program.right.slots[0])) + k)
            code.op(evm.MLOAD)
            self._store(witness + k)
        self._write(witness + _POINT, sides[1])
        self._call(_PAIRING, pairs, 2 * (_POINT + len(sides[0])), 0, WORD)
        code.op(evm.PUSH0, evm.MLOAD)
        code.push(1)
        code.op(evm.XOR)
        code.fail_if()
        code.push(WORD)
        code.op(evm.PUSH0, evm.RETURN)
