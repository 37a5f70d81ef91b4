"""The contract that checks inference proofs: it takes what `inference.verify` takes, and runs the compiled verifier.

    input:  `zkp.evm.layout`
    output: one, in 32 bytes; everything else ends in a revert without a word

It builds the statement's bytes, runs stages and sums of fractions, holds each y to the sign that its compressed point
gives it, and settles e(left, G2) = e(witness, tau G2) with the precompiles of EIP-2537, which refuse what is not on
the curve or not in the subgroup, for the sum and the pairing alike. Only a row of weights may be the identity: one of
zeros.
"""

from __future__ import annotations

from collections.abc import Sequence

from zkp.algebra.commitment import RING_DAYS
from zkp.algebra.curve import FIELD_MODULUS, G1_BYTES, IDENTITY
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import BLINDING_BASE, load_setup
from zkp.batch.recording import SuppliedPoint
from zkp.evm import assembler as evm
from zkp.evm import points
from zkp.evm.assembler import Code
from zkp.evm.compiler import WORD, Stage
from zkp.evm.layout import DAY_BYTES, FEATURE, HOUSEHOLD, LENGTH, WHO, Layout
from zkp.lstm.integer_model import FEATURE_LIMIT, ONE
from zkp.lstm.weights import digest_prefix
from zkp.statements import inference
from zkp.statements.context import COMMUNITY_BYTES

_POINT, _TERM = 4 * WORD, 5 * WORD  # of the precompiles: x and y, and a scalar
_G1_MSM, _PAIRING = 0x0C, 0x0F
_HALF = FIELD_MODULUS // 2


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
            frames[place - LENGTH : place] = size.to_bytes(LENGTH, "big")
        context = parts["context"][0]
        frames[context : context + COMMUNITY_BYTES] = self.community
        self._write(0, bytes(frames))
        prefix = digest_prefix(layout.form.grid.shape)
        rows, features = G1_BYTES * layout.model_rows, FEATURE * layout.features
        self._write(self.scratch, prefix)
        self._copy(self.scratch + len(prefix), WHO, rows)
        self._hash(self.scratch, len(prefix) + rows, parts["digest"][0])
        self._copy(self.scratch, layout.at_features, features)
        self._hash(self.scratch, features, parts["features"][0])
        window = sum(layout.rows) - 2
        self._copy(context + COMMUNITY_BYTES, 0, WHO)
        self._copy(parts["day"][0], HOUSEHOLD, DAY_BYTES)
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
        code.push(FEATURE)
        code.op(evm.MUL)
        code.push(layout.at_features)
        code.op(evm.ADD, evm.CALLDATALOAD)
        code.push(8 * (WORD - FEATURE))
        code.op(evm.SHR)
        code.push(FEATURE - 1)
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
        self._input(HOUSEHOLD, DAY_BYTES)
        if earlier := layout.form.grid.shape.horizon - 1:  # the window's first day is so much earlier
            code.push(RING_DAYS - earlier)
            code.op(evm.ADD)
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
