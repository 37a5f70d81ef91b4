"""A compiled program does in the EVM what its operations say, and reverts where the verifier refuses."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from eth_hash.auto import keccak
from eth_tester import PyEVMBackend
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws import examples
from tests.zkp.cases import skill_case
from zkp.algebra.field import MODULUS, inverse
from zkp.algebra.srs import BLINDING_BASE, Setup
from zkp.algebra.vector import fresh_scalars
from zkp.argument.transcript import PROTOCOL
from zkp.batch import kernels
from zkp.batch.programs import inference_program, lane_of, skill_program
from zkp.batch.recording import Hashes, Program, SentPoint, Sum, SuppliedPoint
from zkp.errors import MalformedProof
from zkp.evm import assembler as evm_code
from zkp.evm import compiler as evm
from zkp.evm import points as evm_points
from zkp.statements import skill


@cache
def _machine() -> Any:
    return PyEVMBackend().chain.get_vm()


def run(code: bytes, data: bytes) -> list[int] | None:
    """The words that a contract gives out; None where it reverts."""
    done = _machine().execute_bytecode(
        origin=b"\1" * 20, gas_price=0, gas=10**7, to=b"\2" * 20, sender=b"\1" * 20, value=0, data=data, code=code
    )
    if not done.is_success:
        return None
    return [int.from_bytes(done.output[k : k + 32], "big") for k in range(0, len(done.output), 32)]


# -- programs made up ------------------------------------------------------------------------------------------------

STATEMENT = b"about nothing"
LABEL = b"a challenge"
INPUTS = 3  # scalars of the proof
FIRST = INPUTS + 1  # operations' registers follow inputs, challenge and constants
CONSTANTS = (0, 1, 2, MODULUS - 1, MODULUS - 50, inverse(6))


@dataclass(frozen=True)
class Made:
    """A program of these operations, (kind, left, right) with registers; results are counted on from the last one."""

    operations: tuple[tuple[int, int, int], ...]

    @property
    def first(self) -> int:
        return FIRST + len(CONSTANTS)

    def program(self) -> Program:
        results = range(self.first, self.first + len(self.operations))
        scale = self.first + len(self.operations)
        text = STATEMENT + bytes(32 * INPUTS) + LABEL
        filled = np.arange(len(STATEMENT) + 32 * INPUTS)
        one = FIRST + CONSTANTS.index(1)
        return Program(
            statement_bytes=len(STATEMENT),
            proof_bytes=32 * INPUTS,
            table=None,
            hashes=Hashes(
                np.frombuffer(text, dtype=np.uint8), filled, filled, np.array([len(text)]), np.array([INPUTS])
            ),
            scalars=np.array([(len(STATEMENT) + 32 * k, k) for k in range(INPUTS)]),
            publics=np.array([], dtype=np.int64),
            fractions=(),
            constants={FIRST + k: number for k, number in enumerate(CONSTANTS)},
            code=np.array([(*o, r) for o, r in zip(self.operations, results, strict=True)], dtype=np.int64),
            left=Sum((), (), tuple(range(scale)), one),
            right=Sum((SentPoint(0),), (scale,), (), FIRST),
            weight=0,
            scale=scale,
            registers=scale + 1,
        )  # fmt: skip

    def expected(self, inputs: list[int]) -> list[int] | None:
        """What the field says; None where a zero is inverted."""
        data = STATEMENT + encoded(inputs)
        registers = [*inputs, challenge_of(data), *CONSTANTS]
        for kind, left, right in self.operations:
            a, b = registers[left], registers[right]
            if kind == kernels.INVERT and a == 0:
                return None
            value = {kernels.ADD: a + b, kernels.SUBTRACT: a - b, kernels.MULTIPLY: a * b}
            registers.append(inverse(a) if kind == kernels.INVERT else value[kind] % MODULUS)
        return [*registers, 1]


def challenge_of(data: bytes) -> int:
    return int.from_bytes(keccak(keccak(PROTOCOL) + data + LABEL), "big") % MODULUS


def encoded(inputs: list[int]) -> bytes:
    return b"".join(v.to_bytes(32, "big") for v in inputs)


@st.composite
def made(draw: st.DrawFn, most: int = 60) -> Made:
    """Operations on anything before them, mostly on what has just been computed: long expressions and wide ones."""
    operations = []
    for k in range(draw(st.integers(1, most))):
        last = FIRST + len(CONSTANTS) + k - 1
        place = st.one_of(st.integers(0, last), st.integers(max(0, last - 3), last))
        kind = draw(st.sampled_from([kernels.ADD, kernels.SUBTRACT, kernels.MULTIPLY] * 5 + [kernels.INVERT]))
        left = draw(place)
        operations.append((kind, left, left if kind == kernels.INVERT else draw(place)))
    return Made(tuple(operations))


edges = st.one_of(st.sampled_from([0, 1, MODULUS - 1]), st.integers(0, MODULUS - 1))
inputs = st.lists(edges, min_size=INPUTS, max_size=INPUTS)


@examples(60)
@given(made(), inputs)
def test_the_code_computes_what_the_operations_say(case: Made, values: list[int]) -> None:
    assert run(evm.compiled(case.program()), STATEMENT + encoded(values)) == case.expected(values)


def test_results_that_nothing_else_reads_are_left_on_the_stack_and_computed_right() -> None:
    """A chain longer than an expression may be, and one deeper than the stack's window of sixteen."""
    chain = Made(tuple((kernels.MULTIPLY, 0, FIRST + len(CONSTANTS) + k - 1 if k else 1) for k in range(100)))
    wide = [(kernels.MULTIPLY, k % 4, (k + 1) % 4) for k in range(2)]
    values = [5, 7, 11]
    for case in (chain, Made(tuple(wide))):
        assert run(evm.compiled(case.program()), STATEMENT + encoded(values)) == case.expected(values)


