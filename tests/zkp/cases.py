"""One honest case of each statement that has a proof, under one interface, for tests that hold for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from tests.zkp.conftest import FIRST_DAY, context, honest, seeded
from zkp.algebra.commitment import DAY_HOURS, commit_day, commit_forecast
from zkp.algebra.curve import IDENTITY
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import load_setup
from zkp.argument.relation import Gate, Relation
from zkp.argument.tables import Challenges, LookupGroup
from zkp.lstm.weights import Rows
from zkp.statements import allotted_energy, green_share, inference, shared_energy, skill
from zkp.view import Message, messages

DAY = FIRST_DAY


@dataclass(frozen=True, repr=False, eq=False)
class Honest:
    """A true statement and how it is proven; `others` has, for each public value, the same statement without it."""

    module: Any
    statement: Any
    proving: Callable[..., bytes]  # (statement, *, random, backend)
    others: dict[str, Any]

    def prove(self, seed: int = 1, backend: str = "") -> bytes:
        return self.proving(self.statement, random=seeded(seed), backend=backend)

    @property
    def proof(self) -> bytes:
        return _proof(self)

    @property
    def messages(self) -> list[Message]:
        return messages(self.statement, self.proof)

    def verify(self, proof: bytes, statement: Any = None, backend: str = "") -> None:
        self.module.verify(statement or self.statement, proof, backend=backend)

    def relation(self) -> Relation:
        made: Relation = self.module.relation(self.statement, load_setup())
        return made


@cache
def _proof(case: Honest) -> bytes:
    return case.prove()


def public_values(statement: Any, prefix: str = "") -> set[str]:
    """Names of all public values, those of nested parts with a dot: what a loop over a statement must reach."""
    names: set[str] = set()
    for field in fields(statement):
        value = getattr(statement, field.name)
        if is_dataclass(value):
            names |= public_values(value, f"{prefix}{field.name}.")
        else:
            names.add(prefix + field.name)
    return names


def _other_contexts(statement: Any, **with_the_day: Any) -> dict[str, Any]:
    """`with_the_day`: what else of the statement must change for another day to make sense."""
    who = statement.context
    changed = {"community": b"d" * 32, "household": b"i" * 20, "round": who.round + 1}
    out = {f"context.{k}": replace(statement, context=replace(who, **{k: v})) for k, v in changed.items()}
    a_week_on = replace(who, day=who.day + 7)  # the same slots of the ring
    return {**out, "context.day": replace(statement, context=a_week_on, **with_the_day)}


def read_by(gate: Gate | LookupGroup) -> set[str]:
    """Columns that a gate or a group of lookups reads."""
    read: set[str] = set()

    class Recorder(dict[str, int]):
        def __missing__(self, name: str) -> int:
            read.add(name)
            return 1

    if isinstance(gate, Gate):
        gate.value(Recorder())
    else:
        gate.gate(Recorder(), Challenges(3, 5, (7,) * 9))
    return read


# -- skill -----------------------------------------------------------------------------------------------------------


@cache
def skill_secrets() -> skill.Secrets:
    """Forecasts a third as wrong as the benchmarks, on both sides."""
    rng = np.random.default_rng(4)
    actual = rng.integers(1000, 3000, DAY_HOURS)
    typical = actual + rng.integers(-150, 151, DAY_HOURS)
    # one side of each hour is likelier, so that their mean is no better than they are
    sides = np.where(rng.random(DAY_HOURS) < 0.5, -1, 1)
    past = [(actual + sides * rng.integers(-150, 700, DAY_HOURS)).tolist() for _ in skill.BENCHMARK_DAYS]
    forecast = np.concatenate([typical, rng.integers(0, 9000, DAY_HOURS)])  # the means do not count
    return skill.Secrets(forecast.tolist(), actual.tolist(), past, *seeded(12)(3))


def skill_statement(secrets: skill.Secrets, buckets: int) -> skill.Statement:
    return skill.Statement(
        context(),
        commit_forecast(secrets.forecast, secrets.forecast_blinding),
        commit_day(DAY, secrets.actual, secrets.actual_blinding),
        skill_days(secrets, DAY),
        buckets,
    )


def skill_days(secrets: skill.Secrets, day: int) -> tuple[bytes, ...]:
    """Commitments of the benchmarks' days, whose blindings add up to the secrets'."""
    first = (secrets.benchmarks_blinding - 21) % MODULUS
    blindings = [first, *range(1, 7)]
    past = zip(skill.BENCHMARK_DAYS, secrets.benchmarks, blindings, strict=True)
    return tuple(commit_day(day - back, readings, blinding) for back, readings, blinding in past)


@cache
def skill_case() -> Honest:
    secrets = skill_secrets()
    statement = skill_statement(secrets, skill.most_buckets(secrets))
    others = _other_contexts(statement) | {
        "forecast": replace(statement, forecast=statement.actual),
        "actual": replace(statement, actual=statement.benchmarks[0]),
        "benchmarks": replace(statement, benchmarks=(statement.actual, *statement.benchmarks[1:])),
        "buckets": replace(statement, buckets=statement.buckets - 1),  # true as well, but not what was proven
    }
    return Honest(skill, statement, lambda s, **how: skill.prove(s, secrets, **how), others)


# -- green share -----------------------------------------------------------------------------------------------------

GREEN_HOURS = tuple(255 if 9 <= h < 17 else 20 * (h % 3) for h in range(DAY_HOURS))
GREEN_READINGS = [500 + 40 * h if 8 <= h < 18 else 300 for h in range(DAY_HOURS)]
GREEN_BLINDING = 987654321


def green_tier(readings: Sequence[int]) -> int:
    """The highest share that can be claimed, in percent."""
    weighted = sum(w * v for w, v in zip(GREEN_HOURS, readings, strict=True))
    return 100 * weighted // (green_share.MAX_WEIGHT * sum(readings))


@cache
def green_case() -> Honest:
    actual = commit_day(DAY, GREEN_READINGS, GREEN_BLINDING)
    statement = green_share.Statement(context(), actual, GREEN_HOURS, green_tier(GREEN_READINGS))
    others = _other_contexts(statement) | {
        "actual": replace(statement, actual=commit_day(DAY, GREEN_READINGS, 1)),
        "weights": replace(statement, weights=(GREEN_HOURS[0] + 1, *GREEN_HOURS[1:])),
        "tier": replace(statement, tier=statement.tier - 1),
    }

    def prove(statement: green_share.Statement, **how: Any) -> bytes:
        return green_share.prove(statement, GREEN_READINGS, GREEN_BLINDING, **how)

    return Honest(green_share, statement, prove, others)


# -- shared energy of a period, in proportion and by allotments ------------------------------------------------------

PERIOD = (DAY, DAY + 5)
"""Days of two weeks, with others between them."""
PERIOD_READINGS = [[200 + 37 * h for h in range(DAY_HOURS)], [900 - 31 * h for h in range(DAY_HOURS)]]
PERIOD_BLINDINGS = [13579, 24680]
RATES = tuple(tuple(shared_energy.ONE // (h + k + 1) for h in range(DAY_HOURS)) for k in range(2))
ALLOTMENTS = tuple(tuple(500 - 100 * k if 6 <= h < 20 else 0 for h in range(DAY_HOURS)) for k in range(2))


def period_commitments() -> tuple[bytes, ...]:
    return tuple(commit_day(*each) for each in zip(PERIOD, PERIOD_READINGS, PERIOD_BLINDINGS, strict=True))


def _period_case(module: Any, numbers: tuple[tuple[int, ...], ...]) -> Honest:
    share = module.share_of(numbers, PERIOD_READINGS)
    statement = module.Statement(context(), PERIOD, period_commitments(), numbers, share)
    others = _other_contexts(statement, days=(DAY + 7, PERIOD[1] + 7))
    others |= {
        "days": others["context.day"],  # a context's day is the first of the days
        "commitments": replace(statement, commitments=statement.commitments[::-1]),
        "numbers": replace(statement, numbers=((numbers[0][0] - 1, *numbers[0][1:]), numbers[1]))
        if numbers[0][0]
        else replace(statement, numbers=((1, *numbers[0][1:]), numbers[1])),
        "share": replace(statement, share=share - 1),
    }
    prove = module.prove
    return Honest(module, statement, lambda s, **how: prove(s, PERIOD_READINGS, PERIOD_BLINDINGS, **how), others)


@cache
def shared_case() -> Honest:
    return _period_case(shared_energy, RATES)


@cache
def allotted_case() -> Honest:
    return _period_case(allotted_energy, ALLOTMENTS)


# -- inference -------------------------------------------------------------------------------------------------------


@cache
def inference_case(layers: int = 1, windows: int = 1, personal: bool = True, median: int = 0) -> Honest:
    home = honest(layers, windows, personal, median=median)
    return Honest(
        inference,
        home.statement,
        lambda s, **how: inference.prove(s, home.trace, home.model.weights, home.secrets, **how),
        _other_inferences(home.statement),
    )


def _other_inferences(statement: inference.Statement) -> dict[str, Any]:
    weights, shape = statement.weights, statement.shape

    def with_shape(rows: tuple[Rows, ...] = weights.layers, **sizes: int) -> inference.Statement:
        """Of another model: public features cut or repeated to its sizes."""
        other = replace(shape, **sizes)
        return replace(
            statement,
            weights=replace(weights, shape=other, layers=rows),
            steps=np.resize(statement.steps, (len(statement.days), other.steps, other.public)),
            exogenous=np.resize(statement.exogenous, (len(statement.days), other.exogenous)),
        )

    steps, exogenous = statement.steps.copy(), statement.exogenous.copy()
    steps[0, -1, -1] += 1
    exogenous[0, 0] -= 1
    others = _other_contexts(statement, days=(DAY + 7, *statement.days[1:]))
    others |= {
        "days": others["context.day"],  # a context's day is the first of the days
        "weights.layers": replace(
            statement, weights=replace(weights, layers=(weights.head[:1], *weights.layers[1:]))
        ),
        "weights.head": replace(statement, weights=replace(weights, head=(*weights.head[:-1], weights.layers[0][0]))),
        "windows": replace(statement, windows=(statement.forecasts[0], *statement.windows[1:])),
        "forecasts": replace(statement, forecasts=(statement.windows[0], *statement.forecasts[1:])),
        "steps": replace(statement, steps=steps),
        "exogenous": replace(statement, exogenous=exogenous),
        "quantity": replace(statement, quantity="export" if statement.quantity == "load" else "load"),
        "personal": replace(statement, personal=None if statement.personal else (IDENTITY,) * len(weights.head)),
    }
    for name in ("steps", "features", "hidden", "exogenous", "lags", "recent", "horizon", "median"):
        others[f"weights.shape.{name}"] = with_shape(**{name: getattr(shape, name) + 1})
    more = (*weights.layers, weights.head)
    others["weights.shape.layers"] = with_shape(more, layers=shape.layers + 1)
    return others


CASES: dict[str, Callable[[], Honest]] = {
    "inference": lambda: inference_case(median=3),  # as models have one by default
    "skill": skill_case,
    "green share": green_case,
    "shared energy": shared_case,
    "allotted energy": allotted_case,
}
