"""Whether the server is alive, and whether it can do its work: for monitoring, and for gateways."""

from __future__ import annotations

import asyncio
import shutil

from anyio import fail_after, to_thread
from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.http.deps import CommunityDep, LedgerDep, WorkDep
from api.http.errors import RETRY_S, ApiError, refusals
from api.http.work import Work
from api.http.work_queue import Busy
from api.operator.chain_session import ChainSession
from api.operator.community import Community
from rewards.errors import ChainError

router = APIRouter(tags=["health"])
_OK = "ok"
_ROOM_BYTES = 1 << 20
"""With less, SQLite and the chain's journal soon take nothing more."""
_LOOK_S = 4.0  # for database and chain each; who monitors gives up after five, and threads that wait after a minute


class Live(BaseModel):
    """The process answers."""

    alive: bool


class Ready(BaseModel):
    """Whether everything the server needs is available; by name, "ok" or what is wrong."""

    ready: bool
    checks: dict[str, str]


class Health(BaseModel):
    """The community that is served, its chain's time (UTC seconds since 1970), the UTC hour its days start at."""

    status: str
    community: str
    chain_time: int
    day_start_utc: int


@router.get("/livez")
async def livez() -> Live:
    """Liveness: restart the server when this does not answer. It asks nothing else."""
    return Live(alive=True)


@router.get("/readyz", responses={503: {"model": Ready, "description": "something is missing, by name"}})
async def readyz(community: CommunityDep, chain_session: LedgerDep, work: WorkDep, response: Response) -> Ready:
    """Readiness: route requests to it while this returns 200. Checks database, chain and proof checkers."""
    database, chain = await asyncio.gather(_database(community), _chain_time(chain_session, work))
    checks = {
        "database": database,
        "chain": _OK if isinstance(chain, int) else chain,
        "proofs": _OK if work.checker.is_ready else "the processes that check proofs are starting",
    }
    ready = all(found == _OK for found in checks.values())
    response.status_code = 200 if ready else 503
    return Ready(ready=ready, checks=checks)


@router.get("/health", responses=refusals({503: ["not-ready"]}))
async def health(community: CommunityDep, chain_session: LedgerDep, work: WorkDep) -> Health:
    """Whether server, database and chain answer."""
    database, chain = await asyncio.gather(_database(community), _chain_time(chain_session, work))
    if database != _OK or not isinstance(chain, int):
        problems = [found for found in (database, chain) if isinstance(found, str) and found != _OK]
        raise ApiError("not-ready", "; ".join(problems), 503, RETRY_S)
    settings = community.config
    return Health(
        status=_OK, community=settings.community.name, chain_time=chain, day_start_utc=settings.data.day_start_utc
    )


async def _database(community: Community) -> str:
    def found() -> str:
        with community.sessions() as session:
            is_postgres = session.get_bind().dialect.name == "postgresql"
            answer = session.scalar(text("SHOW transaction_read_only" if is_postgres else "SELECT 1"))
        if is_postgres and answer == "on":
            return "the database is read-only: a standby, or set so (default_transaction_read_only)"
        if shutil.disk_usage(community.folder).free < _ROOM_BYTES:
            return "the disk of the server's state (api.state_dir) is full: free some space"
        return _OK

    try:
        with fail_after(_LOOK_S):
            return await to_thread.run_sync(found, abandon_on_cancel=True)
    except (SQLAlchemyError, TimeoutError):
        return "the database does not answer"


async def _chain_time(chain_session: ChainSession, work: Work) -> int | str:
    """The chain's time, or what is wrong with the chain. The embedded chain's is read without waiting."""
    if chain_session.chain.tester is not None:
        return chain_session.chain.now
    try:
        with fail_after(_LOOK_S):
            return await work.chain.reads.run(chain_session.checked_time)
    except TimeoutError:
        return f"the chain node has not answered for {_LOOK_S:g} s"
    except (ChainError, Busy) as problem:
        return str(problem)
