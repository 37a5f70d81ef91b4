"""The HTTP server: community forecasts, proofs, claims.

It can withhold, but not forge: all its answers can be checked without it.

One router for each noun, below /v1; every refusal is a problem in JSON with a code of its own (`api.http.errors`).
What takes long waits in queues (`api.http.work`); bodies are bounded (`api.http.limits`), connections too
(`api.http.connections`).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from web3.exceptions import Web3Exception

from api.config.settings import ApiSettings
from api.config.traced import is_traced, traced
from api.http.description import described
from api.http.errors import RETRY_S, ApiError, answer, from_exception, from_http, from_validation, refusals
from api.http.events import Events
from api.http.kept_answers import KeptAnswers, KeptFirst
from api.http.limits import BodyLimits
from api.http.metrics import Counted, Metrics
from api.http.paths import PREFIX, KnownPaths
from api.http.rate_limits import RateLimits
from api.http.routes import VERSIONED, health, site
from api.http.security_headers import SecurityHeaders
from api.http.sign_in import SignIns
from api.http.work import Work
from api.http.work_queue import Busy
from api.operator.chain_session import ChainSession, open_chain_session
from api.operator.challenges import Answerer
from api.operator.community import Community
from api.operator.database.engine import AWAY, is_away, reason_of
from api.operator.database.totals_version import TotalsVersion
from api.operator.green_hours import GreenHoursPublisher
from api.operator.held_time import HeldTime
from api.operator.payer import Payer
from api.operator.period_keeper import PeriodKeeper
from api.operator.progress import progress
from api.operator.publisher import ExportPublisher, Publisher
from api.operator.running_sum import SecureSumRefused
from api.operator.secure_sum import SecureSumServer
from api.operator.settlement import Settlement
from api.operator.surplus_publisher import SurplusPublisher
from api.operator.weather import keep_feed
from data.errors import DataError
from fl.worker import WorkProcessDied
from rewards.errors import ChainError
from zkp.errors import ProofError

_log = logging.getLogger(__name__)
_ANY = refusals({
    400: ["malformed-request", "too-deep"],
    408: ["slow-request"],
    413: ["too-large"],
    422: ["malformed-request"],
    429: ["too-many-requests"],
    500: ["internal"],
    503: ["database-unreachable", "not-ready"],
})  # fmt: skip
"""What any route may answer."""


def make_app(community: Community, chain_session: ChainSession | None = None) -> FastAPI:
    """The application for an open community; opens the chain unless one is given."""
    chain_session = chain_session or open_chain_session(community)
    work = Work(community.config.api, chain_session)
    is_traced(community.config.tracing)  # a missing library is told at once

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        kinds = Publisher, Settlement, Payer, Answerer, GreenHoursPublisher
        settles = (PeriodKeeper,) if community.config.settlement.gateways else ()
        exports = (ExportPublisher, SurplusPublisher) if community.config.federation.export else ()
        watching = (kind(community, chain_session).watch() for kind in (*kinds, *settles, *exports))
        tracing = traced(community.config.tracing, "wattproof-server")
        with tracing, work, ExitStack() as stack, keep_feed(community.config):
            for one in (*watching, HeldTime(community).watch()):
                stack.enter_context(one)
            yield

    app = FastAPI(
        lifespan=lifespan,
        title="Wattproof",
        version=version("wattproof"),
        description="Day-ahead load forecasts of an energy community, each proven in zero knowledge. "
        "Nothing here shows a reading or a single home's forecast.",
        responses=_ANY,
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.openapi = lambda: described(app)  # type: ignore[method-assign]
    app.state.community, app.state.chain_session, app.state.work = community, chain_session, work
    app.state.kept_answers = KeptAnswers(TotalsVersion(lambda: community.sessions))
    app.state.metrics = Metrics()
    app.state.events = Events(lambda: _progress(community))
    settings = community.config.api
    app.state.sign_ins = SignIns(settings.origin, kept=(*settings.managers, *settings.auditors))
    app.state.secure_sums = SecureSumServer(community, chain_session)
    for module in VERSIONED:
        app.include_router(module.router, prefix=PREFIX)
    for unversioned in (health, site):
        app.include_router(unversioned.router)
    add_refusals(app)
    _add_middleware(app, community.config.api)
    return app


def _progress(community: Community) -> str:
    found = progress(community)
    return "" if found is None else found.model_dump_json()


def _add_middleware(app: FastAPI, settings: ApiSettings) -> None:
    """What each request goes through, the last one here first."""
    app.add_middleware(KeptFirst, kept=app.state.kept_answers)
    app.add_middleware(Counted, metrics=app.state.metrics)
    app.add_middleware(KnownPaths)
    app.add_middleware(BodyLimits, most_bytes=settings.max_upload_kb * 1024)
    app.add_middleware(RateLimits, reads=settings.reads_per_minute, writes=settings.writes_per_minute)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.cors_origins), allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["content-type", "if-none-match"], expose_headers=["etag", "link", "retry-after"],
            max_age=3600,
        )  # fmt: skip
    app.add_middleware(SecurityHeaders, by_origin=bool(settings.cors_origins))


def add_refusals(app: FastAPI) -> None:
    """Every error becomes an answer in the one form."""

    async def refused(_request: Request, error: Exception) -> JSONResponse:
        return answer(error if isinstance(error, ApiError) else from_exception(error))

    async def malformed(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return answer(from_validation(error))

    async def plain(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return answer(from_http(error), error.headers)

    async def busy(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Busy)
        return answer(ApiError("busy", str(error), 429, error.retry_after_s))

    async def no_chain(_request: Request, error: Exception) -> JSONResponse:
        _log.error("the chain node gave no usable answer", extra={"reason": f"{type(error).__name__}: {error}"})
        message = "the chain node does not answer as it should: try again later"
        return answer(ApiError("chain-unreachable", message, 503, RETRY_S))

    async def no_database(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, SQLAlchemyError)
        if not is_away(error):
            raise error
        _log.error("the database does not answer", extra={"reason": reason_of(error)})
        message = "the server's database does not answer: try again later"
        return answer(ApiError("database-unreachable", message, 503, RETRY_S))

    async def lost(_request: Request, error: Exception) -> JSONResponse:
        _log.error("a process that checks proofs is gone", extra={"reason": str(error)})
        return answer(ApiError("not-ready", "the process that checked the proof ended: try again", 503, RETRY_S))

    async def fault(_request: Request, _error: Exception) -> JSONResponse:
        return answer(ApiError("internal", "a fault of the server, which is in its log", 500))

    for kind in (ApiError, SecureSumRefused, ProofError, ChainError, DataError):
        app.add_exception_handler(kind, refused)
    for unreachable in AWAY:
        app.add_exception_handler(unreachable, no_database)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(Busy, busy)
    app.add_exception_handler(Web3Exception, no_chain)
    app.add_exception_handler(WorkProcessDied, lost)
    app.add_exception_handler(Exception, fault)
