"""Frozen proofs of each format version: how they are made, and how they are read again.

    python -m tests.zkp.vectors

writes tests/zkp/vectors/<name>-v<version>.json for the current version of each kind: statement, secrets and proof,
all that it takes to verify the proof and to make it again; of inference once without the week's median and once with
it. Scalars and bytes are hexadecimal. The prover's randomness is `counted`: scalar k is
Keccak-256("wattproof vector" | k as 8 bytes, big-endian) modulo r.

A file of a released version is never overwritten: a change of the proof's bytes is a new format version
(CONTRIBUTING.md). Version 4 is not released yet: until it is, its files are written anew whenever it changes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import astuple, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from eth_hash.auto import keccak

from forecasting.integer import IntegerModel
from tests.zkp.cases import (
    GREEN_BLINDING,
    GREEN_READINGS,
    PERIOD_BLINDINGS,
    PERIOD_READINGS,
    Honest,
    allotted_case,
    green_case,
    inference_case,
    shared_case,
    skill_case,
    skill_secrets,
)
from tests.zkp.conftest import Case, honest
from zkp.algebra.field import MODULUS
from zkp.algebra.vector import RandomScalars
from zkp.lstm.integer_model import OUTPUTS, IntegerWeights, Ints, Shape
from zkp.lstm.weights import HeadOpening, WeightsCommitment
from zkp.statements import allotted_energy, green_share, inference, shared_energy, skill
from zkp.statements.context import Context

RELEASED = {1, 2, 3}
FOLDER = Path(__file__).parent / "vectors"
MODULES: dict[str, Any] = {"inference": inference, "skill": skill, "green_share": green_share} | {
    "shared_energy": shared_energy,
    "allotted_energy": allotted_energy,
}


def counted() -> RandomScalars:
    """The randomness of every vector."""
    places = count()

    def draw(number: int) -> list[int]:
        words = (keccak(b"wattproof vector" + next(places).to_bytes(8, "big")) for _ in range(number))
        return [int.from_bytes(word, "big") % MODULUS for word in words]

    return draw


@dataclass(frozen=True)
class Frozen:
    """A vector as read: verify with its module; `prove` makes the proof again."""

    kind: str
    version: int
    statement: Any
    proof: bytes
    prove: Callable[[], bytes]


def current() -> dict[str, Path]:
    """By name: where the vector of today's version is."""
    return {name: FOLDER / f"{name}-v{MODULES[kind].HEADER[-1]}.json" for name, (kind, _, _) in _WRITERS.items()}


def read(path: Path) -> Frozen:
    content = json.loads(path.read_text(encoding="ascii"))
    statement, prove = _READERS[content["kind"]](content["statement"], content["secrets"])
    return Frozen(content["kind"], content["version"], statement, _bytes(content["proof"]), prove)


# -- reading ---------------------------------------------------------------------------------------------------------

_Read = tuple[Any, Callable[[], bytes]]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _scalar(text: str) -> int:
    return int(text, 16)


def _rows(texts: list[str]) -> tuple[bytes, ...]:
    return tuple(_bytes(t) for t in texts)


def _ints(values: Any, *shape: int) -> Ints:
    return np.array(values, dtype=np.int64).reshape(shape)


def _context(public: dict[str, Any]) -> Context:
    c = public["context"]
    return Context(_bytes(c["community"]), _bytes(c["household"]), c["day"], c["round"])


def _read_skill(public: dict[str, Any], private: dict[str, Any]) -> _Read:
    days = tuple(_bytes(one) for one in public["benchmarks"])
    forecast, actual = (_bytes(public[name]) for name in ("forecast", "actual"))
    statement = skill.Statement(_context(public), forecast, actual, days, public["buckets"])
    secrets = skill.Secrets(
        private["forecast"], private["actual"], private["benchmarks"],
        *(_scalar(private[f"{name}_blinding"]) for name in ("forecast", "actual", "benchmarks")),
    )  # fmt: skip
    return statement, lambda: skill.prove(statement, secrets, random=counted())


def _read_green_share(public: dict[str, Any], private: dict[str, Any]) -> _Read:
    weights = tuple(public["weights"])
    statement = green_share.Statement(_context(public), _bytes(public["actual"]), weights, public["tier"])
    blinding = _scalar(private["blinding"])
    return statement, lambda: green_share.prove(statement, private["readings"], blinding, random=counted())


def _read_inference(public: dict[str, Any], private: dict[str, Any]) -> _Read:
    shape, days = Shape(*public["shape"]), tuple(public["days"])
    layers = tuple(_rows(rows) for rows in public["layers"])
    statement = inference.Statement(
        _context(public),
        WeightsCommitment(shape, layers, _rows(public["head"])),
        days,
        _rows(public["windows"]),
        _ints(public["steps"], len(days), shape.steps, shape.public),
        _ints(public["exogenous"], len(days), shape.exogenous),
        _rows(public["forecasts"]),
        _rows(public["personal"]),
    )

    def prove() -> bytes:
        own = _ints(private["personal"], OUTPUTS, shape.personal_inputs)
        layers = tuple(_ints(w, 4, shape.hidden, shape.inputs(k)) for k, w in enumerate(private["layers"]))
        weights = IntegerWeights(shape, layers, _ints(private["head"], OUTPUTS, shape.head_inputs))
        trace = IntegerModel(weights, own).run(
            _ints(private["history"], len(days), 168), statement.steps, statement.exogenous
        )
        blindings = {k: tuple(map(_scalar, private[f"{k}_blindings"])) for k in ("windows", "forecasts", "personal")}
        secrets = inference.Secrets(
            blindings["windows"], blindings["forecasts"], HeadOpening(own, blindings["personal"])
        )
        return inference.prove(statement, trace, weights, secrets, random=counted())

    return statement, prove


