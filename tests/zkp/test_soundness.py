"""The soundness error: every challenge has its term, and docs/protocol.md says what the code computes."""

from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from tests.zkp.cases import CASES, Honest, inference_case, skill_case
from tests.zkp.conftest import context
from zkp.algebra.srs import ROW, load_setup
from zkp.argument.relation import Relation
from zkp.argument.transcript import Transcript
from zkp.lstm import constraints
from zkp.lstm.grid import Grid
from zkp.lstm.integer_model import Shape
from zkp.lstm.weights import WeightsCommitment, row_count
from zkp.soundness import bits, terms
from zkp.statements import inference
from zkp.view import wire_format
from zkp.zero_knowledge import revealed_values

PROTOCOL = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")

TERM_OF = {
    "lookup/alpha and beta": "lookups, ",
    "gates/chi": "gates, chi",
    "gates/weights": "gates, weights",
    "gates/point": "gates, rounds",
    "gates/columns": "gates, columns",
    "product/draw": "product, draws",
    "product/point": "product, rounds",
    "constraints": "constraints, draws",
    "cells/theta": "cells, theta",
    "opening/point": "opening, point",
    "batch": "batch",
    "weight": "batch",
}


def relation_of(shape: Shape) -> Relation:
    """An inference over that shape; what it is committed to does not matter here."""
    grid, point = Grid(shape, 1), skill_case().statement.actual
    layers = tuple((point,) * row_count(grid.layer_cells(k)) for k in range(shape.layers))
    weights = WeightsCommitment(shape, layers, (point,) * row_count(grid.head_cells))
    steps = np.zeros((1, shape.steps, shape.public), dtype=np.int64)
    exogenous = np.zeros((1, shape.exogenous), dtype=np.int64)
    statement = inference.Statement(context(), weights, (100,), (point,), steps, exogenous, (point,))
    return inference.relation(statement, load_setup())


@pytest.fixture(scope="module", params=list(CASES))
def case(request: pytest.FixtureRequest) -> Honest:
    return CASES[request.param]()


def test_every_challenge_has_a_term(case: Honest, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: set[str] = set()
    challenge = Transcript.challenge

    def recorded(self: Transcript, label: str) -> int:
        drawn.add(label)
        return challenge(self, label)

    monkeypatch.setattr(Transcript, "challenge", recorded)
    case.verify(case.proof)
    known = [t.where for t in terms(case.relation())]
    for label in drawn:
        assert any(where.startswith(TERM_OF[label]) for where in known), label


def test_every_case_is_far_beyond_the_groups_security(case: Honest) -> None:
    assert bits(case.relation()) > 220
    assert all(t.count > 0 and t.why for t in terms(case.relation()))


@pytest.mark.parametrize("shape", [Shape(168, 8, 32, 1, 33), Shape(24, 8, 64, 2, 100), Shape(168, 64, 256, 4, 1024)])
def test_no_shape_goes_below_two_hundred_bits(shape: Shape) -> None:
    """The last one is the largest there may be."""
    assert bits(relation_of(shape)) > 200


@pytest.mark.parametrize("windows", [1, 7])
def test_there_are_fewer_equations_than_the_term_counts(windows: int) -> None:
    """The highest power of a challenge among the constraints' weights."""
    relation = inference_case(1, windows).relation()
    highest = max(constraints._PER_WINDOW, ROW, inference_case(1, windows).relation().grid) * windows
    assert highest <= 2 * relation.layout.rows * relation.layout.length


def test_more_days_cost_little() -> None:
    assert bits(inference_case().relation()) - bits(inference_case(1, 2).relation()) < 2


DOCUMENTED = Shape(steps=24, features=8, hidden=32, layers=1, exogenous=33)


def test_the_document_has_the_terms_that_are_computed() -> None:
    relation = relation_of(DOCUMENTED)
    for term in terms(relation):
        assert f"| {term.where} | {term.why} | {term.count:,} | {term.bits:.1f} |" in PROTOCOL
    assert f"**{bits(relation):.1f} bits**" in PROTOCOL


def test_the_document_has_the_counts_that_are_revealed() -> None:
    relation = relation_of(DOCUMENTED)
    for kind, (revealed, random) in revealed_values(relation).items():
        assert f"| {kind} | {revealed} | {random} |" in PROTOCOL


def test_the_document_has_the_size_of_a_proof() -> None:
    slots = wire_format(relation_of(DOCUMENTED))
    points, scalars = (sum(s.count for s in slots if s.kind == kind) for kind in ("points", "scalars"))
    assert f"{points} points and {scalars} scalars, {4 + sum(s.size for s in slots):,} bytes" in PROTOCOL


def test_the_document_has_every_message_of_a_proof_and_no_other() -> None:
    """Row by row of the table: step, label, kind, how many values, how often in a row."""
    slots = [(s.label, s.kind, s.count) for s in wire_format(relation_of(DOCUMENTED))]
    sent = [(*slot, len(list(run))) for slot, run in groupby(slots)]
    steps = {"rows/first": 1, "rows/helpers": 2, "gates": 3, "product": 4, "opening": 6}
    rows = [
        f"| {steps.get(label, steps.get(label.split('/')[0]))} | {label} | {kind} | {count} | {times} |"
        for label, kind, count, times in sent
    ]
    table = PROTOCOL.split("| step | message | kind | count | times |\n|---|---|---|---|---|\n")[1].split("\n\n")[0]
    assert table.split("\n") == rows
