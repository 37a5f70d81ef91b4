"""What routes depend on, as annotated types."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Depends, Path, Request, Response
from pydantic import BeforeValidator, Field

from api.http.kept_answers import KeptAnswers
from api.http.work import Work
from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.secure_sum import SecureSumServer
from api.protocol import bundle as bundles
from data.day import LAST_DAY


async def _community(request: Request) -> Community:
    community: Community = request.app.state.community
    return community


async def _chain_session(request: Request) -> ChainSession:
    chain_session: ChainSession = request.app.state.chain_session
    return chain_session


async def _secure_sums(request: Request) -> SecureSumServer:
    sums: SecureSumServer = request.app.state.secure_sums
    return sums


async def _work(request: Request) -> Work:
    work: Work = request.app.state.work
    return work


async def _kept_answers(request: Request) -> KeptAnswers:
    kept: KeptAnswers = request.app.state.kept_answers
    return kept


async def _body(request: Request) -> bytes:
    return await request.body()


def _bundle(body: Annotated[bytes, Depends(_body)]) -> bundles.Bundle:
    return bundles.parse(body)  # a plain function: FastAPI has it done in a thread


def _plain(text: object) -> object:
    """A number has one form in a path: answers are kept by path, here and on the way."""
    if isinstance(text, str) and re.fullmatch("0|[1-9][0-9]*", text, re.ASCII) is None:
        raise ValueError("a whole number in digits, without sign, point or leading zeros, is expected")
    return text


CommunityDep = Annotated[Community, Depends(_community)]
BundleBody = Annotated[bundles.Bundle, Depends(_bundle)]
"""The bundle that is the request's body, byte for byte."""
BUNDLE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "a proof bundle, byte for byte as downloaded",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
BUNDLE_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": {"type": "object"}}}, "description": "the bundle, byte for byte"}
}
REPEATED: dict[int | str, dict[str, Any]] = {200: {"description": "it was taken before: the first answer, again"}}
LedgerDep = Annotated[ChainSession, Depends(_chain_session)]
SecureSumsDep = Annotated[SecureSumServer, Depends(_secure_sums)]
WorkDep = Annotated[Work, Depends(_work)]
KeptDep = Annotated[KeptAnswers, Depends(_kept_answers)]
AddressParam = Annotated[str, Path(pattern="^0x[0-9a-fA-F]{40}$", description="a household's address")]
RoundParam = Annotated[
    int, BeforeValidator(_plain), Path(ge=1, lt=1 << 32, description="a round of the training, from 1")
]
DayParam = Annotated[
    int, BeforeValidator(_plain), Path(ge=0, le=LAST_DAY, description="community day since 1970-01-01")
]
TransactionHex = Annotated[str, Field(max_length=16_384, description="a signed transaction, hexadecimal")]


class CSV(Response):
    """A table as text, its first line the names."""

    media_type = "text/csv"


class JSONBytes(Response):
    """JSON that is sent byte for byte as it is kept."""

    media_type = "application/json"
