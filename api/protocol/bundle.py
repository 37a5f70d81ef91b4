"""A proof with everything needed to check it, as one JSON file: no part of it has to be trusted.

An inference bundle holds the statement in public terms, the seven days that the meter signed (EIP-712) and the proof;
a claim bundle the skill statement, the signed days and its proof. Parsing is strict: `parse` takes exactly the
bytes that `encode` writes, so a bundle cannot be altered, not even in its spaces, without becoming another one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address
from pydantic import SerializerFunctionWrapHandler, ValidationError, model_serializer

from api.config.settings import CommunitySettings
from api.protocol.bundle_parts import (
    Address,
    ContextPart,
    Hex,
    HistoryDayPart,
    ListOf,
    Part,
    Point,
    SignedDayPart,
    WeightsPart,
    from_hex,
    signers,
    to_hex,
)
from api.protocol.finding import Finding
from data.errors import MeterError
from data.quantity import Quantity
from rewards.signing import NO_HEAD
from zkp.algebra import commitment
from zkp.errors import InvalidProof, InvalidStatement, MalformedProof, OlderFormat
from zkp.lstm.integer_model import Ints
from zkp.lstm.weights import WeightsCommitment
from zkp.statements import green_share, inference, skill


class InferenceBundle(Part):
    """A proven forecast of one household for one day. `quantity`: absent for load."""

    format: Literal["wattproof/inference/2"] = "wattproof/inference/2"
    quantity: Literal["export"] | None = None
    context: ContextPart
    meter: Address
    weights: WeightsPart
    personal: ListOf[Point]  # rows of the household's personal head; none where it has no head
    history: ListOf[HistoryDayPart]
    steps: ListOf[ListOf[int]]
    exogenous: ListOf[int]
    forecast: Point
    proof: Hex

    @model_serializer(mode="wrap")
    def _without_absent(self, serialised: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A forecast of load is written as in releases that knew no other."""
        return {name: value for name, value in serialised(self).items() if value is not None}

    @property
    def of(self) -> Quantity:
        """What is forecast."""
        return self.quantity or "load"

    @property
    def household(self) -> str:
        return to_checksum_address(from_hex(self.context.household))

    @property
    def proof_hash(self) -> bytes:
        return keccak(from_hex(self.proof))

    @property
    def head_digest(self) -> bytes:
        """Digest of the personal head, as the registry has it; `NO_HEAD` for none."""
        if not self.personal:
            return NO_HEAD
        return self.weights.parsed().digest_of_head(tuple(from_hex(row) for row in self.personal))

    def check_days(self) -> None:
        """Check that the history is the week that the model forecasts the day from. Raises InvalidStatement."""
        week = self.week
        if [d.day for d in self.history] != list(week):
            raise InvalidStatement(f"the history must be the {len(week)} days before day {week.stop}, in order")

    @property
    def week(self) -> range:
        """The seven days that the model forecasts the day from: the last is as many before it as its horizon says."""
        return commitment.window_days(self.context.day, self.weights.horizon)

    def signed_days(self) -> list[bytes]:
        """The week's commitments, each as the meter signed it. Raises MeterError, InvalidStatement."""
        self.check_days()
        meters = self.signers
        return [d.checked(from_hex(self.context.household), meters[d.day], self.of) for d in self.history]

    @property
    def signers(self) -> dict[int, str]:
        """Which meter signed each day. Raises InvalidStatement."""
        return signers(self.meter, self.history)

    def public_inputs(self) -> tuple[WeightsCommitment, Ints, Ints]:
        """The committed model, and int64 steps [1, T, public] and exogenous [1, E]. Raises InvalidStatement."""
        try:
            weights = self.weights.parsed()
            steps = np.array([self.steps], dtype=np.int64)
            return weights, steps, np.array([self.exogenous], dtype=np.int64).reshape(1, -1)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidStatement(f"the model or its public features are malformed: {error}") from error

    def statement(self) -> inference.Statement:
        """The statement, with every meter signature checked. Raises MeterError, InvalidStatement, MalformedProof."""
        context, days = self.context.parsed(), self.signed_days()
        weights, steps, exogenous = self.public_inputs()
        return inference.Statement(
            context, weights, (context.day,), (commitment.add(days),), steps, exogenous, (from_hex(self.forecast),),
            tuple(from_hex(row) for row in self.personal) or None, self.of,
        )  # fmt: skip


