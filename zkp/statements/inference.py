"""Statement 1, inference: committed forecasts are the output of the committed model on committed readings.

Public: who and when, the model's shape and weight commitments, for each forecast day the commitment to the meter's
week before it (the sum of seven signed days), the public features, and the commitment to the 24 forecast values.
Private: readings, forecasts, every intermediate value, and the personal head where there is one.

One proof may cover several days of a home; it costs less than one for each.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import count

import numpy as np
from eth_hash.auto import keccak

from zkp import argument, batch, lstm, weights
from zkp.argument import Relation, Supplied
from zkp.commitment import RING_DAYS, RING_SLOTS, window_slots
from zkp.curve import Point
from zkp.errors import InvalidProof, InvalidStatement, MalformedProof, WitnessError
from zkp.group import GroupEquation
from zkp.integer_model import FEATURE_LIMIT, ONE, Ints, Shape, Trace, Weights
from zkp.lstm import Grid, Inputs
from zkp.recording import Program, Recording, SuppliedPoint
from zkp.setup import ROW, Setup, load_setup
from zkp.statements.context import Context
from zkp.vector import RandomScalars, Vector, fresh_scalars
from zkp.weights import PersonalHead, Rows, WeightsCommitment

HEADER = b"WPI\x03"
"""First bytes of every inference proof: kind and format version."""


@dataclass(frozen=True)
class Statement:
    """What a proof of inference says. `days[b]` is forecast from `windows[b]`; context.day is the first of them."""

    context: Context
    weights: WeightsCommitment
    days: tuple[int, ...]
    windows: tuple[bytes, ...]
    steps: Ints  # [B, T, public] fixed point
    exogenous: Ints  # [B, E] fixed point
    forecasts: tuple[bytes, ...]
    personal: Rows | None = None

    def __post_init__(self) -> None:
        shape, count = self.shape, len(self.days)
        if count == 0 or len(self.windows) != count or len(self.forecasts) != count:
            raise InvalidStatement("a statement has one window and one forecast commitment for each of its days")
        if self.days[0] != self.context.day or len(set(self.days)) != count:
            raise InvalidStatement("the statement's days must differ, and begin with the day of its context")
        want = {"steps": (count, shape.steps, shape.public), "exogenous": (count, shape.exogenous)}
        for name, size in want.items():
            values = getattr(self, name)
            if values.shape != size or values.dtype != np.int64:
                raise InvalidStatement(f"{name} must be int64 {size}, not {values.dtype} {values.shape}")
            limit = FEATURE_LIMIT * ONE
            if (
                values.max(initial=0) > limit or values.min(initial=0) < -limit
            ):  # abs of the smallest int64 is negative
                raise InvalidStatement(f"{name} holds a public feature outside [-{FEATURE_LIMIT}, {FEATURE_LIMIT}]")

    @property
    def shape(self) -> Shape:
        return self.weights.shape

    def encode(self) -> bytes:
        """Every public value, in one canonical order; what the transcript absorbs."""
        features = self.steps.astype(">i8").tobytes() + self.exogenous.astype(">i8").tobytes()
        personal = b"" if self.personal is None else b"".join(self.personal)
        days = b"".join(d.to_bytes(4, "big") for d in self.days)
        parts = [self.context.encode(), self.weights.digest(), days, b"".join(self.windows), keccak(features)]
        parts += [b"".join(self.forecasts), personal]
        return b"".join(len(p).to_bytes(4, "big") + p for p in parts)


@dataclass(frozen=True, repr=False)
class Secrets:
    """What opens the statement's commitments: blindings by day, and the personal head."""

    windows: tuple[int, ...]
    forecasts: tuple[int, ...]
    personal: PersonalHead | None = None


