"""How things stand right now, as it changes: for the page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from api.http.errors import refusals
from api.http.events import Events
from api.http.rate_limits import sender_of

router = APIRouter(tags=["events"])


async def _events(request: Request) -> Events:
    events: Events = request.app.state.events
    return events


class EventStream(StreamingResponse):
    """A line that stays open."""

    media_type = "text/event-stream"


@router.get(
    "/events", response_class=EventStream,
    responses=refusals({429: ["busy"]}) | {200: {"description": "events named progress, their data as JSON"}},
)  # fmt: skip
async def events(request: Request, events: Annotated[Events, Depends(_events)]) -> EventStream:
    """Server-sent events: forecasts registered, sums, totals, rounds and training, whenever one of them changes."""
    return EventStream(
        events.line(sender_of(request.scope)), headers={"cache-control": "no-store", "x-accel-buffering": "no"}
    )
