"""What routes depend on, as annotated types."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request

from api.community import Community
from api.day import Ledger


def _community(request: Request) -> Community:
    community: Community = request.app.state.community
    return community


def _ledger(request: Request) -> Ledger:
    ledger: Ledger = request.app.state.ledger
    return ledger


CommunityDep = Annotated[Community, Depends(_community)]
LedgerDep = Annotated[Ledger, Depends(_ledger)]
AddressParam = Annotated[str, Path(pattern="^0x[0-9a-fA-F]{40}$", description="a household's address")]
DayParam = Annotated[int, Path(ge=0, lt=1 << 32, description="community day since 1970-01-01")]
