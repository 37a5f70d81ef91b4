"""Model rounds: the digests that stand in the model registry, and the models themselves."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from sqlalchemy import select

from api.http.conditional import FIXED, NOT_MODIFIED, Answer
from api.http.deps import CommunityDep, RoundParam
from api.http.errors import ApiError, refusals
from api.http.paging import MOST, AfterRound, LimitQuery, page
from api.operator.community import Community
from api.operator.database.tables import ModelRound
from api.protocol.schemas import RoundPublic
from fl.store import RoundStore

router = APIRouter(prefix="/rounds", tags=["rounds"])
_ABSENT = NOT_MODIFIED | refusals({404: ["no-model"]})


class NumpyArchive(Response):
    """A file of NumPy's (.npz)."""

    media_type = "application/octet-stream"


@router.get("")
def list_rounds(
    community: CommunityDep, request: Request, response: Response, after: AfterRound = 0, limit: LimitQuery = MOST
) -> list[RoundPublic]:
    """Published rounds, by number."""
    chosen = select(ModelRound).where(ModelRound.number > after).order_by(ModelRound.number).limit(limit + 1)
    with community.sessions() as session:
        rows = session.scalars(chosen).all()
    rounds = [RoundPublic(number=r.number, digest=r.digest) for r in rows]
    return page(rounds, limit, lambda r: r.number, request, response)


@router.get("/{number}/model", response_class=NumpyArchive, responses=_ABSENT)
def model(number: RoundParam, request: Request, community: CommunityDep) -> Response:
    """The published model of a round: its quantised weights (.npz). Compare their digest with the registry's."""
    return _file(number, "model.npz", community).to(request)


@router.get("/{number}/weights", response_class=NumpyArchive, responses=_ABSENT)
def weights(number: RoundParam, request: Request, community: CommunityDep) -> Response:
    """The weights that a round's model was quantised from (.npz, float32): homes fit personal heads to them."""
    return _file(number, "weights.npz", community).to(request)


def _file(number: int, name: str, community: Community) -> Answer:
    with community.sessions() as session:
        published = session.get(ModelRound, number) is not None
    path = RoundStore(community.folder / "rounds").path(number) / name
    if not published or not path.is_file():
        raise ApiError("no-model", f"no model of round {number} is published here", 404)
    return Answer(path.read_bytes(), NumpyArchive.media_type, FIXED)
