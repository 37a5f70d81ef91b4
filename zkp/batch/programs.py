"""The recorded verifiers of the statements: one program for each shape that a statement may have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import count

import numpy as np

from zkp.algebra.commitment import RING_DAYS
from zkp.algebra.srs import Setup
from zkp.argument.relation import Supplied
from zkp.batch.lanes import Lane
from zkp.batch.recording import Program, Recording, SuppliedPoint
from zkp.lstm.grid import Grid, Inputs
from zkp.statements import inference, skill
from zkp.statements.inference import Statement


@dataclass(frozen=True)
class Form:
    """What a verifier of the statement does follows from this alone."""

    grid: Grid
    days: tuple[int, ...]  # days modulo the ring's
    statement_bytes: int
    publics: int
    supplied: tuple[tuple[str, int, int, tuple[bool, ...]], ...]  # name, size, used, which rows there are


@lru_cache(maxsize=64)
def inference_program(form: Form) -> Program:
    """The verifier of such statements, recorded."""
    recording = Recording("inference", form.statement_bytes, form.publics)
    numbers = count()
    supplied = tuple(
        Supplied(name, size, used, tuple(SuppliedPoint(next(numbers)) if there else None for there in rows))
        for name, size, used, rows in form.supplied
    )
    steps = form.grid.steps * form.grid.shape.public
    inputs = Inputs(recording.publics[:steps], recording.publics[steps:])
    return recording.program(inference.relation_of(form.grid, form.days, b"", supplied, inputs))


def lane_of(statement: Statement, proof: bytes, setup: Setup) -> tuple[Form, Lane]:
    """Raises MalformedProof, InvalidStatement."""
    grid = Grid(statement.shape, len(statement.days))
    supplied = inference.committed_inputs(statement, setup, grid)
    lane = Lane(
        statement.encode(),
        inference.body(proof),
        np.concatenate([statement.steps.ravel(), statement.exogenous.ravel()]),
        tuple(point for s in supplied for point in s.commitments if point is not None),
    )
    shapes = tuple((s.name, s.size, s.used, tuple(p is not None for p in s.commitments)) for s in supplied)
    days = tuple(day % RING_DAYS for day in statement.days)
    return Form(grid, days, len(lane.statement), len(lane.publics), shapes), lane


@cache
def skill_program() -> Program:
    """The verifier of every skill statement, recorded: its numbers are those of `Publics`, its points forecast,
    actual and naive."""
    recording = Recording("skill", skill.STATEMENT_BYTES, 1 + RING_DAYS)
    share, *rotation = recording.publics.to_ints()
    points = SuppliedPoint(0), SuppliedPoint(1), SuppliedPoint(2)
    return recording.program(skill.relation_of(b"", points, skill.Publics(share, tuple(rotation))))
