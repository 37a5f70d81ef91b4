"""Zero knowledge: proofs can be made without a witness by who programs the challenges, and with them fixed, nothing
that an honest prover sends stays the same.
"""

from collections import Counter
from typing import Any

import pytest

from tests.zkp.cases import CASES, Honest, inference_case
from tests.zkp.conftest import seeded
from tests.zkp.simulator import Oracle, false_statement, programmed, simulate
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import Setup
from zkp.algebra.vector import Vector
from zkp.argument import rows
from zkp.argument.relation import PADS, Pads, Relation, Witness
from zkp.errors import InvalidProof
from zkp.view import messages
from zkp.zero_knowledge import revealed_values

pytestmark = pytest.mark.slow

ORACLE = Oracle(2024)
KINDS = {**CASES, "inference, two layers and two days": lambda: inference_case(2, 2)}


@pytest.fixture(scope="module", params=list(KINDS))
def case(request: pytest.FixtureRequest) -> Honest:
    return KINDS[request.param]()


def simulated(case: Honest, statement: object, setup: Setup, seed: int = 9) -> bytes:
    relation = case.module.relation(statement, setup)
    return bytes(case.module.HEADER + simulate(relation, setup, ORACLE, seeded(seed)))


def unknown_points(setup: Setup, count: int = 40) -> list[bytes]:
    """Commitments to nothing anybody knows."""
    return [setup.curve.encode(setup.curve.msm([setup.blinder], [k])) for k in seeded(77)(count)]


# -- the simulator ---------------------------------------------------------------------------------------------------


