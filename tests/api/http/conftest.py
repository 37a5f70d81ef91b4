"""The page, served after the village's day, in a browser on which nothing may go wrong unseen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from eth_account import Account
from eth_account.signers.local import LocalAccount
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.http.connections import BoundedProtocol
from api.one_machine.community import LocalCommunity
from api.operator.database.tables import ComputedTotals
from api.protocol.bundle import ClaimBundle
from api.protocol.settlement import Settlement
from tests.api.conftest import DAY, Village, app_of, small_config
from tests.support.browser import chromium, page_of
from tests.support.served import uvicorn_served

MANAGER: LocalAccount = Account.from_key(b"\x0b" * 32)


@dataclass
class Served:
    """The village's server after its day, with a month of totals before it."""

    url: str
    claim: ClaimBundle
    village: Village
    problems: list[str] = field(default_factory=list)


def config_of(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(app, http=BoundedProtocol, ws="none", log_config=None, lifespan="off")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For this file alone: Playwright's event loop runs in this thread as long as it is open."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    """What all pages of a file are opened in, one after the other (`tests.support.browser.page_of`)."""
    return browser.new_context(locale="en-GB", timezone_id="Europe/Rome", viewport={"width": 1280, "height": 900})


@pytest.fixture
def served(settled: Village, claim: ClaimBundle, week: Settlement) -> Iterator[Served]:
    village = settled
    with village.community.sessions.begin() as session:
        for k in range(1, 40):
            measured = [800 + 40 * ((hour + k) % 24) for hour in range(24)]
            forecast = [value + 15 * ((hour * k) % 5 - 2) for hour, value in enumerate(measured)]
            session.add(ComputedTotals(day=DAY - k, forecast=forecast, measured=measured))
    config = small_config(village.community.folder)
    roles = {"managers": (MANAGER.address,), "public_url": "http://127.0.0.1:1"}
    community = LocalCommunity(config.model_copy(update={"api": config.api.model_copy(update=roles)}))
    app = app_of(community, village.chain_session)
    with uvicorn_served(config_of(app)) as port:
        yield Served(f"http://127.0.0.1:{port}", claim, village)
        app.state.events.end()


@pytest.fixture
def page(served: Served, context: BrowserContext) -> Iterator[Page]:
    """A page on which nothing may go wrong unseen, and nothing be asked of another host."""
    with page_of(context) as opened:
        opened.on("pageerror", lambda error: served.problems.append(str(error)))
        opened.on("console", lambda said: said.type == "error" and served.problems.append(said.text))
        opened.on(
            "request", lambda asked: asked.url.startswith((served.url, "data:")) or served.problems.append(asked.url)
        )
        yield opened


def shown(page: Page, served: Served, view: str = "") -> Page:
    page.goto(f"{served.url}/#/{view}")
    expect(page.locator("main h1")).to_be_visible()
    return page