def _period_reader(module: Any) -> Callable[[dict[str, Any], dict[str, Any]], _Read]:
    def reader(public: dict[str, Any], private: dict[str, Any]) -> _Read:
        numbers = tuple(map(tuple, public["numbers"]))
        rows = _rows(public["commitments"])
        statement = module.Statement(_context(public), tuple(public["days"]), rows, numbers, public["share"])
        blindings = [_scalar(b) for b in private["blindings"]]
        return statement, lambda: module.prove(statement, private["readings"], blindings, random=counted())

    return reader


_READERS = {"inference": _read_inference, "skill": _read_skill, "green_share": _read_green_share} | {
    "shared_energy": _period_reader(shared_energy),
    "allotted_energy": _period_reader(allotted_energy),
}


# -- writing ---------------------------------------------------------------------------------------------------------


def _hex(value: bytes | int) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else hex(value)


def _written(context: Context) -> dict[str, Any]:
    return {
        "community": _hex(context.community), "household": _hex(context.household), "day": context.day,
        "round": context.round,
    }  # fmt: skip


def _write_skill() -> tuple[dict[str, Any], dict[str, Any]]:
    statement, secrets = skill_case().statement, skill_secrets()
    names = ("forecast", "actual", "benchmarks")
    public: dict[str, Any] = {n: _hex(getattr(statement, n)) for n in ("forecast", "actual")}
    public |= {"benchmarks": [_hex(one) for one in statement.benchmarks], "buckets": statement.buckets}
    private = {n: getattr(secrets, n) for n in names}
    return public, private | {f"{n}_blinding": _hex(getattr(secrets, f"{n}_blinding")) for n in names}


def _write_green_share() -> tuple[dict[str, Any], dict[str, Any]]:
    statement = green_case().statement
    public = {"actual": _hex(statement.actual), "weights": statement.weights, "tier": statement.tier}
    return public, {"readings": GREEN_READINGS, "blinding": _hex(GREEN_BLINDING)}


def _write_inference() -> tuple[dict[str, Any], dict[str, Any]]:
    """Two layers, two days, a personal head: every part of the statement is there."""
    return _write_home(honest(2, 2, True), inference_case(2, 2).statement)


def _write_median() -> tuple[dict[str, Any], dict[str, Any]]:
    """A quarter of the typical hours is the median of the week."""
    return _write_home(honest(1, 1, True, median=4), _median_case().statement)


def _median_case() -> Honest:
    return inference_case(median=4)


def _write_home(home: Case, s: inference.Statement) -> tuple[dict[str, Any], dict[str, Any]]:
    shape = s.shape
    public = {
        "shape": list(astuple(shape)),
        "layers": [[_hex(r) for r in rows] for rows in s.weights.layers],
        "days": s.days,
        "steps": s.steps.tolist(),
        "exogenous": s.exogenous.tolist(),
    }
    rows = {"head": s.weights.head, "windows": s.windows, "forecasts": s.forecasts, "personal": s.personal}
    weights, secrets = home.model.weights, home.secrets
    private = {
        "history": home.history.tolist(),
        "layers": [w.tolist() for w in weights.layers],
        "head": weights.head.tolist(),
        "personal": secrets.personal.values.tolist() if secrets.personal else [],
        "windows_blindings": [_hex(b) for b in secrets.windows],
        "forecasts_blindings": [_hex(b) for b in secrets.forecasts],
        "personal_blindings": [_hex(b) for b in secrets.personal.blindings] if secrets.personal else [],
    }
    return public | {k: [_hex(r) for r in v] for k, v in rows.items()}, private


def _period_writer(case: Callable[[], Honest]) -> Callable[[], tuple[dict[str, Any], dict[str, Any]]]:
    def writer() -> tuple[dict[str, Any], dict[str, Any]]:
        s = case().statement
        public = {"days": s.days, "commitments": [_hex(c) for c in s.commitments]}
        public |= {"numbers": s.numbers, "share": s.share}
        return public, {"readings": PERIOD_READINGS, "blindings": [_hex(b) for b in PERIOD_BLINDINGS]}

    return writer


_WRITERS: dict[str, tuple[str, Callable[[], tuple[dict[str, Any], dict[str, Any]]], Callable[[], Honest]]] = {
    "inference": ("inference", _write_inference, lambda: inference_case(2, 2)),
    "inference_median": ("inference", _write_median, _median_case),
    "skill": ("skill", _write_skill, skill_case),
    "green_share": ("green_share", _write_green_share, green_case),
    "shared_energy": ("shared_energy", _period_writer(shared_case), shared_case),
    "allotted_energy": ("allotted_energy", _period_writer(allotted_case), allotted_case),
}
"""By the vector's name: the kind of its proof, what writes statement and secrets, and the case that proves."""


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, (kind, write, make) in _WRITERS.items():
        version, path = MODULES[kind].HEADER[-1], current()[name]
        if path.exists() and version in RELEASED:
            sys.stderr.write(f"{path.name} is there already, and stays as it is\n")
            continue
        case = make()
        public, private = write()
        content = {
            "kind": kind,
            "version": version,
            "statement": {"context": _written(case.statement.context), **public},
            "secrets": private,
            "proof": _hex(case.proving(case.statement, random=counted(), backend="")),
        }
        path.write_text(json.dumps(content) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
