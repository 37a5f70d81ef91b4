"""Model rounds: the digests that stand in the model registry, and the models themselves."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.http.conditional import NOT_MODIFIED
from api.http.deps import CommunityDep, RoundParam
from api.http.errors import refusals
from api.http.paging import MOST, AfterRound, LimitQuery
from api.http.published_rounds import NumpyArchive, file_of, listed
from api.protocol.schemas import RoundPublic

router = APIRouter(prefix="/rounds", tags=["rounds"])
_ABSENT = NOT_MODIFIED | refusals({404: ["no-model"]})


@router.get("")
def list_rounds(
    community: CommunityDep, request: Request, response: Response, after: AfterRound = 0, limit: LimitQuery = MOST
) -> list[RoundPublic]:
    """Published rounds, by number."""
    return listed(community, "load", after, limit, request, response)


@router.get("/{number}/model", response_class=NumpyArchive, responses=_ABSENT)
def model(number: RoundParam, request: Request, community: CommunityDep) -> Response:
    """The published model of a round: its quantised weights (.npz). Compare their digest with the registry's."""
    return file_of(community, "load", number, "model.npz").to(request)


@router.get("/{number}/weights", response_class=NumpyArchive, responses=_ABSENT)
def weights(number: RoundParam, request: Request, community: CommunityDep) -> Response:
    """The weights that a round's model was quantised from (.npz, float32): homes fit personal heads to them."""
    return file_of(community, "load", number, "weights.npz").to(request)