SUM = Made(((kernels.ADD, 0, 1),))


@pytest.mark.parametrize("place", range(INPUTS))
@pytest.mark.parametrize("change", [lambda v: v + MODULUS, lambda v: MODULUS, lambda v: (1 << 256) - 1])
def test_a_scalar_that_is_not_below_the_modulus_reverts(place: int, change: Callable[[int], int]) -> None:
    values = [3, 4, 5]
    code = evm.compiled(SUM.program())
    assert run(code, STATEMENT + encoded(values)) == SUM.expected(values)
    values[place] = change(values[place])
    assert run(code, STATEMENT + encoded(values)) is None


def test_an_inverse_of_zero_reverts() -> None:
    case = Made(((kernels.INVERT, 0, 0),))
    code = evm.compiled(case.program())
    assert run(code, STATEMENT + encoded([0, 1, 1])) is None
    assert run(code, STATEMENT + encoded([9, 1, 1])) == case.expected([9, 1, 1])


# -- what can't be compiled ------------------------------------------------------------------------------------------


def test_programs_of_another_shape_are_refused() -> None:
    program = SUM.program()
    right = program.right
    others = [
        replace(right, slots=(SuppliedPoint(0),)),
        replace(right, scalars=(0,)),
        replace(right, powers=(0,)),
        replace(right, blinder=0),
        Sum((), (), (), FIRST),
    ]
    for other in others:
        with pytest.raises(ValueError, match="right side"):
            evm.compiled(replace(program, right=other))


def test_a_program_with_lookups_is_refused() -> None:
    from tests.zkp.cases import inference_case
    from zkp.algebra.srs import load_setup

    case = inference_case()
    form, _ = lane_of(case.statement, case.proof, load_setup())
    with pytest.raises(ValueError, match="lookup table"):
        evm.compiled(inference_program(form))


def test_code_that_is_too_long_for_a_contract_is_refused() -> None:
    long = Made(tuple((kernels.MULTIPLY, 0, FIRST + len(CONSTANTS) + k - 1 if k else 1) for k in range(3000)))
    with pytest.raises(ValueError, match="24576 at most"):
        evm.compiled(long.program())


# -- skill -----------------------------------------------------------------------------------------------------------


def test_the_skill_program_gives_the_scalars_that_the_verifier_leaves(setup: Setup) -> None:
    case = skill_case()
    numbers = skill.Publics.of(case.statement).numbers
    data = case.statement.encode() + case.proof[len(skill.HEADER) :] + encoded(numbers)
    left = skill.check(case.statement, case.proof, setup)[0].left
    code = evm.compiled(skill_program())
    assert len(code) <= evm_code.CONTRACT_BYTES
    assert run(code, data) == [*left.scalars, *left.powers, left.blinder]


def test_the_code_neither_keeps_nor_sends_nor_calls_anything_but_the_precompile() -> None:
    """Read from the start to where it returns: what is behind that is data."""
    code, place, found = evm.compiled(skill_program()), 0, []
    while not found or found[-1] != evm_code.RETURN:
        found.append(code[place])
        place += 1 + max(0, code[place] - evm_code.PUSH0) * (code[place] < evm_code.DUP1)
    assert found.count(evm_code.STATICCALL) == 1, "one for each inversion"
    sload, sstore, log0 = 0x54, 0x55, 0xA0  # logs and all that creates, calls or ends comes behind
    assert not {sload, sstore} & set(found)
    assert {op for op in found if op >= log0} == {evm_code.RETURN, evm_code.STATICCALL, evm_code.REVERT}


def test_the_same_program_has_the_same_code() -> None:
    assert evm.compiled(skill_program.__wrapped__()) == evm.compiled(skill_program())


# -- points ----------------------------------------------------------------------------------------------------------


def test_points_are_those_of_the_curve(setup: Setup) -> None:
    from py_ecc.bls.point_compression import decompress_G1
    from py_ecc.optimized_bls12_381 import normalize

    for data in (BLINDING_BASE, *(setup.curve.encode(setup.curve.msm(setup.powers(2), fresh_scalars(2))),)):
        x, y = normalize(decompress_G1(int.from_bytes(data, "big")))
        assert evm_points.g1(data) == int(x).to_bytes(64, "big") + int(y).to_bytes(64, "big")
        assert evm_points.ordinate(data) == int(y).to_bytes(48, "big")


def test_an_abscissa_of_no_point_has_no_ordinate() -> None:
    on_curve = 0
    for x in range(1, 20):
        try:
            y = int.from_bytes(evm_points.ordinate(((1 << 383) | x).to_bytes(48, "big")), "big")
        except MalformedProof:
            continue
        on_curve += 1
        assert (y * y - x**3 - 4) % evm_points.FIELD_MODULUS == 0
    assert 0 < on_curve < 19
