"""Which community this is: what a page has to know before it can name a day."""

from __future__ import annotations

from fastapi import APIRouter

from api.http.deps import CommunityDep
from api.protocol.schemas import CommunityPublic

router = APIRouter(tags=["community"])


@router.get("/community")
async def community(community: CommunityDep) -> CommunityPublic:
    """The community's name, and when its days start. Asks neither database nor chain."""
    settings = community.config
    return CommunityPublic(name=settings.community.name, day_start_utc=settings.data.day_start_utc)
