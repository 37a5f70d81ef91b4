"""An inference verifier in several contracts leaves the scalars that the verifier leaves, or stops where it stops."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import pytest

from tests.zkp.cases import Honest, inference_case
from tests.zkp.evm.test_compiler import encoded, run
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import Setup, load_setup
from zkp.batch.programs import inference_program, lane_of
from zkp.batch.recording import Program
from zkp.errors import MalformedProof
from zkp.evm import assembler, compiler
from zkp.evm.compiler import Stage
from zkp.statements import inference
from zkp.view import Message


@dataclass(frozen=True)
class Compiled:
    """The stages of a statement's verifier, and what stands before a proof in their input, and behind it."""

    case: Honest
    program: Program
    stages: list[Stage]
    publics: bytes

    def left(self, proof: bytes) -> list[int] | None:
        """The scalars that the stages leave; None where one of them reverts."""
        base = self.case.statement.encode() + proof[len(inference.HEADER) :] + self.publics
        words: list[int] | None = []
        for k, stage in enumerate(self.stages):
            words = run(stage.code, base + encoded(words or []))
            if words is None:
                return None
            if k == 0:
                words += self.sums(dict(zip(stage.gives, words, strict=True)))
        return words

    def sums(self, challenges: dict[int, int]) -> list[int]:
        """What `zkp.evm.fractions` gives out: here the sums over one."""
        out: list[int] = []
        for f in self.program.fractions:
            table = self.program.table
            assert table is not None
            d = table.denominators(challenges[f.alpha], challenges[f.beta])[f.entries]
            out += [d.fraction_sum(challenges[f.rho]), 1]
        return out


@cache
def compiled(personal: bool = True) -> Compiled:
    case = inference_case(personal=personal)
    form, lane = lane_of(case.statement, case.proof, load_setup())
    program = inference_program(form)
    publics = encoded([int(n) % MODULUS for n in lane.publics])
    return Compiled(case, program, compiler.stages(program), publics)


def left_by_python(case: Honest, proof: bytes, setup: Setup) -> list[int]:
    left = inference.check(case.statement, proof, setup)[0].left
    return [*left.scalars, *left.powers, left.blinder]


def changed(proof: bytes, messages: Sequence[Message]) -> Iterator[tuple[str, bytes]]:
    """The first and the last scalar of every message one higher; of points, the sign that is hashed."""
    for message in messages:
        size = len(message.values[0])
        for k in {0, len(message.values) - 1}:
            at = message.offset + k * size
            if message.kind == "scalars":
                new = ((int.from_bytes(message.values[k], "big") + 1) % MODULUS).to_bytes(size, "big")
            else:
                new = bytes([message.values[k][0] ^ 0x20]) + message.values[k][1:]
            yield message.label, proof[:at] + new + proof[at + size :]


@pytest.mark.parametrize("personal", [False, True])
def test_the_stages_leave_the_scalars_that_the_verifier_leaves(personal: bool, setup: Setup) -> None:
    made = compiled(personal)
    assert made.left(made.case.proof) == left_by_python(made.case, made.case.proof, setup)


@pytest.mark.slow
def test_whatever_is_sent_they_leave_the_same(setup: Setup) -> None:
    made = compiled()
    honest = left_by_python(made.case, made.case.proof, setup)
    for label, proof in changed(made.case.proof, made.case.messages):
        expected = left_by_python(made.case, proof, setup)
        assert made.left(proof) == expected, label
        assert expected != honest or label == "opening/witness"  # after which nothing but the weight is drawn


def test_a_scalar_that_is_not_below_the_modulus_reverts(setup: Setup) -> None:
    made = compiled()
    for message in made.case.messages:
        if message.kind == "scalars":
            at, value = message.offset, int.from_bytes(message.values[-1], "big")
            at += 32 * (len(message.values) - 1)
            proof = made.case.proof[:at] + (value + MODULUS).to_bytes(32, "big") + made.case.proof[at + 32 :]
            with pytest.raises(MalformedProof):
                left_by_python(made.case, proof, setup)
            assert made.left(proof) is None, message.label


def test_a_denominator_of_zero_reverts() -> None:
    """alpha on an entry of the table: the sums' contract gives a zero out, which has no inverse."""
    made = compiled()
    first, second = made.stages[:2]
    base = made.case.statement.encode() + made.case.proof[len(inference.HEADER) :] + made.publics
    words = run(first.code, base)
    assert words is not None and run(second.code, base + encoded([*words, *[1, 1] * 5])) is not None
    for k in range(5):
        sums = [1, 1] * 5
        sums[2 * k + 1] = 0
        later: list[int] | None = [*words, *sums]
        for stage in made.stages[1:]:
            later = None if later is None else run(stage.code, base + encoded(later))
        assert later is None


def test_every_stage_fits_into_a_contract_and_they_fit_together() -> None:
    made = compiled()
    sums = tuple(r for f in made.program.fractions for r in (f.numerator, f.denominator))
    assert len(made.stages) > 2
    for before, after in zip(made.stages, made.stages[1:], strict=False):
        assert after.takes == (*before.gives, *(sums if before is made.stages[0] else ()))
    assert all(len(stage.code) <= assembler.CONTRACT_BYTES for stage in made.stages)


def test_a_program_without_lookups_in_one_contract_says_what_several_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of contracts."""
    from tests.zkp.cases import skill_case
    from zkp.batch.programs import skill_program
    from zkp.statements import skill

    case, program = skill_case(), skill_program()
    base = case.statement.encode() + case.proof[len(skill.HEADER) :]
    base += encoded(skill.Publics.of(case.statement).numbers)
    expected = run(compiler.compiled(program), base)
    for longest in (assembler.CONTRACT_BYTES, 3000, 2000):
        monkeypatch.setattr(assembler, "CONTRACT_BYTES", longest)
        stages, words = compiler.stages(program), []
        for stage in stages:
            words = run(stage.code, base + encoded(words)) or []
        assert words == expected
    assert len(stages) > 3
