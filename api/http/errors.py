"""Refusals of the HTTP server: a code for programs, a sentence for people, a status.

`api.http.problems` lists all of them. Every refusal is a problem in JSON (RFC 9457). Routes
declare theirs by `refusals`, which the API's description (/openapi.json) shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api.http.problems import PROBLEM_JSON, content_of, example_name
from api.operator.running_sum import SecureSumRefused
from data.errors import DayError, MeterError
from rewards import errors as chain
from zkp import errors as proof


class ApiError(Exception):
    """A refused request. `retry_after_s`: when it may be retried."""

    def __init__(self, code: str, message: str, status: int, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.code, self.status, self.retry_after_s = code, status, retry_after_s


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
    (chain.EarlyForecast, "too-early", 409),
    (chain.LateClaim, "late-claim", 409),
    (chain.CapReached, "year-cap", 409),
    (chain.Paused, "paused", 409),
    (chain.MembershipRefused, "no-such-membership", 409),
    (chain.NoWeights, "no-green-hours", 409),
    (chain.NoSkillClaim, "no-skill-claim", 409),
    (chain.GreenRefused, "not-green", 409),
    (chain.NotTheHousehold, "forged-statement", 403),
    (chain.LateSignature, "late-statement", 409),
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
"""When to retry a request that failed because the server itself is waiting for something."""
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
    """The refusal for what the framework itself refuses: an unknown path, a wrong method, a body that is not JSON."""
    code = _BY_STATUS.get(error.status_code, HTTPStatus(error.status_code).phrase.lower().replace(" ", "-"))
    return ApiError(code, str(error.detail), error.status_code)


def answer(refusal: ApiError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The HTTP answer for a refusal."""
    message = str(refusal).encode("utf-8", "backslashreplace").decode()  # it may quote half a surrogate pair
    after = {} if refusal.retry_after_s is None else {"Retry-After": str(refusal.retry_after_s)}
    content = content_of(refusal.code, refusal.status, message)
    kept = {"Cache-Control": "no-store"}  # what is refused now may be there in a moment
    return JSONResponse(content, refusal.status, {**kept, **(headers or {}), **after}, PROBLEM_JSON)


def refusals(by_status: Mapping[int, list[str]]) -> dict[int | str, dict[str, Any]]:
    """A route's `responses`: by status, its refusals' codes, each with an example (`api.http.description`)."""
    return {
        status: {
            "description": ", ".join(codes),
            "content": {
                PROBLEM_JSON: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {
                        code: {"$ref": f"#/components/examples/{example_name(code, status)}"} for code in codes
                    },
                }
            },
        }
        for status, codes in by_status.items()
    }