class ClaimBundle(Part):
    """A proven day: the skill statement with the meter's signed days, that one and those of the benchmarks."""

    format: Literal["wattproof/claim/2"] = "wattproof/claim/2"
    context: ContextPart
    meter: Address
    buckets: int
    forecast: Point
    actual: SignedDayPart
    benchmarks: list[SignedDayPart]
    proof: Hex

    @property
    def household(self) -> str:
        return to_checksum_address(from_hex(self.context.household))

    def signed_days(self) -> list[bytes]:
        """The eight commitments, each as the meter signed it. Raises MeterError, InvalidStatement."""
        days = [self.actual, *self.benchmarks]
        if [d.day for d in days] != [self.context.day - back for back in (0, *skill.BENCHMARK_DAYS)]:
            raise InvalidStatement("the signed days must be the claimed one, and those from 7 to 13 days before it")
        meters = self.signers
        return [d.checked(from_hex(self.context.household), meters[d.day]) for d in days]

    @property
    def signers(self) -> dict[int, str]:
        """Which meter signed each day; the claimed one is the bundle's. Raises InvalidStatement."""
        return signers(self.meter, [self.actual, *self.benchmarks])

    def statement(self) -> skill.Statement:
        """The statement, with the meter's signatures checked. Raises MeterError, InvalidStatement."""
        actual, *past = self.signed_days()
        return skill.Statement(self.context.parsed(), from_hex(self.forecast), actual, tuple(past), self.buckets)


class GreenBundle(Part):
    """A proven green share: the statement with the meter's signed day. `weights`: of the day's 24 hours."""

    format: Literal["wattproof/green/1"] = "wattproof/green/1"
    context: ContextPart
    meter: Address
    tier: int
    weights: ListOf[int]
    actual: SignedDayPart
    proof: Hex

    @property
    def household(self) -> str:
        return to_checksum_address(from_hex(self.context.household))

    def signed_days(self) -> list[bytes]:
        """The day's commitment, as the meter signed it. Raises MeterError, InvalidStatement."""
        if self.actual.day != self.context.day:
            raise InvalidStatement("the signed day must be the claimed one")
        return [self.actual.checked(from_hex(self.context.household), self.signers[self.actual.day])]

    @property
    def signers(self) -> dict[int, str]:
        """Which meter signed the day. Raises InvalidStatement."""
        return signers(self.meter, [self.actual])

    def statement(self) -> green_share.Statement:
        """The statement, with the meter's signature checked. Raises MeterError, InvalidStatement."""
        (actual,) = self.signed_days()
        return green_share.Statement(self.context.parsed(), actual, tuple(self.weights), self.tier)


Bundle = InferenceBundle | ClaimBundle | GreenBundle
_KINDS: dict[str, type[InferenceBundle] | type[ClaimBundle] | type[GreenBundle]] = {
    str(kind.model_fields["format"].default): kind for kind in (InferenceBundle, ClaimBundle, GreenBundle)
}


class NotABundle(MalformedProof):
    """The bytes are in no format that this version knows."""


def encode(bundle: Bundle) -> bytes:
    """The canonical encoding of a bundle."""
    return bundle.model_dump_json().encode()


def parse(data: bytes) -> Bundle:
    """Read a bundle. Raises MalformedProof naming the field that is wrong."""
    for name, kind in _KINDS.items():
        if f'"{name}"'.encode() in data[:100]:
            bundle = _validated(partial(kind.model_validate_json, data))
            if encode(bundle) != data:
                raise MalformedProof("the bundle is not in its canonical encoding: download it again")
            return bundle
    raise NotABundle("its format is missing or unknown to this version")


def canonical_json(content: dict[str, Any]) -> bytes:
    """The bytes of a bundle embedded in a larger JSON document. Raises MalformedProof as `parse` does."""
    return encode(from_content(content))


def from_content(content: dict[str, Any]) -> Bundle:
    """A bundle embedded in a larger JSON document. Raises MalformedProof as `parse` does."""
    kind = _KINDS.get(str(content.get("format")))
    if kind is None:
        raise NotABundle("its format is missing or unknown to this version")
    return _validated(partial(kind.model_validate, content))


