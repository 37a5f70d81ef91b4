"""The HTTP server: community forecasts, proofs, claims.

It can withhold, but not forge: all it says can be checked without it.

One router for each noun; every refusal is {"error": code, "message": ...} with a code of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException

from api.community import Community
from api.day import Ledger, open_ledger
from api.errors import ApiError, from_exception, from_http, from_validation
from api.limit import BodyLimit
from api.publisher import Publisher
from api.routes import claims, days, forecasts, heads, households, proofs, rounds, sums
from api.sum_desk import SumDesk
from data.errors import DataError
from rewards.errors import ChainError
from zkp.errors import ProofError

_PAGE = Path(__file__).parent / "static" / "index.html"


def make_app(community: Community, ledger: Ledger | None = None) -> FastAPI:
    """The application on an open community; opens the chain unless given one."""
    ledger = ledger or open_ledger(community)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        with Publisher(community, ledger).watch():
            yield

    app = FastAPI(
        lifespan=lifespan,
        title="Wattproof",
        version="0.1.0",
        description="Day-ahead load forecasts of an energy community, each proven in zero knowledge. "
        "Nothing here shows a reading or a single home's forecast.",
    )
    app.state.community = community
    app.state.ledger = ledger
    app.state.sum_desk = SumDesk(community, ledger)
    for module in (households, rounds, heads, days, forecasts, proofs, claims, sums):
        app.include_router(module.router)

    @app.get("/health", tags=["health"])
    def health() -> dict[str, str | int]:
        """Whether server and chain answer."""
        return {
            "status": "ok",
            "community": community.config.community.name,
            "chain_time": ledger.chain.now,
        }

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(_PAGE)

    @app.exception_handler(ApiError)
    async def refuse(_request: Request, error: ApiError) -> JSONResponse:
        return JSONResponse({"error": error.code, "message": str(error)}, error.status)

    async def translate(request: Request, error: Exception) -> JSONResponse:
        return await refuse(request, from_exception(error))

    async def malformed(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return await refuse(request, from_validation(error))

    async def plain(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return await refuse(request, from_http(error))

    for kind in (ProofError, ChainError, DataError):
        app.add_exception_handler(kind, translate)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, plain)
    app.add_middleware(BodyLimit, limit=community.config.api.max_upload_kb * 1024)
    return app
