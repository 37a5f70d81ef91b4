"""The sums of fractions of a lookup table as EVM code: sum_i rho^i / d_i over each part of the table.

    input:  alpha | beta | rho, 32 bytes each, below the modulus
    output: numerator | denominator of each sum (32 bytes each); a denominator is zero where one of the d_i is

d_i = alpha - entry_i changes from one entry to the next by one of few amounts (`Table.steps`), so that a table is
walked through, here from its last entry down, with Horner's rule for fractions:

    n / d + ...:    numerator <- denominator + rho numerator d_i,    denominator <- denominator d_i.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zkp.algebra.field import MODULUS
from zkp.argument.tables import Table
from zkp.batch.recording import Program
from zkp.evm import assembler as evm
from zkp.evm.assembler import Code

WORD = 32
_ALPHA, _BETA, _RHO = 0, WORD, 2 * WORD  # of the input
_MOST_KINDS = 256 // WORD  # a kind's place in memory is a byte


def compiled(program: Program) -> bytes:
    """The code of the contract. Raises ValueError for a table that it does not serve."""
    if program.table is None or len({(f.alpha, f.beta, f.rho) for f in program.fractions}) != 1:
        raise ValueError("the program sums up no table, or several of them")
    return _Writer(program.table, [f.entries for f in program.fractions]).contract()


class _Writer:
    """Memory: what d falls by for each kind of step; powers of beta; results; the kinds of a part's steps."""

    def __init__(self, table: Table, parts: Sequence[slice]) -> None:
        self.table, self.parts, self.code = table, parts, Code()
        kinds, self.pattern = table.steps
        inside = np.unique(np.concatenate([self.pattern[p.start + 1 : p.stop] for p in parts])).tolist()
        if len(inside) > _MOST_KINDS or any((p.stop - p.start) % WORD for p in parts):
            raise ValueError("a table of this form has no code")
        self.kinds = {kind: WORD * k for k, kind in enumerate(inside)}  # and where each stands
        self.steps = {self.kinds[kind]: kinds[:, kind].tolist() for kind in inside}
        self.powers = 256
        self.results = self.powers + WORD * len(table.fields)
        self.walked = self.results + 2 * WORD * len(parts)

    def contract(self) -> bytes:
        self._powers_of_beta()
        for place, step in self.steps.items():
            self.code.op(evm.PUSH0)
            self._add_fields(step)
            self._store(place)
        for k, part in enumerate(self.parts):
            self._part(part, self.results + 2 * WORD * k)
        self.code.push(2 * WORD * len(self.parts))
        self.code.push(self.results)
        self.code.op(evm.RETURN)
        return self.code.finish()

    def _store(self, place: int) -> None:
        self.code.push(place)
        self.code.op(evm.MSTORE)

    def _load(self, place: int) -> None:
        self.code.push(place)
        self.code.op(evm.MLOAD)

    def _powers_of_beta(self) -> None:
        self.code.push(1)
        for k in range(len(self.table.fields)):
            self.code.op(evm.DUP1)
            self._store(self.powers + WORD * k)
            self.code.push(MODULUS)
            self.code.op(evm.SWAP1)
            self.code.push(_BETA)
            self.code.op(evm.CALLDATALOAD, evm.MULMOD)
        self.code.op(evm.POP)

    def _add_fields(self, fields: Sequence[int]) -> None:
        """Add an entry, or a difference of two, compressed by the powers of beta, to what is on top of the stack."""
        for k, value in enumerate(fields):
            if value:
                self.code.push(MODULUS)
                self.code.op(evm.SWAP1)
                self.code.push(MODULUS)
                self.code.push(value % MODULUS)
                self._load(self.powers + WORD * k)
                self.code.op(evm.MULMOD, evm.ADDMOD)

    def _part(self, part: slice, result: int) -> None:
        """The stack, from below: place, w, r, rho, numerator, d, denominator; w is the step, or 32 kinds of steps."""
        kinds = [self.kinds[kind] for kind in self.pattern[part.start + 1 : part.stop].tolist()]
        several = len(set(kinds)) > 1
        first = self.walked
        if several:  # from the last entry down, and none below the first
            text = bytes([*reversed(kinds), 0])
            self.code.push(len(text))
            self.code.push_data(text)
            self.code.push(first)
            self.code.op(evm.CODECOPY)
        self.code.push(first)
        if several:
            self.code.op(evm.PUSH0)
        else:
            self._load(kinds[0])
        self.code.push(MODULUS)
        self.code.push(_RHO)
        self.code.op(evm.CALLDATALOAD, evm.PUSH0)
        self.code.push(_ALPHA)
        self.code.op(evm.CALLDATALOAD)
        self._add_fields([-int(field[part.stop - 1]) for field in self.table.fields])
        self.code.push(1)
        again = self.code.label()
        if several:
            self.code.op(evm.DUP1 + 6, evm.MLOAD, evm.SWAP1 + 5, evm.POP)
        for k in range(WORD):
            self._entry(k if several else None)
        self.code.push(WORD)
        self.code.op(evm.DUP1 + 7, evm.ADD, evm.SWAP1 + 6, evm.POP, evm.DUP1 + 6)
        self.code.push(first + part.stop - part.start)
        self.code.op(evm.XOR)
        self.code.jump_if(again)
        self._store(result + WORD)
        self.code.op(evm.POP)
        self._store(result)
        self.code.op(*[evm.POP] * 4)

    def _entry(self, kind: int | None) -> None:
        """One entry; then d is that of the one before it."""
        numerator, denominator, d, modulus, rho = 3, 1, 2, 5, 4  # places from the top of the stack
        self._dup(modulus, modulus + 1, modulus + 2, numerator + 3, rho + 4)
        self.code.op(evm.MULMOD)
        self._dup(d + 3)
        self.code.op(evm.MULMOD)
        self._dup(denominator + 2)
        self.code.op(evm.ADDMOD, evm.SWAP1 + 2, evm.POP)
        self._dup(modulus)
        self.code.op(evm.SWAP1)
        self._dup(d + 1)
        self.code.op(evm.MULMOD)
        self._dup(modulus)
        self._dup(7)
        if kind is not None:
            self.code.push(kind)
            self.code.op(evm.BYTE, evm.MLOAD)
        self._dup(d + 2)
        self.code.op(evm.ADDMOD, evm.SWAP1 + 1, evm.POP)

    def _dup(self, *places: int) -> None:
        self.code.op(*(evm.DUP1 + place - 1 for place in places))
