"""A verifier recorded once and run over lanes finds what the verifier finds that looks at one proof."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zkp.cases import inference_case, skill_days, skill_secrets
from tests.zkp.conftest import FIRST_DAY, context
from tests.zkp.lstm.test_shapes import SHAPES, prove
from zkp.algebra.commitment import RING_DAYS, commit_day, commit_forecast
from zkp.algebra.field import MODULUS, inverse, powers
from zkp.algebra.group import Combination
from zkp.algebra.kernels import limbs
from zkp.algebra.srs import Setup
from zkp.algebra.vector import Vector
from zkp.argument import protocol
from zkp.argument.tables import SubTable, Table
from zkp.batch import kernels as batch_kernels
from zkp.batch import lanes as batch
from zkp.batch.programs import inference_program, lane_of, skill_program
from zkp.batch.recording import Recording, Symbol
from zkp.lstm.integer_model import Shape
from zkp.statements import inference, skill

pytestmark = pytest.mark.slow

scalars = st.one_of(
    st.sampled_from([0, 1, 2, MODULUS - 1, MODULUS - 2, 1 << 64, 1 << 192]), st.integers(0, MODULUS - 1)
)
SIZES = {**SHAPES, "one hidden unit": (Shape(24, 2, 1, 1, 0), 1, False)}


@pytest.mark.parametrize("name", list(SIZES))
def test_a_program_leaves_the_equation_that_the_verifier_leaves(name: str, setup: Setup) -> None:
    """Scalar by scalar: the first lane's factor is one."""
    statement, proof, _ = prove(*SIZES[name])
    form, lane = lane_of(statement, proof, setup)
    checked = batch.check(inference_program(form), [lane], setup)
    expected, _ = inference.check(statement, proof, setup)
    assert checked.result is not None and not checked.aside
    for got, known in ((checked.result[0].left, expected.left), (checked.result[0].right, expected.right)):
        assert multiples(got, setup) == multiples(known, setup)


@pytest.mark.parametrize("rotation", range(RING_DAYS))
def test_one_program_serves_skill_statements_of_every_day_and_number_of_buckets(rotation: int, setup: Setup) -> None:
    secrets, day = skill_secrets(), FIRST_DAY + rotation
    for buckets in {0, 1 + rotation, skill.most_buckets(secrets)}:
        statement = skill.Statement(
            context(day),
            commit_forecast(secrets.forecast, secrets.forecast_blinding),
            commit_day(day, secrets.actual, secrets.actual_blinding),
            skill_days(secrets, day),
            buckets,
        )
        proof = skill.prove(statement, secrets)
        curve = setup.curve
        past = reduce(curve.add, map(curve.decode, statement.benchmarks))
        points = curve.decode(statement.forecast), curve.decode(statement.actual), past
        numbers = np.array(skill.Publics.of(statement).numbers)
        lane = batch.Lane(statement.encode(), proof[len(skill.HEADER) :], numbers, points)
        checked = batch.check(skill_program(), [lane], setup)
        expected, _ = skill.check(statement, proof, setup)
        assert checked.result is not None and not checked.aside
        for got, known in ((checked.result[0].left, expected.left), (checked.result[0].right, expected.right)):
            assert multiples(got, setup) == multiples(known, setup)


def multiples(combination: Combination, setup: Setup) -> dict[Any, int]:
    """The scalar of each point."""
    out: dict[Any, int] = {("power", k): s for k, s in enumerate(combination.powers)}
    out["blinder"] = combination.blinder
    for point, scalar in zip(combination.points, combination.scalars, strict=True):
        name = setup.curve.encode(point)
        out[name] = (out.get(name, 0) + scalar) % MODULUS
    return out


def test_lanes_are_weighted_and_added(setup: Setup) -> None:
    case = inference_case()
    pairs = [lane_of(case.statement, case.prove(seed), setup) for seed in range(3)]
    program = inference_program(pairs[0][0])
    checked = batch.check(program, [lane for _, lane in pairs], setup)
    assert checked.result is not None and checked.result[0].holds(setup)
    alone = [batch.check(program, [lane], setup).result for _, lane in pairs]
    together, weight = protocol.fold([r for r in alone if r is not None])
    assert weight != checked.result[1]  # a lone equation carries the weight of a batch of its own
    assert together.holds(setup)


def test_a_lane_of_other_sizes_is_put_aside(setup: Setup) -> None:
    case = inference_case()
    form, lane = lane_of(case.statement, case.proof, setup)
    short = batch.Lane(lane.statement, lane.proof[:-1], lane.publics, lane.supplied)
    program = inference_program(form)
    checked = batch.check(program, [short, lane], setup)
    assert checked.aside == {0} and checked.result is not None
    assert batch.check(program, [short], setup) == batch.Checked(None, frozenset({0}))
    assert batch.check(program, [], setup) == batch.Checked(None, frozenset())


