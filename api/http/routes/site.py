"""The page, the API's documentation and what they load: files of ours alone, none from another host."""

from __future__ import annotations

import html
import json
import mimetypes
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.http.conditional import Answer
from api.http.errors import ApiError
from api.http.metrics import Metrics
from api.http.problems import MEANINGS

router = APIRouter(include_in_schema=False)
_FOLDER = Path(__file__).parents[1] / "static"
_PAGES = {"/": "index.html", "/docs": "docs.html"}


@cache
def _files() -> dict[str, Answer]:
    """All files there are, by name: nothing else can be asked for."""
    return {
        path.name: Answer(path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream")
        for path in _FOLDER.iterdir()
        if path.is_file()
    }


@router.get("/")
@router.get("/docs")
async def page(request: Request) -> Response:
    return _files()[_PAGES[request.url.path]].to(request)


@router.get("/assets/{name}")
async def asset(name: str, request: Request) -> Response:
    known = _files().get(name)
    if known is None:
        raise ApiError("not-found", f"the page has no file {name[:100]}", 404)
    return known.to(request)


@router.get("/openapi.json")
def description(request: Request) -> Response:
    """The API's description, for programs; said once, and then whoever has it is told so."""
    state = request.app.state
    if getattr(state, "description", None) is None:
        state.description = Answer(json.dumps(request.app.openapi(), separators=(",", ":")).encode())
    found: Answer = state.description
    return found.to(request)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """What the server counts (Prometheus)."""
    found: Metrics = request.app.state.metrics
    return Response(found.text(), media_type=CONTENT_TYPE_LATEST, headers={"cache-control": "no-store"})


@router.get("/problems")
async def problems(request: Request) -> Response:
    """What the types of refusals mean: each is /problems#CODE."""
    rows = "".join(
        f"<dt id='{code}'><code>{code}</code></dt><dd>{html.escape(meaning)}</dd>"
        for code, meaning in sorted(MEANINGS.items())
    )
    text = (
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        "<title>Refusals · Wattproof</title><link rel='stylesheet' href='/assets/app.css'><main>"
        f"<h1>Refusals</h1><p>Every refusal of the API is a problem in JSON (RFC 9457) of one of these types.</p>"
        f"<dl>{rows}</dl></main></html>"
    )
    return Answer(text.encode(), "text/html").to(request)
