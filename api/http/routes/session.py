"""Signing in and out with a wallet, and who may see what."""

from __future__ import annotations

from typing import Annotated

from eth_utils.address import to_checksum_address
from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from api.http.deps import CommunityDep, LedgerDep, WorkDep
from api.http.errors import ApiError, refusals
from api.http.sign_in import SESSION_S, Role, Session, SignIns
from api.http.work import Work
from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.database.tables import Household

router = APIRouter(prefix="/session", tags=["session"])
_Address = Annotated[str, Field(pattern="^0x[0-9a-fA-F]{40}$")]
_CHAIN = {429: ["busy"], 503: ["chain-unreachable"]}


async def _sign_ins(request: Request) -> SignIns:
    sign_ins: SignIns = request.app.state.sign_ins
    return sign_ins


SignInsDep = Annotated[SignIns, Depends(_sign_ins)]


async def _token(request: Request, sign_ins: SignInsDep) -> str | None:
    return request.cookies.get(sign_ins.cookie)


TokenDep = Annotated[str | None, Depends(_token)]


async def _session(sign_ins: SignInsDep, token: TokenDep) -> Session:
    found = sign_ins.of(token)
    if found is None:
        raise ApiError("not-signed-in", "sign in with a wallet first", 401)
    return found


SessionDep = Annotated[Session, Depends(_session)]


async def _looks_after(session: SessionDep, community: CommunityDep) -> Session:
    """Managers and auditors alone."""
    settings = community.config.api
    if session.address not in (*settings.managers, *settings.auditors):
        raise ApiError("not-allowed", f"{session.address} is no manager's or auditor's wallet here", 403)
    return session


ManagerDep = Annotated[Session, Depends(_looks_after)]
MANAGERS_ONLY = {401: ["not-signed-in"], 403: ["not-allowed"]}


class ChallengeIn(BaseModel):
    """Who wants to sign in."""

    address: _Address


class Challenge(BaseModel):
    """A message for the wallet to sign (EIP-4361), as it stands; send `nonce` and signature back in five minutes."""

    nonce: str
    message: str


class SessionIn(BaseModel):
    """A signed challenge."""

    address: _Address
    nonce: str = Field(pattern="^[0-9a-f]{58}$")
    signature: str = Field(pattern="^0x[0-9a-fA-F]{130}$")


class SessionPublic(BaseModel):
    """Who is signed in, and as what: manager and auditor by the settings, member as an enrolled household."""

    address: str
    role: Role


@router.post("/challenge", responses=refusals(_CHAIN))
async def challenge(body: ChallengeIn, sign_ins: SignInsDep, chain_session: LedgerDep, work: WorkDep) -> Challenge:
    """What a wallet signs to sign in."""
    address, chain_id = to_checksum_address(body.address), await _chain_id(chain_session, work)
    nonce = sign_ins.challenge(address)
    return Challenge(nonce=nonce, message=sign_ins.message(address, nonce, chain_id))


@router.post("", status_code=201, responses=refusals({403: ["wrong-signature"], 409: ["old-challenge"]} | _CHAIN))
async def sign_in(
    body: SessionIn, response: Response, sign_ins: SignInsDep, community: CommunityDep, chain_session: LedgerDep,
    work: WorkDep,
) -> SessionPublic:  # fmt: skip
    """Sign in: the answer sets a cookie that scripts can't read."""
    address, chain_id = to_checksum_address(body.address), await _chain_id(chain_session, work)
    token = sign_ins.open(address, body.nonce, body.signature, chain_id)
    response.headers["cache-control"] = "no-store"
    response.set_cookie(
        sign_ins.cookie,
        token,
        max_age=SESSION_S,
        path="/",
        secure=sign_ins.is_secure,
        httponly=True,
        samesite="strict",
    )
    return await run_in_threadpool(_public, address, community)


@router.get("", responses=refusals({401: ["not-signed-in"]}))
def who(session: SessionDep, response: Response, community: CommunityDep) -> SessionPublic:
    """Who is signed in."""
    response.headers["cache-control"] = "no-store"
    return _public(session.address, community)


@router.delete("", status_code=204)
async def sign_out(response: Response, sign_ins: SignInsDep, token: TokenDep) -> None:
    """Sign out; whoever is not signed in is signed out, too."""
    sign_ins.close(token)
    response.delete_cookie(sign_ins.cookie, path="/", secure=sign_ins.is_secure, httponly=True, samesite="strict")


def _public(address: str, community: Community) -> SessionPublic:
    return SessionPublic(address=address, role=_role(address, community))


def _role(address: str, community: Community) -> Role:
    if address in community.config.api.managers:
        return "manager"
    if address in community.config.api.auditors:
        return "auditor"
    with community.sessions() as session:
        return "visitor" if session.get(Household, address) is None else "member"


async def _chain_id(chain_session: ChainSession, work: Work) -> int:
    def ask() -> int:
        with chain_session.turn:
            return chain_session.chain.chain_id

    return await work.chain.reads.run(ask)
