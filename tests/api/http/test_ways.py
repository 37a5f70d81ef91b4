"""What all routes have in common: paths, methods, pages of lists, tables, limits by address, browsers' protection."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from api.config.settings import ApiSettings
from api.http.problems import MEANINGS, PROBLEM_JSON
from api.http.rate_limits import RateLimits
from api.http.server import make_app
from api.one_machine.community import LocalCommunity
from api.one_machine.day import register
from api.one_machine.totals import open_measured, open_total
from api.operator.database.tables import ComputedTotals
from tests.api.conftest import DAY, Once, Village, small_config


@pytest.fixture
def over(village: Village, once: Once[None]) -> Village:
    """The village after its day."""

    def pass_day() -> None:
        for home in village.homes:
            register(village.community, village.chain_session, home, village.bundle(home))
        open_total(village.community, DAY)
        village.chain_session.chain.advance_to(village.community.start_of(DAY + 1))
        open_measured(village.community, DAY)

    once("over", pass_day)
    return village


# -- paths and methods -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/rounds", f"/forecasts/{DAY}", f"/days/{DAY}/forecast", "/households"])
def test_a_path_from_before_v1_means_the_same(over: Village, path: str) -> None:
    old, new = over.client.get(path), over.client.get("/v1" + path)
    assert (old.status_code, old.content) == (new.status_code, new.content) == (200, new.content)


@pytest.mark.parametrize(
    "path", ["/health", "/livez", "/openapi.json", "/v1/rounds", f"/v1/days/{DAY}/forecast", "/"]
)
def test_head_is_get_without_the_body(over: Village, path: str) -> None:
    whole, head = over.client.get(path), over.client.head(path)
    assert head.status_code == whole.status_code == 200 and head.content == b""
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert head.headers["content-type"] == whole.headers["content-type"]


def test_a_line_that_stays_open_has_no_head(village: Village) -> None:
    assert village.client.head("/v1/events").status_code == 405


@pytest.mark.parametrize("other", [f"0{DAY}", f"+{DAY}", f"{DAY}.0", f"{DAY // 1000}_{DAY % 1000}", f"%20{DAY}"])
def test_a_day_has_one_form_in_a_path(over: Village, other: str) -> None:
    """Answers are kept by path: as many forms as one likes would fill the memory, and be computed each time."""
    answer = over.client.get(f"/v1/days/{other}/forecast")
    assert (answer.status_code, answer.json()["error"]) == (422, "malformed-request")
    assert "path.day" in answer.json()["detail"]


def test_a_refusal_is_a_problem_whose_type_is_explained(village: Village) -> None:
    answer = village.client.get(f"/v1/days/{DAY}/measured")
    assert answer.headers["content-type"] == PROBLEM_JSON
    told = answer.json()
    assert (told["status"], told["title"]) == (404, MEANINGS["no-measurement"])
    page, _, place = told["type"].partition("#")
    assert f"id='{place}'" in village.client.get(page).text


# -- lists in pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/households", f"/v1/forecasts/{DAY}"])
def test_a_long_list_comes_in_pages_that_link_to_the_next(over: Village, path: str) -> None:
    whole, found, url = over.client.get(path), [], f"{path}?limit=2"
    assert len(whole.json()) == 3 and "link" not in whole.headers
    while url:
        answer = over.client.get(url)
        found += answer.json()
        url = answer.links.get("next", {}).get("url", "")
    assert found == whole.json()


def test_days_and_rounds_after_the_last_are_none(over: Village) -> None:
    for path, last in (("/v1/days", DAY), ("/v1/rounds", 1)):
        assert over.client.get(f"{path}?limit=1").json() and over.client.get(f"{path}?after={last}").json() == []
        assert over.client.get(f"{path}?limit=0").status_code == 422


# -- a day at a glance, and as tables --------------------------------------------------------------------------------


def test_a_day_at_a_glance(over: Village) -> None:
    with over.community.sessions.begin() as session:
        session.add(ComputedTotals(day=DAY - 1, forecast=[9] * 24, measured=[1000] * 24))
    told = over.client.get(f"/v1/days/{DAY}/summary").json()
    forecast, measured = (over.client.get(f"/v1/days/{DAY}/{kind}").json() for kind in ("forecast", "measured"))
    assert told["forecast_wh"] == forecast["values_wh"] and told["measured_wh"] == measured["values_wh"]
    assert told["day_before_wh"] == [1000] * 24
    error = sum(abs(m - 1000) for m in told["measured_wh"]) / sum(told["measured_wh"])
    assert told["accuracy"]["naive"] == pytest.approx(error, abs=1e-4)
    assert over.client.get("/v1/accuracy").json()[-1] == told["accuracy"]
    assert [home["missing"] for home in told["homes"]] == [None] * 3 and all(h["in_total"] for h in told["homes"])


def test_who_is_missing_and_why(village: Village) -> None:
    absent, *others = village.homes
    for home in others:
        register(village.community, village.chain_session, home, village.bundle(home))
    told = village.client.get(f"/v1/days/{DAY}/summary").json()
    why = {home["household"]: home["missing"] for home in told["homes"]}
    assert why == {absent.wallet.address: "not-registered"} | dict.fromkeys(h.wallet.address for h in others)
    answer = village.client.get(f"/v1/days/{DAY + 1}/summary")
    assert (answer.status_code, answer.json()["error"]) == (404, "no-day")


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_figures_as_tables(over: Village) -> None:
    told = over.client.get(f"/v1/days/{DAY}/summary").json()
    day = over.client.get(f"/v1/days/{DAY}/forecast.csv")
    assert (
        day.headers["content-type"].startswith("text/csv") and f"day-{DAY}.csv" in day.headers["content-disposition"]
    )
    rows = table(day.text)
    assert [int(row["forecast_sum_wh"]) for row in rows] == told["forecast_wh"]
    assert [int(row["measured_wh"]) for row in rows] == told["measured_wh"]
    assert rows[0]["start_utc"] == told["start"] and rows[0]["calibrated_wh"] == ""
    totals = table(over.client.get(f"/v1/days/totals.csv?first={DAY}").text)
    assert [row["measured_wh"] for row in totals] == [row["measured_wh"] for row in rows]
    assert table(over.client.get(f"/v1/days/totals.csv?first={DAY + 1}").text) == []
    forecasts = table(over.client.get(f"/v1/forecasts/{DAY}.csv").text)
    assert forecasts == [{k: str(v) for k, v in one.items()} for one in over.client.get(f"/forecasts/{DAY}").json()]
    assert over.client.get(f"/v1/days/{DAY + 1}/forecast.csv").json()["error"] == "no-forecast"


# -- limits by address -----------------------------------------------------------------------------------------------


def limited(reads: int, writes: int) -> tuple[Any, list[float]]:
    now = [0.0]

    async def ok(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return RateLimits(ok, reads, writes, lambda: now[0]), now


def test_an_address_that_asks_too_often_waits_and_others_do_not() -> None:
    app, now = limited(reads=60, writes=2)
    one = TestClient(app, client=("203.0.113.7", 1))
    assert [one.get("/").status_code for _ in range(61)] == [200] * 60 + [429]
    refused = one.get("/")
    assert refused.json()["error"] == "too-many-requests" and refused.headers["retry-after"] == "1"
    assert TestClient(app, client=("203.0.113.8", 1)).get("/").status_code == 200
    assert [one.post("/").status_code for _ in range(3)] == [200, 200, 429], "what changes something is counted apart"
    now[0] += 1
    assert [one.get("/").status_code for _ in range(2)] == [200, 429]


def test_one_network_is_one_sender_and_this_machine_is_not_counted() -> None:
    app, _ = limited(reads=1, writes=1)
    for first, second, told in (
        ("2001:db8::1", "2001:db8::ffff", 429), ("2001:db8:0:1::1", "2001:db8:0:2::1", 200),
        ("::ffff:203.0.113.9", "203.0.113.9", 429), ("127.0.0.1", "127.0.0.1", 200), ("::1", "::1", 200),
    ):  # fmt: skip
        TestClient(app, client=(first, 1)).get("/")
        assert TestClient(app, client=(second, 1)).get("/").status_code == told, (first, second)


def test_what_is_answered_is_counted_by_route_never_by_path(over: Village) -> None:
    for path in (f"/days/{DAY}/measured", f"/v1/days/{DAY}/measured", f"/v1/claims/{DAY}", "/nowhere-at-all"):
        over.client.get(path)
    lines = over.client.get("/metrics").text.splitlines()
    counted = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}
    name = "wattproof_http_requests_total"
    assert counted[f'{name}{{method="GET",route="/v1/claims/{{day}}",status="200"}}'] >= 1
    assert counted[f'{name}{{method="GET",route="(none)",status="404"}}'] >= 1
    assert not any(str(DAY) in line or "nowhere" in line for line in lines)


# -- browsers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/rounds", "/nowhere", "/problems", "/assets/app.css"])
def test_a_browser_loads_nothing_from_elsewhere_and_frames_nothing(village: Village, path: str) -> None:
    headers = village.client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"


def test_a_picture_has_its_colours_and_runs_nothing(over: Village) -> None:
    """Its styles are inside it, which the policy of the page would forbid: it would be black."""
    policy = over.client.get(f"/v1/days/{DAY}/forecast.svg").headers["content-security-policy"]
    assert "style-src 'unsafe-inline'" in policy and "default-src 'none'" in policy and "sandbox" in policy
    assert "script-src" not in policy


def test_no_cache_has_to_guess(over: Village) -> None:
    """What says nothing of its own is asked for each time; a refusal is not kept at all."""
    for path in ("/v1/days", "/v1/households", "/livez", f"/v1/forecasts/{DAY}", f"/v1/claims/{DAY}"):
        assert over.client.get(path).headers["cache-control"] == "no-cache", path
    assert over.client.get("/v1/days/1/forecast").headers["cache-control"] == "no-store"


def test_the_api_is_described_once_and_briefly(village: Village) -> None:
    described = village.client.get("/openapi.json")
    assert len(described.content) < 250_000
    again = village.client.get("/openapi.json", headers={"if-none-match": described.headers["etag"]})
    assert again.status_code == 304
    told = described.json()
    busy = told["paths"]["/v1/accuracy"]["get"]["responses"]["429"]["content"][PROBLEM_JSON]["examples"]["busy"]
    example = told["components"]["examples"][busy["$ref"].rpartition("/")[2]]
    assert example["value"]["error"] == "busy" and example["summary"] == MEANINGS["busy"]


@pytest.mark.parametrize("name", ["..%2fserver.py", "%2e%2e", "index.htm", "x" * 5000])
def test_the_page_has_no_other_files(village: Village, name: str) -> None:
    assert village.client.get(f"/assets/{name}").status_code == 404


def test_only_the_pages_that_are_named_may_read_the_api_from_elsewhere(village: Village) -> None:
    origin = {"origin": "https://example.org"}
    assert "access-control-allow-origin" not in village.client.get("/v1/rounds", headers=origin).headers
    config = small_config(village.community.folder)
    api = config.api.model_copy(update={"cors_origins": ("https://example.org",)})
    community = LocalCommunity(config.model_copy(update={"api": api}))
    client = TestClient(make_app(community, village.chain_session))
    assert client.get("/v1/rounds", headers=origin).headers["access-control-allow-origin"] == origin["origin"]
    other = client.get("/v1/rounds", headers={"origin": "https://example.com"})
    assert "access-control-allow-origin" not in other.headers
    for headers in ({}, origin):
        assert client.get("/v1/rounds/1/model", headers=headers).headers["vary"] == "Origin", "caches keep them apart"
    assert "vary" not in village.client.get("/v1/rounds/1/model").headers
    asked = client.options("/v1/claims", headers=origin | {"access-control-request-method": "POST"})
    assert asked.status_code == 200


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/", "https://example.org/page", "*", "null"])
def test_what_is_no_origin_is_refused_in_the_settings(origin: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        ApiSettings(cors_origins=(origin,))
