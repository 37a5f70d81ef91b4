"""Zero knowledge: proofs can be made without a witness by who programs the challenges, and with them fixed, nothing
that an honest prover sends stays the same.
"""

from collections import Counter

import pytest

from tests.zkp.cases import CASES, Honest, inference_case, read_by
from tests.zkp.conftest import seeded
from tests.zkp.simulator import Oracle, false_statement, programmed, simulate
from zkp.algebra.field import MODULUS, eq_index
from zkp.algebra.srs import Setup
from zkp.argument import relation as argument
from zkp.argument import sumcheck
from zkp.argument.masks import CommittedMasks
from zkp.argument.relation import revealed_values
from zkp.argument.sumcheck import Mask, MaskShape
from zkp.errors import InvalidProof
from zkp.view import messages, wire_format

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


def test_every_column_is_hidden_by_a_cell_that_no_gate_reads(case: Honest) -> None:
    """Its weight in the revealed value is not zero; gates whose selector reaches it do not read the column."""
    relation = case.relation()
    point = [ORACLE.answer("gates/point", k) for k in range(relation.grid_bits)]
    assert {c.name for c in relation.gate_columns} >= {g.helper for g in relation.groups}
    for name, cell, bits in ((c.name, c.used, c.bits) for c in relation.gate_columns):
        assert cell < 1 << bits <= 1 << relation.grid_bits and eq_index(cell, point)
        for gate in (*relation.gates, *relation.groups):
            assert cell not in gate.selector.rows() or name not in read_by(gate), name


def test_a_mask_has_a_coefficient_for_every_message_it_hides(case: Honest) -> None:
    """That the map between the two is one to one stands in tests/zkp/test_sumcheck.py."""
    relation = case.relation()
    shapes = relation.mask_shapes(relation.layout())
    rounds = Counter[str]()
    for slot in wire_format(relation):
        label, _, kind = slot.label.partition("/")
        if kind in ("mask total", "round"):
            rounds[label] += slot.count
    assert list(rounds.values()) == [s.size for s in shapes]
    assert revealed_values(relation)["sumcheck messages"] == (sum(rounds.values()), sum(s.size for s in shapes))


def test_the_three_random_slots_of_a_product_hide_its_three_values(case: Honest) -> None:
    """total, left and right each have a slot of their own; the other two leave it alone or are fixed by it."""
    relation = case.relation()
    source = seeded(3)
    products = relation.products(lambda: source(1)[0]) if relation.products_count else []
    for k, product in enumerate(products):
        point = seeded(4)(product.bits)
        padded = product.padded(k)
        added = [padded.total, padded.left(point), padded.right(point)]
        slots = [{t.form.cell: t.coefficient for t in form.terms if t.block == argument.PADS} for form in added]
        first, second, third = (3 * k + i for i in range(3))
        assert set(slots[0]) == {first} and set(slots[1]) == {first, second} and set(slots[2]) == {third}
        assert slots[0][first] and slots[1][second] and slots[2][third]


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
    """Witness and challenges are the same in all runs: what varies is the masks. Chi-square over sixteen ranges."""
    runs = scalars_sent(CASES[kind](), monkeypatch)
    assert all(len(set(values)) == RUNS for values in zip(*runs, strict=True))
    counts = Counter(v * 16 // MODULUS for run in runs for v in run)
    expected = sum(map(len, runs)) / 16
    assert sum((counts[k] - expected) ** 2 / expected for k in range(16)) < 44.3  # 15 degrees of freedom, p = 10^-4


def test_a_prover_that_leaves_its_masks_out_repeats_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: it sees masks that are zero."""

    def zero(self: CommittedMasks, index: int) -> Mask:
        shape: MaskShape = self.shapes[index]
        return sumcheck.Mask(shape, [0] * shape.size)

    monkeypatch.setattr(CommittedMasks, "mask", zero)
    runs = scalars_sent(CASES["green share"](), monkeypatch)
    assert any(len(set(values)) == 1 for values in zip(*runs, strict=True))
