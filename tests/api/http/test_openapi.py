"""The API's own description: requests made from it, right and wrong ones, get documented answers and never a 500.

schemathesis makes the requests; the server is a real one on loopback, with a day that is registered, opened and paid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.http.connections import BoundedProtocol
from api.http.errors import ApiError, answer, refusals
from api.http.paths import PREFIX
from api.http.problems import MEANINGS
from api.http.routes import VERSIONED, health
from api.protocol.settlement import Settlement
from tests.api.conftest import DAY, Village
from tests.api.settled import WEEK
from tests.support.documented import DocumentedClient
from tests.support.laws import examples
from tests.support.served import uvicorn_served

pytestmark = pytest.mark.slow

ROUTES = [
    (method.lower(), prefix + route.path)
    for prefix, module in [("", health), *[(PREFIX, module) for module in VERSIONED]]
    for route in module.router.routes
    if isinstance(route, APIRoute)
    for method in route.methods
]
SOURCES = sorted((Path(__file__).parents[3] / "api").rglob("*.py"))


def no_accident(_context: Any, response: Any, _case: Any) -> None:
    """503 is an answer, 500 never is."""
    assert response.status_code not in (500, 502, 504), response.text


CHECKS = [
    no_accident, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance,
]  # fmt: skip


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The app's address on loopback, served as `wattproof serve` does."""
    config = uvicorn.Config(app, http=BoundedProtocol, ws="none", log_config=None, lifespan="off")
    with uvicorn_served(config) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def described(settled: Village, week: Settlement) -> Iterator[schemathesis.BaseSchema]:
    """The description of the village's server, at its address; every kind of record is there."""
    with served(settled.client.app) as url:
        yield schemathesis.openapi.from_url(f"{url}/openapi.json")


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
def test_every_answer_is_documented_and_none_is_an_accident(
    village: Village, described: Any, mode: GenerationMode
) -> None:
    """To right requests about anything, and about what there is; to wrong ones of each kind."""
    address = village.homes[0].wallet.address
    known = {"address": address, "household": address, "day": DAY, "number": 1, "kind": "forecast", "period": WEEK}
    for method, path in ROUTES:
        if path.endswith("/events"):
            continue  # a line that stays open
        mine = {name: value for name, value in known.items() if f"{{{name}}}" in path}
        if mode == GenerationMode.NEGATIVE and method in ("get", "delete") and not mine:
            continue  # nothing in it can be wrong
        for fixed in ({}, mine) if mine and mode == GenerationMode.POSITIVE else ({},):

            @examples(8, suppress_health_check=list(HealthCheck))
            @given(case=described[path][method.upper()].as_strategy(generation_mode=mode, path_parameters=fixed))
            def holds(case: Any) -> None:
                case.call_and_validate(checks=CHECKS)

            holds()


def test_every_refusal_of_a_route_is_documented_with_an_example(village: Village) -> None:
    """Each code has its meaning, and a route names those that it refuses with."""
    paths = village.client.get("/openapi.json").json()["paths"]
    assert {(method, path) for path, item in paths.items() for method in item} == set(ROUTES)
    for method, path in ROUTES:
        for status, told in paths[path][method]["responses"].items():
            if int(status) >= 400 and path != "/readyz":
                examples_ = told["content"]["application/problem+json"]["examples"]
                assert examples_ and examples_.keys() <= MEANINGS.keys(), (path, status)
    used = set(re.findall(r'(?:ApiError|SecureSumRefused)\(\s*"([a-z-]+)"', "".join(p.read_text() for p in SOURCES)))
    assert used <= MEANINGS.keys() | {"refused"}


def test_the_client_of_the_tests_finds_what_is_not_documented() -> None:
    app = FastAPI()

    @app.get("/{name}", responses=refusals({404: ["no-model"]}))
    def get(name: str) -> None:
        raise HTTPException(404 if name != "teapot" else 418)

    app.add_exception_handler(HTTPException, lambda _, error: answer(ApiError("no-head", "", error.status_code)))
    client = DocumentedClient(app)
    for name, told in (("x", "404 'no-head', which is not documented"), ("teapot", "418, which is not documented")):
        with pytest.raises(AssertionError, match=told):
            client.get(f"/{name}")