@pytest.mark.parametrize(
    "look",
    [
        bool,
        int,
        hash,
        lambda s: s == 0,
        lambda s: s != 0,
        lambda s: s < 1,
        lambda s: s % 2,
        lambda s: pow(s, 3, MODULUS),
    ],
)
def test_a_symbol_has_no_value(look: Any) -> None:
    symbol = Recording("test", 0, 1).publics.to_ints()[0]
    assert isinstance(symbol, Symbol)
    with pytest.raises(TypeError):
        look(symbol)


def test_the_same_operation_is_recorded_once() -> None:
    recording = Recording("test", 0, 2)
    a, b = recording.publics.to_ints()
    first, second = a * b + 1, 1 + b * a
    assert first.register == second.register  # type: ignore[attr-defined]


# -- kernels ---------------------------------------------------------------------------------------------------------


def lanes_of(values: Sequence[Sequence[int]]) -> Any:
    """[registers, lanes, 4] from integers."""
    return np.stack([Vector.from_ints(row).data for row in values])


@given(st.lists(st.tuples(scalars, scalars), min_size=1, max_size=5))
def test_operations_are_those_of_the_field(pairs: list[tuple[int, int]]) -> None:
    left, right = zip(*pairs, strict=True)
    registers = np.concatenate([lanes_of([left, right]), np.zeros((4, len(pairs), 4), dtype=np.uint64)])
    operations = (batch_kernels.ADD, batch_kernels.SUBTRACT, batch_kernels.MULTIPLY, batch_kernels.INVERT)
    failed = np.zeros(len(pairs), dtype=np.uint8)
    batch_kernels.run(np.array([(op, 0, 1, 2 + k) for k, op in enumerate(operations)]), registers, failed)
    got = [Vector(row).to_ints() for row in registers[2:]]
    assert got[:3] == [[f(a, b) % MODULUS for a, b in pairs] for f in (int.__add__, int.__sub__, int.__mul__)]
    assert got[3] == [inverse(a) if a else 0 for a in left]
    assert failed.tolist() == [a == 0 for a in left]


@given(st.lists(st.one_of(scalars, st.sampled_from([MODULUS, MODULUS + 1, (1 << 256) - 1])), min_size=1, max_size=4))
def test_scalars_are_read_strictly(values: list[int]) -> None:
    data = np.stack([np.frombuffer(b"\x07" + v.to_bytes(32, "big"), dtype=np.uint8) for v in values])
    out, failed = np.zeros((1, len(values), 4), dtype=np.uint64), np.zeros(len(values), dtype=np.uint8)
    batch_kernels.read_scalars(data, np.array([1]), out, failed)
    assert failed.tolist() == [v >= MODULUS for v in values]
    read = Vector(out[0]).to_ints()
    assert all(r == v for r, v in zip(read, values, strict=True) if v < MODULUS)


@given(st.lists(st.tuples(scalars, scalars, scalars), min_size=1, max_size=3))
def test_a_tables_sum_is_that_of_each_lane(challenges: list[tuple[int, int, int]]) -> None:
    table = Table((SubTable(-1, 3, (np.array([-4, 0, 2]),)), SubTable(0, 2)))
    kinds, pattern = table.steps
    starts, steps = [], []
    for alpha, beta, _ in challenges:
        scales = powers(beta, len(table.fields))
        starts.append(Vector.from_ints([alpha - table.entry(0, scales)]).data[0])
        steps.append(Vector.from_ints(scales).combine(kinds).data)
    points = np.stack([Vector.from_ints([x]).data[0] for _, _, x in challenges])
    top, bottom = (np.zeros((len(challenges), 4), dtype=np.uint64) for _ in range(2))
    batch_kernels.sum_table(np.stack(starts), np.stack(steps), pattern, points, top, bottom)
    for k, (alpha, beta, x) in enumerate(challenges):
        denominators = table.denominators(alpha, beta)
        below = Vector(bottom[k : k + 1]).total()
        if 0 in denominators.to_ints():
            assert below == 0
        else:
            expected = denominators.fraction_sum(x)
            assert Vector(top[k : k + 1]).total() * inverse(below) % MODULUS == expected


def test_limbs_put_together_are_the_number() -> None:
    assert sum(v << 64 * k for k, v in enumerate(limbs(MODULUS))) == MODULUS
