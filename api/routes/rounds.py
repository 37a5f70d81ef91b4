"""Model rounds: the digests that stand in the model registry."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import select

from api.database import ModelRound
from api.deps import CommunityDep

router = APIRouter(prefix="/rounds", tags=["rounds"])


class RoundPublic(BaseModel):
    """A round and the digest of its weights' commitment."""

    number: int
    digest: str


@router.get("")
def list_rounds(community: CommunityDep) -> list[RoundPublic]:
    """All published rounds."""
    with community.sessions() as session:
        rows = session.scalars(select(ModelRound).order_by(ModelRound.number))
        return [RoundPublic(number=r.number, digest=r.digest) for r in rows]
