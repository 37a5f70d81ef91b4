"""The recorded verifiers of the statements: one program for each shape that a statement may have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import count

import numpy as np

from zkp.algebra.commitment import DAY_HOURS, RING_DAYS
from zkp.algebra.srs import Setup
from zkp.batch.lanes import Lane
from zkp.batch.recording import Program, Recording, SuppliedPoint
from zkp.lstm.grid import Grid
from zkp.lstm.products import Inputs
from zkp.statements import green_share, inference, skill
from zkp.statements.inference import Statement


@dataclass(frozen=True)
class Form:
    """What a verifier of the statement does follows from this alone."""

    grid: Grid
    statement_bytes: int
    rows: tuple[tuple[bool, ...], ...]  # which rows of each input there are


@lru_cache(maxsize=64)
def inference_program(form: Form) -> Program:
    """The verifier of such statements, recorded. Its numbers are the public features and each day's rotation."""
    grid, numbers = form.grid, count()
    steps, exogenous = grid.steps * grid.shape.public, grid.windows * grid.shape.exogenous
    recording = Recording("inference", form.statement_bytes, steps + exogenous + RING_DAYS * grid.windows)
    publics = recording.publics
    days = publics[steps + exogenous :].to_ints()
    points = [tuple(SuppliedPoint(next(numbers)) if there else None for there in rows) for rows in form.rows]
    rotation = [days[k * RING_DAYS : (k + 1) * RING_DAYS] for k in range(grid.windows)]
    features = Inputs(publics[:steps], publics[steps : steps + exogenous])
    return recording.program(inference.relation_of(grid, rotation, b"", points, features))


def lane_of(statement: Statement, proof: bytes, setup: Setup) -> tuple[Form, Lane]:
    """Raises MalformedProof, InvalidStatement."""
    points = inference.input_points(statement, setup)
    days = np.array(inference.rotations(statement), dtype=np.int64)
    lane = Lane(
        statement.encode(),
        inference.body(proof),
        np.concatenate([statement.steps.ravel(), statement.exogenous.ravel(), days.ravel()]),
        tuple(point for rows in points for point in rows if point is not None),
    )
    rows = tuple(tuple(point is not None for point in block) for block in points)
    return Form(inference.grid_of(statement), len(lane.statement), rows), lane


@cache
def skill_program() -> Program:
    """The verifier of every skill statement, recorded: its numbers are those of `Publics`, its points forecast,
    actual and the sum of the benchmarks' days."""
    recording = Recording("skill", skill.STATEMENT_BYTES, 1 + RING_DAYS)
    buckets, *rotation = recording.publics.to_ints()
    points = SuppliedPoint(0), SuppliedPoint(1), SuppliedPoint(2)
    return recording.program(skill.relation_of(b"", points, skill.Publics(buckets, tuple(rotation))))


@cache
def green_program() -> Program:
    """The verifier of every statement of a green share, recorded: its numbers are those of `Publics`."""
    recording = Recording("green share", green_share.STATEMENT_BYTES, 1 + DAY_HOURS + RING_DAYS)
    tier, *numbers = recording.publics.to_ints()
    publics = green_share.Publics(tier, tuple(numbers[:DAY_HOURS]), tuple(numbers[DAY_HOURS:]))
    return recording.program(green_share.relation_of(b"", SuppliedPoint(0), publics))
