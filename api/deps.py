"""What routes depend on, as annotated types."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Request

from api.community import Community
from api.day import Ledger
from api.sum_desk import SumDesk


def _community(request: Request) -> Community:
    community: Community = request.app.state.community
    return community


def _ledger(request: Request) -> Ledger:
    ledger: Ledger = request.app.state.ledger
    return ledger


def _sum_desk(request: Request) -> SumDesk:
    desk: SumDesk = request.app.state.sum_desk
    return desk


async def _body(request: Request) -> bytes:
    return await request.body()


CommunityDep = Annotated[Community, Depends(_community)]
Body = Annotated[bytes, Depends(_body)]
"""The request's body as it came: routes that check proofs stay plain functions, so that they block nobody else."""
BUNDLE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "a proof bundle, byte for byte as it was downloaded",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
LedgerDep = Annotated[Ledger, Depends(_ledger)]
SumDeskDep = Annotated[SumDesk, Depends(_sum_desk)]
AddressParam = Annotated[str, Path(pattern="^0x[0-9a-fA-F]{40}$", description="a household's address")]
RoundParam = Annotated[int, Path(ge=1, lt=1 << 32, description="a round of the training, from 1")]
DayParam = Annotated[int, Path(ge=0, lt=1 << 32, description="community day since 1970-01-01")]