def test_a_proof_is_simulated_without_a_witness(case: Honest, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    proof = simulated(case, case.statement, setup)
    programmed(monkeypatch, ORACLE)
    case.verify(proof)


def test_even_of_a_statement_that_nobody_can_prove(
    case: Honest, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it cannot be the witness that makes a simulated proof acceptable."""
    statement = false_statement(case.statement, unknown_points(setup))
    proof = simulated(case, statement, setup)
    programmed(monkeypatch, ORACLE)
    case.verify(proof, statement)


def test_it_takes_the_challenges_to_simulate(case: Honest, setup: Setup) -> None:
    """Where Keccak-256 gives the challenges, the very same bytes are refused."""
    with pytest.raises(InvalidProof):
        case.verify(simulated(case, case.statement, setup))


def test_honest_proofs_pass_under_the_same_challenges_and_have_the_same_form(
    case: Honest, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    programmed(monkeypatch, ORACLE)
    honest, made_up = case.prove(), simulated(case, case.statement, setup)
    case.verify(honest)
    forms = [
        [(m.label, m.kind, len(m.values)) for m in messages(case.statement, proof)] for proof in (honest, made_up)
    ]
    assert forms[0] == forms[1]


# -- why an honest proof has the simulated distribution --------------------------------------------------------------


def test_no_more_is_revealed_than_is_random(case: Honest) -> None:
    for kind, (revealed, fresh) in revealed_values(case.relation()).items():
        assert revealed <= fresh, kind


def test_every_scalar_of_a_proof_is_counted(case: Honest) -> None:
    """But for the opening's blinding, which the verifier's equation gives."""
    scalars = sum(len(m.values) for m in case.messages if m.kind == "scalars")
    points = sum(len(m.values) for m in case.messages if m.kind == "points")
    assert sum(revealed for revealed, _ in revealed_values(case.relation()).values()) == scalars - 1 + points


def hidden_by(pads: Pads) -> list[tuple[str, int]]:
    """For every pad the message that it hides: label, and which scalar under it."""
    out = [("gates/values", k) for k in range(pads.columns)]
    if pads.product_bits:  # the first hides the total; beside it, the others hide what it leaves
        out += [("product/total", 0), ("product/values", 0), ("product/values", 1)]
    out.append(("gates/last row", 0))
    for label, mask in (("gates/round", pads.gate_mask), ("product/round", pads.product_mask)):
        rounds = [(label, k * mask.degree) for k in reversed(range(mask.variables))]
        out += [(label, first + e) for _, first in rounds for e in range(mask.degree)]
    return [*out, ("opening/witness", 0)]


def shifted(monkeypatch: pytest.MonkeyPatch, pad: int, by: int) -> None:
    """One pad is another number from here on."""
    fill = rows.Matrix.fill

    def other(self: rows.Matrix, relation: Relation, witness: Witness) -> None:
        fill(self, relation, witness)
        place = self.layout.cells(PADS).start + pad
        self.cells[place : place + 1] = self.cells[place : place + 1] + Vector.from_ints([by])

    monkeypatch.setattr(rows.Matrix, "fill", other)


def sent(case: Honest) -> dict[str, list[bytes]]:
    out: dict[str, list[bytes]] = {}
    for message in messages(case.statement, case.prove()):
        out.setdefault(message.label, []).extend(message.values)
    return out


@pytest.mark.parametrize("kind", ["skill", "inference"])
def test_each_pad_moves_the_message_that_it_hides(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the challenges fixed. So what is sent is uniform: taken in a suitable order (values, last row, rounds,
    product, witness), each message has a pad that those before it do not depend on."""
    case = CASES[kind]()
    programmed(monkeypatch, ORACLE)
    pads, before = case.relation().pads, sent(case)
    hidden = hidden_by(pads)
    assert len(hidden) == pads.size
    for pad in {0, pads.columns - 1, *range(pads.columns, pads.size, pads.size // 8), pads.exempt, pads.opening}:
        with monkeypatch.context() as during:
            shifted(during, pad, 5)
            after = sent(case)
        label, place = hidden[pad]
        assert after[label][place] != before[label][place], hidden[pad]
        if pads.exempt < pad < pads.opening:  # the masks' pads are added as they are, one by one
            added = int.from_bytes(after[label][place], "big") - int.from_bytes(before[label][place], "big")
            assert added % MODULUS == 5
            untouched = [k for k, v in enumerate(before[label]) if after[label][k] == v]
            assert len(untouched) == len(before[label]) - 1


def test_every_commitment_is_moved_by_its_blinding(case: Honest) -> None:
    """No commitment of one proof stands in another one of the same witness."""
    points = [{v for m in messages(case.statement, case.prove(seed)) if m.kind == "points" for v in m.values}
              for seed in (1, 2)]  # fmt: skip
    assert not points[0] & points[1]


# -- what an honest prover sends, with all challenges fixed ----------------------------------------------------------

RUNS = 12


def scalars_sent(case: Honest, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Every scalar of the proof, for different randomness and the same challenges."""
    programmed(monkeypatch, ORACLE)
    out = []
    for seed in range(RUNS):
        shown = messages(case.statement, case.prove(seed))
        out.append([int.from_bytes(v, "big") for m in shown if m.kind == "scalars" for v in m.values])
    return out


@pytest.mark.parametrize("kind", ["skill", "green share"])
def test_no_scalar_stays_the_same_and_all_look_uniform(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Witness and challenges are the same in all runs: what varies is the pads. Chi-square over sixteen ranges."""
    runs = scalars_sent(CASES[kind](), monkeypatch)
    assert all(len(set(values)) == RUNS for values in zip(*runs, strict=True))
    counts = Counter(v * 16 // MODULUS for run in runs for v in run)
    expected = sum(map(len, runs)) / 16
    assert sum((counts[k] - expected) ** 2 / expected for k in range(16)) < 44.3  # 15 degrees of freedom, p = 10^-4


def test_a_prover_that_leaves_its_pads_out_repeats_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: it sees pads that are zero."""
    fill = rows.Matrix.fill

    def bare(self: rows.Matrix, relation: Relation, witness: Witness) -> None:
        fill(self, relation, witness)
        self.put(PADS, Vector.zeros(relation.pads.size))

    monkeypatch.setattr(rows.Matrix, "fill", bare)
    runs = scalars_sent(CASES["green share"](), monkeypatch)
    assert any(len(set(values)) == 1 for values in zip(*runs, strict=True))


def test_a_broken_source_of_randomness_does_not_repeat_pads_for_another_witness(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two proofs with the same pads would give away the difference of their witnesses."""
    drawn: list[set[int]] = []
    fill = rows.Matrix.fill

    def watched(self: rows.Matrix, relation: Relation, witness: Witness) -> None:
        fill(self, relation, witness)
        drawn.append(set(self.pads().to_ints()))

    monkeypatch.setattr(rows.Matrix, "fill", watched)
    first: Any = CASES["inference"]()
    for case in (first, inference_case(1, 1, False)):
        case.proving(case.statement, random=lambda count: [1] * count, backend="")
    assert len(drawn) == 2 and not drawn[0] & drawn[1]
