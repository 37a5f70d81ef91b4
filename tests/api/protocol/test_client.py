"""The client in its two forms: the same questions, the same answers, the same ways to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from api.http.connections import BoundedProtocol
from api.one_machine.day import register
from api.one_machine.totals import open_total
from api.protocol import calls
from api.protocol.bounded_client import ApiRefused, Unreachable
from api.protocol.bundle import encode
from api.protocol.calls import Call, Listing
from api.protocol.client import AsyncClient, Client
from tests.api.conftest import DAY, Village, app_of
from tests.api.lying_api import lying_api
from tests.support.served import uvicorn_served

Asked = Call[Any] | Listing[Any]


def waits(url: str, asked: Asked) -> Any:
    with Client(url) as ask:
        return ask.all(asked) if isinstance(asked, Listing) else ask(asked)


def is_awaited(url: str, asked: Asked) -> Any:
    async def run() -> Any:
        async with AsyncClient(url) as ask:
            return await (ask.all(asked) if isinstance(asked, Listing) else ask(asked))

    return asyncio.run(run())


@pytest.fixture(params=[waits, is_awaited])
def ask(request: pytest.FixtureRequest) -> Callable[[str, Asked], Any]:
    way: Callable[[str, Asked], Any] = request.param
    return way


@pytest.fixture
def url(village: Village) -> Iterator[str]:
    for home in village.homes:
        register(village.community, village.chain_session, home, village.bundle(home))
    open_total(village.community, DAY)
    app = app_of(village.community, village.chain_session)
    config = uvicorn.Config(app, http=BoundedProtocol, ws="none", log_config=None, lifespan="off")
    with uvicorn_served(config) as port:
        yield f"http://127.0.0.1:{port}"


def test_answers_have_their_types(village: Village, url: str, ask: Callable[[str, Asked], Any]) -> None:
    home = village.homes[0]
    assert ask(url, calls.health()).community == "Test village"
    assert ask(url, calls.days()) == [DAY]
    assert {one.household for one in ask(url, calls.forecasts(DAY))} == {h.wallet.address for h in village.homes}
    assert ask(url, calls.day_forecast(DAY)).values_wh == ask(url, calls.day_summary(DAY)).forecast_wh
    proof = ask(url, calls.forecast_proof(home.wallet.address, DAY))
    assert proof == encode(village.bundle(home))
    assert ask(url, calls.verify(proof)).valid
    assert ask(url, calls.signing(home.wallet.address)).chain_id == village.chain_session.chain.chain_id


def test_a_list_is_asked_for_page_by_page(
    village: Village, url: str, ask: Callable[[str, Asked], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ask(url, calls.households())
    monkeypatch.setattr(calls, "PAGE", 1)  # each page is taken for a full one, until one is empty
    assert ask(url, calls.households()) == whole


def test_a_refusal_has_its_code_and_what_is_no_answer_is_tried_again(ask: Callable[[str, Asked], Any]) -> None:
    with lying_api() as api:
        api.answers["GET /days/1/measured"] = 404, {"error": "no-measurement", "message": "not yet"}
        with pytest.raises(ApiRefused, match="not yet") as refused:
            ask(api.url, calls.day_measured(1))
        assert refused.value.code == "no-measurement"
        for status, body in (
            (500, {"error": "internal", "message": ""}),
            (200, b"<html>"),
            (200, {"day": 1}),
            (302, b""),
        ):
            api.answers["GET /days/1/measured"] = status, body
            with pytest.raises(Unreachable):
                ask(api.url, calls.day_measured(1))
        api.answers["GET /days/1/measured"] = 200, b" " * (calls.LARGE_BYTES + 1)
        with pytest.raises(Unreachable, match="larger than"):
            ask(api.url, calls.day_measured(1))
    with pytest.raises(Unreachable):
        ask("http://127.0.0.1:9", calls.health())


def test_a_list_without_end_is_given_up(ask: Callable[[str, Asked], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.protocol.client._MOST_PAGES", 3)
    monkeypatch.setattr(calls, "PAGE", 2)
    with lying_api() as api:
        api.answers["GET /days"] = 200, [1, 2]
        with pytest.raises(Unreachable, match="does not end"):
            ask(api.url, calls.days())
        assert len(api.asked) == 3
