"""The API's description (OpenAPI 3.1): what FastAPI derives, with each refusal and its example said once."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.http.problems import MEANINGS, PROBLEM_JSON, Problem, content_of, example_name


def described(app: FastAPI) -> dict[str, Any]:
    """The description, made once for each application."""
    if not app.openapi_schema:
        told = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        components = told["components"]
        components["schemas"]["Problem"] = Problem.model_json_schema()
        components["examples"] = {
            example_name(code, status): _example(code, status) for code, status in sorted(_refused_with(told))
        }
        app.openapi_schema = told
    return app.openapi_schema


def _refused_with(told: dict[str, Any]) -> set[tuple[str, int]]:
    """Every code with every status that some route refuses with."""
    return {
        (code, int(status))
        for item in told["paths"].values()
        for operation in item.values()
        for status, answer in operation["responses"].items()
        for code in answer.get("content", {}).get(PROBLEM_JSON, {}).get("examples", ())
    }


def _example(code: str, status: int) -> dict[str, Any]:
    return {"summary": MEANINGS[code], "value": content_of(code, status, MEANINGS[code])}
