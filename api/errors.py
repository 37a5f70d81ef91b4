"""Refusals of the HTTP server: a code for programs, a sentence for people, a status."""

from __future__ import annotations

from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from data.errors import MeterError
from rewards import errors as chain
from zkp import errors as proof


class ApiError(Exception):
    """A request refused."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code, self.status = code, status


_KNOWN: list[tuple[type[Exception], str, int]] = [
    (proof.MalformedProof, "malformed-proof", 422),
    (proof.InvalidProof, "invalid-proof", 422),
    (proof.InvalidStatement, "invalid-statement", 422),
    (MeterError, "wrong-meter", 422),
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
    (chain.ChainError, "chain-refused", 409),
]


def from_exception(error: Exception) -> ApiError:
    """The refusal for an error of another room."""
    for kind, code, status in _KNOWN:
        if isinstance(error, kind):
            return ApiError(code, str(error), status)
    return ApiError("refused", str(error), 400)


def from_validation(error: RequestValidationError) -> ApiError:
    """The refusal for a request that is not of the documented form; it names the first field that is wrong."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    return ApiError("malformed-request", f"{where}: {problem['msg']}", 422)


def from_http(error: HTTPException) -> ApiError:
    """The refusal for what the framework itself refuses: an unknown path, a wrong method, a body too large."""
    codes = {404: "not-found", 405: "wrong-method", 413: "too-large"}
    code = codes.get(error.status_code, HTTPStatus(error.status_code).phrase.lower().replace(" ", "-"))
    return ApiError(code, str(error.detail), error.status_code)