def _validated(read: Callable[[], Bundle]) -> Bundle:
    try:
        return read()
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(p) for p in problem["loc"]) or "(the whole)"
        raise MalformedProof(f"the bundle's field {where!r} is wrong: {problem['msg']}") from None


def verify(bundle: Bundle) -> None:
    """Check signatures and proof. Raises MeterError, InvalidStatement, MalformedProof or InvalidProof."""
    if isinstance(bundle, InferenceBundle):
        inference.verify(bundle.statement(), from_hex(bundle.proof))
    elif isinstance(bundle, GreenBundle):
        green_share.verify(bundle.statement(), from_hex(bundle.proof))
    else:
        skill.verify(bundle.statement(), from_hex(bundle.proof))


_MEANINGS: dict[type[Exception], str] = {
    MeterError: "It is unknown whether the readings came from this meter, so the proof was not checked.",
    InvalidStatement: "The bundle's public inputs are malformed, so the proof could not be checked.",
    OlderFormat: "The proof was made by an older release, which this one no longer checks. This says nothing about "
    "the claim.",
    MalformedProof: "The bytes were damaged, or another version wrote them. This says nothing about the claim.",
    InvalidProof: "The proof is complete, and it does not prove this: it belongs to a different statement (another "
    "community, household, day, round, model, personal head, quantity, forecast, number of buckets, weights or "
    "percentage), or it is a forgery.",
}


REFUSALS = tuple(_MEANINGS)
"""What verifying an invalid bundle raises."""


def examine(bundle: Bundle, community: CommunitySettings | None = None) -> list[Finding]:
    """The findings about a bundle, in order, up to the first check that fails.

    `community`: the one it must belong to, if known.
    """
    if isinstance(bundle, InferenceBundle):
        last = bundle.history[-1].day if bundle.history else bundle.context.day - 1
        days = f"{export_of(bundle)}the {commitment.RING_DAYS} days before day {last + 1}"
    else:
        days = f"day {bundle.context.day} and those from 7 to 13 days before it"
    if isinstance(bundle, GreenBundle):
        days = f"day {bundle.context.day}"
    meters = meters_of(bundle)
    checks: list[tuple[str, str, Callable[[], object]]] = [
        (
            f"Signed by {meters}: {days} of household {bundle.household}.",
            f"NOT signed by {meters}: {days} of household {bundle.household}.",
            bundle.signed_days,
        ),
        (
            "All public inputs are present and within range.",
            "The public inputs are incomplete or out of range.",
            bundle.statement,
        ),
        (
            "The proof is valid for these inputs.",
            "The proof is NOT valid for these inputs.",
            partial(verify, bundle),
        ),
    ]
    if community is not None:
        name = repr(community.name)
        checks.insert(
            0,
            (
                f"Bound to the community {name}.",
                f"NOT bound to the community {name}.",
                partial(_check_community, bundle, community),
            ),
        )
    found = []
    for held, failed, check in checks:
        found.append(_finding(held, failed, check))
        if found[-1].is_bad:
            break
    return found


def _check_community(bundle: Bundle, community: CommunitySettings) -> None:
    expected = to_hex(community.identifier)
    if bundle.context.community != expected:
        raise InvalidProof(f"it is bound to the community {bundle.context.community}, not to {expected}")


def _finding(held: str, failed: str, check: Callable[[], object]) -> Finding:
    try:
        check()
    except REFUSALS as error:
        return Finding.failed(failed, str(error), next(m for kind, m in _MEANINGS.items() if isinstance(error, kind)))
    return Finding(held)


def meters_of(bundle: Bundle) -> str:
    """The meters whose days a bundle has, the oldest first."""
    days: list[HistoryDayPart] | list[SignedDayPart]
    if isinstance(bundle, InferenceBundle):
        days = bundle.history
    else:
        days = [bundle.actual, *(bundle.benchmarks if isinstance(bundle, ClaimBundle) else ())]
    named = list(dict.fromkeys(day.meter or bundle.meter for day in sorted(days, key=lambda day: day.day)))
    return f"meter {named[0]}" if len(named) == 1 else f"meters {' and '.join(named)}"


def export_of(bundle: InferenceBundle) -> str:
    return "the export of " if bundle.quantity else ""
