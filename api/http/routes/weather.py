"""The weather feed: the same rows for all gateways, from which the public features of proofs are computed."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.http.conditional import NOT_MODIFIED, Answer
from api.http.deps import CSV, CommunityDep
from api.http.errors import ApiError, refusals

router = APIRouter(tags=["weather"])


@router.get("/weather", response_class=CSV, responses=NOT_MODIFIED | refusals({404: ["no-feed"]}))
def weather(request: Request, community: CommunityDep) -> Response:
    """The community's weather feed, whole: `ds` (UTC), temperature, and what was predicted in each hour for 24 hours
    later. A row never changes once it has been served."""
    path = community.config.data.weather
    if path is None or not path.is_file():
        raise ApiError("no-feed", "this server serves no weather feed (yet)", 404)
    return Answer(path.read_bytes(), CSV.media_type).to(request)
