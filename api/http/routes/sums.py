"""Masked sums of a day's forecasts and readings: what is asked of the gateways, and their messages.

All of it may be public: shares are encrypted to their receivers, vectors are masked. Messages are signed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.http.deps import DayParam, SecureSumsDep, WorkDep
from api.http.errors import ApiError, refusals
from api.operator.running_sum import SumState
from api.protocol.secure_sum import Kind, Stage, SumMessage, items_to_json
from data.interval import IntervalMinutes
from fl.secagg.aggregator import MaskingRefused

router = APIRouter(prefix="/sums", tags=["sums"])
_Hex = Annotated[str, Field(pattern="^([0-9a-f]{2})*$", max_length=256 * 1024)]
"""A masked vector has 64 digits an entry: 200 by the quarter of an hour, and 100 more for each further class."""
_REFUSALS = {
    404: ["no-sum"],
    409: ["too-early", "already-open"],
    429: ["busy"],
    503: ["chain-unreachable", "database-unreachable"],
}
_Name = Annotated[str, Field(min_length=1, max_length=64)]


class SumPublic(BaseModel):
    """The state of a sum. `items`: what this member needs now (hexadecimal, by the sender's name). `classes`: of each
    member, where shared energy is split class by class. `interval_minutes`: what shared energy is settled by."""

    day: int
    kind: Kind
    nonce: str
    members: list[str]
    phase: Stage | Literal["open", "failed"]
    waiting_for: list[str]
    reason: str
    items: dict[str, str]
    classes: list[int]
    interval_minutes: IntervalMinutes

    @classmethod
    def of(cls, state: SumState) -> SumPublic:
        terms = state.terms
        return cls.model_validate({
            "day": terms.day, "kind": terms.kind, "nonce": terms.nonce.hex(), "members": list(terms.members),
            "phase": state.phase, "waiting_for": list(state.waiting_for), "reason": state.reason,
            "items": items_to_json(state.items), "classes": list(terms.classes),
            "interval_minutes": terms.interval,
        })  # fmt: skip


class SumMessageIn(BaseModel):
    """A member's message, signed by its key in the roster (`api.protocol.secure_sum.SumMessage`)."""

    model_config = ConfigDict(extra="forbid")

    home: _Name
    stage: Stage
    items: dict[_Name, _Hex] = Field(max_length=1024)
    signature: _Hex


@router.get("/{day}/{kind}", responses=refusals(_REFUSALS))
async def state(
    day: DayParam, kind: Kind, sums: SecureSumsDep, work: WorkDep,
    home: Annotated[str | None, Query(max_length=64)] = None,
) -> SumPublic:  # fmt: skip
    """What the gateways are asked for now."""
    return SumPublic.of(await work.sums.run(sums.state, day, kind, home))


@router.post(
    "/{day}/{kind}",
    responses=refusals(_REFUSALS | {
        403: ["forged-message", "not-a-member"],
        409: [*_REFUSALS[409], "wrong-stage", "second-message"],
        422: ["malformed-request", "malformed-message", "wrong-meter"],
    }),
)  # fmt: skip
async def say(day: DayParam, kind: Kind, body: SumMessageIn, sums: SecureSumsDep, work: WorkDep) -> SumPublic:
    """Accept a gateway's message; repeats are idempotent."""
    try:
        message = SumMessage.from_json(body.model_dump())
    except MaskingRefused as problem:
        raise ApiError("malformed-message", str(problem), 422) from None
    return SumPublic.of(await work.sums.run(sums.take, day, kind, message))
