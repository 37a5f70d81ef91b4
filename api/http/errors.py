"""Refusals of the HTTP server: a code for programs, a sentence for people, a status. All of them are listed here.

Every refusal is {"error": code, "message": sentence}. Routes declare theirs by `refusals`, which the API's
description (/openapi.json) shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from api.operator.running_sum import SecureSumRefused
from data.errors import DayError, MeterError
from rewards import errors as chain
from zkp import errors as proof


class ApiError(Exception):
    """A request refused. `retry_after_s`: it may be tried again after so long."""

    def __init__(self, code: str, message: str, status: int, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.code, self.status, self.retry_after_s = code, status, retry_after_s


class Refusal(BaseModel):
    """Why a request was refused: a code for programs, a sentence for people."""

    error: str
    message: str


MEANINGS: dict[str, str] = {
    "already-claimed": "the day was paid before",
    "already-open": "the total of the day was opened before",
    "busy": "too many others wait for the same work: try again after the seconds in Retry-After",
    "chain-refused": "a contract refused; its own words are in the message",
    "chain-unreachable": "the chain node does not answer, or the transaction is in no block yet: try again",
    "chain-unwritable": "the server cannot write the embedded chain's journal: nothing happened, try again later",
    "database-unreachable": "the server's database does not answer: try again later",
    "day-not-over": "the day cannot be paid before its end",
    "duplicate-forecast": "the household has committed itself to another forecast of that day",
    "forged-message": "the message is not signed by the member's key",
    "head-exists": "the household has pinned a personal head to that round",
    "internal": "a fault of the server, which is in its log",
    "invalid-proof": "the proof does not prove its statement",
    "invalid-statement": "what the bundle states is out of shape or range",
    "late-forecast": "the deadline of the day has passed",
    "late-round": "the round's model was published after the day had started",
    "malformed-message": "the message's items are not what its stage asks for",
    "malformed-proof": "the bytes are not a bundle, or its proof is none",
    "malformed-request": "the request is not of the documented form; the message names the first field that is wrong",
    "malformed-transaction": "the transaction cannot be read",
    "no-claim": "no such claim was paid here",
    "no-feed": "this server hands out no weather feed, or has none yet",
    "no-forecast": "there is no such forecast",
    "no-head": "no personal head is pinned",
    "no-measurement": "the measured total has not been opened",
    "no-model": "no model of that round is published here",
    "no-sum": "there is no sum of that day for gateways to enter",
    "no-weather": "the community's weather feed does not reach that day yet",
    "not-a-member": "the sender is not in this sum",
    "not-calibrated": "too few past days are known",
    "not-ready": "the server is up, and something that it needs is not",
    "old-round": "another round's model had taken its place before the day started",
    "other-community": "the bundle speaks of another community",
    "other-household": "bundle and transaction are of different households",
    "replayed-proof": "the proof was submitted before",
    "second-message": "the member has said something else in this stage",
    "slow-request": "the request was not complete in time",
    "stale-transaction": "the transaction's nonce or fee is out of date: sign it anew",
    "too-deep": "arrays and objects stand too deep inside one another",
    "too-early": "the time for it has not come",
    "too-large": "the request is larger than the server reads",
    "unknown-household": "the household is not enrolled",
    "unknown-round": "no model of that round is published",
    "unknown-shape": "the proof's model is not of this community's shape: check it with `wattproof verify`",
    "wrong-features": "the public features are not those of the community's weather feed",
    "wrong-head": "the forecast is not made with the personal head that is in force",
    "wrong-meter": "a day is not signed by the household's meter",
    "wrong-model": "the proof's weights are not those of its round",
    "wrong-stage": "the sum does not ask the member for that now",
}
"""What each code means, in general; the message of a refusal says more."""

_KNOWN: list[tuple[type[Exception], str, int]] = [
    (proof.MalformedProof, "malformed-proof", 422),
    (proof.InvalidProof, "invalid-proof", 422),
    (proof.InvalidStatement, "invalid-statement", 422),
    (MeterError, "wrong-meter", 422),
    (DayError, "invalid-statement", 422),
    (chain.LateForecast, "late-forecast", 409),
    (chain.DuplicateForecast, "duplicate-forecast", 409),
    (chain.UnknownHousehold, "unknown-household", 404),
    (chain.UnknownRound, "unknown-round", 409),
    (chain.LateRound, "late-round", 409),
    (chain.OldRound, "old-round", 409),
    (chain.WrongHead, "wrong-head", 409),
    (chain.HeadExists, "head-exists", 409),
    (chain.NoForecast, "no-forecast", 409),
    (chain.DayNotOver, "day-not-over", 409),
    (chain.AlreadyClaimed, "already-claimed", 409),
    (chain.WrongMeter, "wrong-meter", 422),
    (chain.StaleTransaction, "stale-transaction", 409),
    (chain.NodeUnreachable, "chain-unreachable", 503),
    (chain.JournalUnwritable, "chain-unwritable", 503),
    (chain.ChainError, "chain-refused", 409),
]
_OF_SUMS = {
    "already-open": 409, "forged-message": 403, "malformed-message": 422, "no-sum": 404, "not-a-member": 403,
    "second-message": 409, "too-early": 409, "wrong-stage": 409,
}  # fmt: skip
"""The status of each reason of `SecureSumRefused`."""
RETRY_S = 10
"""When to try again what failed for something that the server itself waits for."""
_BY_STATUS = {400: "malformed-request", 404: "not-found", 405: "wrong-method", 413: "too-large"}


def from_exception(error: Exception) -> ApiError:
    """The refusal for an error of another package."""
    if isinstance(error, SecureSumRefused):
        return ApiError(error.code, str(error), _OF_SUMS[error.code])
    for kind, code, status in _KNOWN:
        if isinstance(error, kind):
            return ApiError(code, str(error), status, RETRY_S if status == HTTPStatus.SERVICE_UNAVAILABLE else None)
    return ApiError("refused", str(error), 400)


def from_validation(error: RequestValidationError) -> ApiError:
    """The refusal for a request that is not of the documented form; it names the first field that is wrong."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    return ApiError("malformed-request", f"{where}: {problem['msg']}", 422)


def from_http(error: HTTPException) -> ApiError:
    """The refusal for what the framework itself refuses: an unknown path, a wrong method, a body that is no JSON."""
    code = _BY_STATUS.get(error.status_code, HTTPStatus(error.status_code).phrase.lower().replace(" ", "-"))
    return ApiError(code, str(error.detail), error.status_code)


def answer(refusal: ApiError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer that tells a refusal."""
    told = str(refusal).encode("utf-8", "backslashreplace").decode()  # it may quote half a surrogate pair
    after = {} if refusal.retry_after_s is None else {"Retry-After": str(refusal.retry_after_s)}
    return JSONResponse({"error": refusal.code, "message": told}, refusal.status, {**(headers or {}), **after})


def refusals(by_status: Mapping[int, list[str]]) -> dict[int | str, dict[str, Any]]:
    """A route's `responses`: by status, the codes that it may be refused with, each with an example."""
    return {
        status: {
            "model": Refusal,
            "description": ", ".join(codes),
            "content": {"application/json": {"examples": {code: _example(code) for code in codes}}},
        }
        for status, codes in by_status.items()
    }


def _example(code: str) -> dict[str, Any]:
    return {"summary": MEANINGS[code], "value": {"error": code, "message": MEANINGS[code]}}
