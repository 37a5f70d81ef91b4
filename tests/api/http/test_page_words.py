"""What the page says where there is nothing, in each language and time zone, and of what people have named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.http.problems import MEANINGS
from api.http.routes import site
from api.one_machine.community import LocalCommunity
from api.protocol.secure_sum import STAGES
from data.day import DayClock
from tests.api.conftest import Village, app_of, small_config
from tests.api.http.conftest import Served, config_of, shown
from tests.support.browser import page_of
from tests.support.served import uvicorn_served

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


def test_every_refusal_has_its_italian() -> None:
    text = (Path(site.__file__).parents[1] / "static" / "refusals.js").read_text()
    assert set(re.findall(r'^  "([a-z-]+)": "', text, re.MULTILINE)) == set(MEANINGS)


def test_the_steps_of_a_sum_are_those_of_the_protocol() -> None:
    text = (Path(site.__file__).parents[1] / "static" / "day.js").read_text()
    assert f"const STEPS = {json.dumps(list(STAGES))};" in text