@lru_cache(maxsize=8)
def _weight_points(commitment: WeightsCommitment, backend: str) -> tuple[tuple[Point | None, ...], ...]:
    """Decoded rows of the community's weights: the same for every proof of a round."""
    setup, grid = load_setup(backend), Grid(commitment.shape, 1)
    blocks = [(rows, grid.layer_block(k)) for k, rows in enumerate(commitment.layers)]
    blocks.append((commitment.head, grid.head_block))
    return tuple(weights.decode_rows(setup, rows, size // ROW) for rows, size in blocks)


def _supplied(statement: Statement, setup: Setup, grid: Grid) -> tuple[Supplied, ...]:
    *layers, head = _weight_points(statement.weights, setup.curve.name)
    out = [Supplied(f"weights {k}", grid.layer_block(k), grid.layer_block(k), rows) for k, rows in enumerate(layers)]
    out.append(Supplied("head", grid.head_block, grid.head_block, head))
    if statement.personal is not None:
        rows = weights.decode_rows(setup, statement.personal, grid.head_block // ROW)
        out.append(Supplied("personal head", grid.head_block, grid.head_block, rows))
    for b, (window, forecast) in enumerate(zip(statement.windows, statement.forecasts, strict=True)):
        out.append(Supplied(f"window {b}", ROW, RING_SLOTS, (setup.curve.decode(window),)))
        out.append(Supplied(f"forecast {b}", ROW, ROW, (setup.curve.decode(forecast),)))
    return tuple(out)


def _relation(statement: Statement, setup: Setup) -> Relation:
    grid = Grid(statement.shape, len(statement.days))
    inputs = Inputs(Vector.from_array(statement.steps), Vector.from_array(statement.exogenous))
    supplied = _supplied(statement, setup, grid)
    return _relation_of(grid, statement.days, statement.encode(), supplied, inputs)


def _relation_of(
    grid: Grid, days: tuple[int, ...], encoded: bytes, supplied: tuple[Supplied, ...], inputs: Inputs
) -> Relation:
    heads = [s.name for s in supplied if s.name in ("head", "personal head")]
    return Relation(
        protocol="inference",
        statement=encoded,
        grid_bits=grid.bits,
        columns=lstm.columns(grid),
        supplied=supplied,
        gates=lstm.gates(grid),
        table=lstm.table(),
        groups=lstm.lookup_groups(grid),
        products=lambda draw: lstm.products(grid, inputs, heads, draw),
        products_count=grid.shape.layers + 1,
        product_bits=grid.product_bits,
        links=lambda draw: lstm.links(grid, days, draw),
    )


def prove(
    statement: Statement,
    trace: Trace,
    model: Weights,
    secrets: Secrets,
    *,
    backend: str = "",
    random: RandomScalars = fresh_scalars,
) -> bytes:
    """Prove that the forecasts of `trace` are the model's on the committed windows.

    `trace` and `model` come from `forecasting.integer`; `model` is the community's, without the personal head.
    Raises WitnessError where the trace does not satisfy the statement (without saying a value).
    """
    setup = load_setup(backend)
    grid = Grid(statement.shape, len(statement.days))
    head = model.head if secrets.personal is None else model.head + secrets.personal.values
    if trace.history.shape[0] != grid.windows:
        raise WitnessError("the trace and the statement speak of different numbers of days")
    witness = argument.Witness(
        columns=lstm.column_values(grid, trace),
        supplied=_supplied_values(statement, trace, model, secrets, grid),
        products=lambda draw: lstm.product_vectors(grid, trace, model, head, draw),
    )
    return HEADER + argument.prove(_relation(statement, setup), witness, setup, random)


def _supplied_values(
    statement: Statement, trace: Trace, model: Weights, secrets: Secrets, grid: Grid
) -> dict[str, Sequence[tuple[Vector, int] | None]]:
    out: dict[str, Sequence[tuple[Vector, int] | None]] = {}
    for k, layer in enumerate(model.layers):
        out[f"weights {k}"] = [(row, 0) for row in weights.matrix_rows(weights.layer_cells(grid, k, layer))]
    out["head"] = [(row, 0) for row in weights.matrix_rows(weights.head_cells(grid, model.head))]
    if secrets.personal is not None:
        rows = weights.matrix_rows(weights.head_cells(grid, secrets.personal.values))
        out["personal head"] = list(zip(rows, secrets.personal.blindings, strict=True))
    for b, day in enumerate(statement.days):
        ring = np.zeros(RING_SLOTS, dtype=np.int64)
        ring[window_slots(day)] = trace.history[b]
        out[f"window {b}"] = [(Vector.from_array(ring), secrets.windows[b])]
        out[f"forecast {b}"] = [(Vector.from_array(trace.forecast[b]), secrets.forecasts[b])]
    return out


def _check(statement: Statement, proof: bytes, setup: Setup) -> tuple[GroupEquation, int]:
    return argument.verify(_relation(statement, setup), _body(proof), setup)


def _body(proof: bytes) -> bytes:
    if proof[: len(HEADER)] != HEADER:
        raise MalformedProof("these bytes do not begin like an inference proof of a known version")
    return proof[len(HEADER) :]


def verify(statement: Statement, proof: bytes, *, backend: str = "") -> None:
    """Accept by returning. Raises MalformedProof, InvalidProof or InvalidStatement."""
    setup = load_setup(backend)
    if not argument.settle([_check(statement, proof, setup)], setup):
        raise InvalidProof("the commitments do not open to the values of the proof")


Pair = tuple[Statement, bytes]


def verify_batch(pairs: Sequence[Pair], *, backend: str = "", pool: Executor | None = None) -> dict[int, str]:
    """Verify many proofs with one pairing check; returns the bad ones, by position, with the reason.

    Proofs of one shape are checked side by side by a recorded verifier (`zkp.batch`). `pool`: processes that check
    shares of the batch, one share for each core; threads would help little: the curves hold the interpreter's lock.
    """
    setup, cores = load_setup(backend), os.cpu_count() or 1
    count = 1 if pool is None else max(1, min(cores, len(pairs)))
    places = [range(k, len(pairs), count) for k in range(count)]
    jobs = [[pairs[k] for k in share] for share in places]
    share_of = partial(_check_share, backend=setup.curve.name, spare_core=count < cores)
    shares = list((pool.map if pool else map)(share_of, jobs))
    bad = {share[k]: why for share, (found, _) in zip(places, shares, strict=True) for k, why in found.items()}
    sums = [_restored(checked, setup) for _, checked in shares if checked is not None]
    if sums and not argument.settle(sums, setup):
        bad |= {k: why for k in range(len(pairs)) if k not in bad and (why := _refusal(pairs[k], backend))}
    return bad


def _refusal(pair: Pair, backend: str) -> str:
    """Why a proof does not hold; empty if it does."""
    try:
        verify(*pair, backend=backend)
    except (MalformedProof, InvalidProof, InvalidStatement) as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class _CheckedShare:
    """What a share's equations add up to: both sides in compressed form, and the weight that stands for them."""

    left: bytes
    right: bytes
    weight: int


@dataclass(frozen=True)
class _Form:
    """What a verifier of the statement does follows from this alone."""

    grid: Grid
    days: tuple[int, ...]  # days modulo the ring's
    statement_bytes: int
    publics: int
    supplied: tuple[tuple[str, int, int, tuple[bool, ...]], ...]  # name, size, used, which rows there are


@lru_cache(maxsize=64)
def _program(form: _Form) -> Program:
    """The verifier of such statements, recorded."""
    recording = Recording("inference", form.statement_bytes, form.publics)
    numbers = count()
    supplied = tuple(
        Supplied(name, size, used, tuple(SuppliedPoint(next(numbers)) if there else None for there in rows))
        for name, size, used, rows in form.supplied
    )
    steps = form.grid.steps * form.grid.shape.public
    inputs = Inputs(recording.publics[:steps], recording.publics[steps:])
    return recording.program(_relation_of(form.grid, form.days, b"", supplied, inputs))


def _lane(statement: Statement, proof: bytes, setup: Setup) -> tuple[_Form, batch.Lane]:
    """Raises MalformedProof, InvalidStatement."""
    grid = Grid(statement.shape, len(statement.days))
    supplied = _supplied(statement, setup, grid)
    lane = batch.Lane(
        statement.encode(),
        _body(proof),
        np.concatenate([statement.steps.ravel(), statement.exogenous.ravel()]),
        tuple(point for s in supplied for point in s.commitments if point is not None),
    )
    shapes = tuple((s.name, s.size, s.used, tuple(p is not None for p in s.commitments)) for s in supplied)
    days = tuple(day % RING_DAYS for day in statement.days)
    return _Form(grid, days, len(lane.statement), len(lane.publics), shapes), lane


def _check_together(
    pairs: Sequence[Pair], setup: Setup, spare_core: bool
) -> tuple[list[tuple[GroupEquation, int]], Sequence[int]]:
    """Left-over equations of what passes, and positions of what must be looked at alone."""
    lanes: dict[_Form, dict[int, batch.Lane]] = {}
    alone = []
    for k, pair in enumerate(pairs):
        try:
            form, lane = _lane(*pair, setup)
        except (MalformedProof, InvalidStatement):
            alone.append(k)
        else:
            lanes.setdefault(form, {})[k] = lane
    results = []
    for form, members in lanes.items():
        checked = batch.check(_program(form), list(members.values()), setup, spare_core=spare_core)
        alone += [k for i, k in enumerate(members) if i in checked.aside]
        results += [checked.result] if checked.result else []
    return results, alone


def _check_share(
    pairs: Sequence[Pair], backend: str, spare_core: bool
) -> tuple[dict[int, str], _CheckedShare | None]:
    """Everything but the pairing; the bad ones by position in the share."""
    setup = load_setup(backend)
    bad: dict[int, str] = {}
    results, alone = _check_together(pairs, setup, spare_core)
    for k in alone:
        try:
            results.append(_check(*pairs[k], setup))
        except (MalformedProof, InvalidProof, InvalidStatement) as error:
            bad[k] = str(error)
    if not results:
        return bad, None
    equation, weight = argument.fold(results)
    left, right = (setup.curve.encode(side.evaluate(setup)) for side in (equation.left, equation.right))
    return bad, _CheckedShare(left, right, weight)


def _restored(share: _CheckedShare, setup: Setup) -> tuple[GroupEquation, int]:
    equation = GroupEquation()
    equation.left.add_point(setup.curve.decode_trusted(share.left), 1)  # from this program's own worker
    equation.right.add_point(setup.curve.decode_trusted(share.right), 1)
    return equation, share.weight
