"""What the page says where there is nothing, in each language and time zone, and of what people have named."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.http.problems import MEANINGS
from api.http.routes import site
from api.one_machine.community import LocalCommunity
from api.operator import running_sum
from api.operator.overview import Alert
from api.protocol.secure_sum import STAGES
from data.day import DayClock
from fl.secagg import aggregator, envelopes
from tests.api.conftest import DAY, Village, app_of, small_config
from tests.api.http.conftest import Served, config_of, shown
from tests.support.browser import page_of
from tests.support.served import uvicorn_served
from zkp.statements import total

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    ("view", "told"),
    [
        (f"household/0x{'0' * 40}", "No household of this community has that address"),
        ("household/nobody", "That is not an address"),
        ("household/..%2F..%2Fv1%2Fsession?x=<img src=x onerror=alert(1)>", "That is not an address"),
        ("/99999", "Nothing was forecast for that day here"),
        ("/<script>", "Nothing was forecast for that day here"),
    ],
)
def test_what_there_is_not_is_said_in_words(served: Served, page: Page, view: str, told: str) -> None:
    shown(page, served, view)
    expect(page.locator("main")).to_contain_text(told)
    assert page.locator("main img, main script").count() == 0


def test_a_server_that_is_gone_is_said_in_words(served: Served, page: Page) -> None:
    shown(page, served)
    page.route("**/v1/**", lambda asked: asked.abort())
    page.get_by_role("link", name="Accuracy").click()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    page.locator("#language").click()
    expect(page.get_by_role("alert")).to_contain_text("Il server non risponde")


@pytest.mark.parametrize(
    "answer",
    [
        {"content_type": "application/json", "body": "{oops"},
        {"content_type": "text/html", "body": "<html>Log in to the network</html>"},
        {"content_type": "application/json", "body": '{"portal": "log in"}'},
    ],
)
def test_an_answer_of_something_in_between_is_said_in_words(
    served: Served, page: Page, answer: dict[str, str]
) -> None:
    """The browser's own words for it are English, and tell nobody anything: `days.filter is not a function`."""
    shown(page, served)
    page.route("**/v1/accuracy", lambda asked: asked.fulfill(**answer))  # type: ignore[arg-type]
    page.get_by_role("link", name="Accuracy").click()
    expect(page.get_by_role("alert")).to_contain_text("What answers is not this community's server")
    page.locator("#language").click()
    expect(page.get_by_role("alert")).to_contain_text("Chi risponde non è il server di questa comunità")


def test_a_part_of_the_page_that_does_not_load_is_said_in_words(served: Served, page: Page) -> None:
    shown(page, served)
    page.route("**/assets/accuracy.js", lambda asked: asked.abort())
    page.get_by_role("link", name="Accuracy").click()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")


def test_a_proxy_that_answers_for_a_check_is_no_verdict(served: Served, page: Page) -> None:
    shown(page, served, "proofs")
    page.route("**/v1/proofs/verify", lambda asked: asked.fulfill(status=502, body="<html>Bad gateway</html>"))
    page.locator("#file").set_input_files({"name": "a.json", "mimeType": "application/json", "buffer": b"{}"})
    expect(page.locator("[role=status] .bad")).to_have_text("The server does not answer. Try again in a moment.")


def test_a_proxy_that_answers_for_a_proof_is_no_verdict_on_it(served: Served, page: Page) -> None:
    shown(page, served, "proofs")
    page.route("**/v1/forecasts/*/*/proof", lambda asked: asked.fulfill(content_type="text/html", body="<html>"))
    page.get_by_role("button", name="Verify", exact=False).first.click()
    expect(page.locator("[role=status] .bad").first).to_contain_text("What answers is not this community's server")


