"""Refusals of the doors: each has a code of its own that programs can tell apart, and words for people."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus


class Code(StrEnum):
    """Why something was refused; part of the API's contract."""

    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    MALFORMED_BUNDLE = "malformed_bundle"
    MALFORMED_PROOF = "malformed_proof"
    INVALID_PROOF = "invalid_proof"
    WRONG_METER = "wrong_meter"
    WRONG_MODEL = "wrong_model"
    WRONG_FEATURES = "wrong_features"
    WRONG_COMMUNITY = "wrong_community"
    UNKNOWN_HOUSEHOLD = "unknown_household"
    OTHER_HOUSEHOLD = "other_household"
    LATE_FORECAST = "late_forecast"
    REPLAYED_PROOF = "replayed_proof"
    DUPLICATE_FORECAST = "duplicate_forecast"


_STATUS = {
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.UNKNOWN_HOUSEHOLD: HTTPStatus.NOT_FOUND,
    Code.OTHER_HOUSEHOLD: HTTPStatus.FORBIDDEN,
    Code.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.LATE_FORECAST: HTTPStatus.CONFLICT,
    Code.REPLAYED_PROOF: HTTPStatus.CONFLICT,
    Code.DUPLICATE_FORECAST: HTTPStatus.CONFLICT,
}


class Refusal(Exception):
    """Something the community does not accept."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status that goes with the code."""
        return _STATUS.get(self.code, HTTPStatus.UNPROCESSABLE_ENTITY)


class StateError(RuntimeError):
    """Something that an earlier command should have made is not there; the message says which command."""