@pytest.mark.parametrize("zone", ["Pacific/Honolulu", "Europe/Rome", "Pacific/Auckland"])
def test_a_day_has_one_date_on_every_page_in_every_time_zone(served: Served, browser: Browser, zone: str) -> None:
    """That of its middle, as reports and commands have it: what starts at 23:00 UTC is the next date's."""
    opened = browser.new_context(locale="en-GB", timezone_id=zone).new_page()
    opened.goto(f"{served.url}/docs")
    for starts_at, shows in ((8, "30 May 2017"), (22, "31 May 2017"), (23, "31 May 2017")):
        assert f"{DayClock(starts_at).date_of(17316):%-d %b %Y}" == shows
        script = f"""import("/assets/words.js").then((words) => {{
          words.setDayStart({starts_at});
          return [words.dateOfDay(17316), words.longDateOfDay(17316), words.plainDate("2017-05-30")];
        }})"""
        short, long, plain = opened.evaluate(script)
        assert short == shows and long.endswith(shows) and plain == "30 May 2017", starts_at
    opened.context.close()


def test_names_of_the_community_are_text_on_every_page(village: Village, context: BrowserContext) -> None:
    """Whatever the operator calls it."""
    name = "<img src=x onerror=alert(1)>\"'&</script>"
    config = small_config(village.community.folder)
    named = config.model_copy(update={"community": config.community.model_copy(update={"name": name})})
    app = app_of(LocalCommunity(named), village.chain_session)
    with uvicorn_served(config_of(app)) as port:
        with page_of(context) as opened:
            opened.goto(f"http://127.0.0.1:{port}/")
            expect(opened.locator("#community")).to_have_text(name)
            assert opened.locator("header img").count() == 0
        app.state.events.end()


def test_why_a_sum_failed_is_said_in_italian(served: Served, page: Page) -> None:
    """Of every kind of sum."""
    reasons = {
        "forecast": "2 gateways are left, 3 must be. elm-3 is left out: its envelope to elm-5 was forged",
        "export": "a class has 2 gateways in the sum, and its total takes 3",
        "measured": f"the measured total is not the sum of the commitments to day {DAY}",
        "shared": "2 shares of a secret of elm-4 came back, 3 are needed",
    }
    found = [Alert(code="sum-failed", day=DAY, kind=kind, reason=reason) for kind, reason in reasons.items()]
    page.route("**/v1/session", lambda asked: asked.fulfill(json={"address": "0x00", "role": "manager"}))
    page.route("**/v1/manage/alerts", lambda asked: asked.fulfill(json=[one.model_dump() for one in found]))
    page.route("**/v1/manage/members", lambda asked: asked.fulfill(json=[]))
    shown(page, served, "manager")
    told = page.locator("#alerts")
    expect(told).to_contain_text("the forecast export sum of 1 Jul 2017 failed: a class has 2 gateways")
    page.locator("#language").click()
    for words in (
        "delle previsioni del 1 lug 2017 è fallita: restano 2 gateway e ne servono 3. elm-3 è escluso: la sua busta",
        "dell'immissione prevista del 1 lug 2017 è fallita: una classe ha 2 gateway",
        "delle misure del 1 lug 2017 è fallita: il totale misurato non è la somma",
        "dell'energia condivisa del 1 lug 2017 è fallita: sono tornate 2 parti di un segreto di elm-4",
    ):
        expect(told).to_contain_text(words)


def test_the_italian_of_failed_sums_is_of_what_the_server_says() -> None:
    text = _static("failures.js")
    said = "".join(inspect.getsource(module) for module in (running_sum, envelopes, aggregator, total))
    patterns = re.findall(r"^  \[/(.*)/g, ", text, re.MULTILINE)
    assert len(patterns) > 10
    for pattern in patterns:
        for words in re.split(r"\(.*?\)|\.\*|\\.", pattern):
            assert words in said, pattern


def _static(name: str) -> str:
    return (Path(site.__file__).parents[1] / "static" / name).read_text()


def test_every_refusal_has_its_italian() -> None:
    text = _static("refusals.js")
    assert set(re.findall(r'^  "([a-z-]+)": "', text, re.MULTILINE)) == set(MEANINGS)


def test_the_steps_of_a_sum_are_those_of_the_protocol() -> None:
    text = _static("day.js")
    assert f"const STEPS = {json.dumps(list(STAGES))};" in text
