"""The gateway's own page: its people see their forecasts and readings; nobody else does."""

from __future__ import annotations

import http.client
import json
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from api.gateway.home import Home
from api.gateway.local_page import LocalPage
from api.gateway.outbox import Outbox, Submission
from api.gateway.own_days import OwnDays
from api.gateway.own_shares import SHARES, OwnShare, keep_share, own_shares
from api.gateway.own_surplus import SURPLUS, keep_surplus
from api.gateway.sealed import SealedForecast
from api.protocol.schemas import SurplusHours
from data.errors import DamagedFile, DataError
from tests.api.conftest import small_config
from tests.support.browser import chromium
from tests.support.waiting import until

DAY = 20_000
FORECAST, READINGS = tuple(range(500, 524)), tuple(range(480, 504))


@pytest.fixture
def own(tmp_path: Path) -> OwnDays:
    """A gateway with a signed day and a forecast of the next."""
    config = small_config(tmp_path)
    home = Home("elm-3", config.api.homes_dir / "elm-3")
    home.vault.put(*home.meter.sign_day(home.wallet.address, DAY, READINGS))
    for day in (DAY, DAY + 1):
        home.seal(day, SealedForecast(FORECAST + FORECAST, 7))
    Outbox(config.api.outbox_dir, "elm-3").put(Submission("forecast", DAY, 0, "done"))
    Outbox(config.api.outbox_dir, "elm-3").put(Submission("claim", DAY, 0, "refused", "late-claim"))
    for first in (DAY - 60, DAY - 30):
        keep_share(home.folder, OwnShare(first, first + 29, 30, "import", first, 4 * first))
    keep_share(home.folder, OwnShare(DAY - 30, DAY - 1, 28, "export", 7_000, 9_000))
    return OwnDays(config, "elm-3")


@pytest.fixture
def page(own: OwnDays) -> Iterator[LocalPage]:
    served = LocalPage(0, own.shown)
    threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True).start()
    yield served
    served.shutdown()
    served.server_close()


def asked(page: LocalPage, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    with closing(http.client.HTTPConnection("127.0.0.1", page.server_port, timeout=60)) as line:
        line.request("GET", path, headers={"Host": f"127.0.0.1:{page.server_port}"} | headers)
        answer = line.getresponse()
        return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}


def test_a_home_sees_its_days_and_what_became_of_them(own: OwnDays) -> None:
    told = own.shown()
    assert told["home"] == "elm-3"
    newest, measured = told["days"]
    assert (newest["day"], newest["readings_wh"], newest["forecast_state"]) == (DAY + 1, None, None)
    assert (measured["typical_wh"], measured["readings_wh"]) == (list(FORECAST), list(READINGS))
    assert (measured["forecast_state"], measured["claim_state"]) == ("done", "refused: late-claim")


def test_a_home_sees_its_own_shares_newest_period_first(own: OwnDays, tmp_path: Path) -> None:
    told = own.shown()["shares"]
    assert [(one["first_day"], one["side"]) for one in told] == [
        (DAY - 30, "export"), (DAY - 30, "import"), (DAY - 60, "import"),
    ]  # fmt: skip
    assert (told[0]["first_date"], told[0]["share_wh"], told[0]["days"]) == ("2024-09-04", 7_000, 28)
    assert "7000" not in repr(OwnShare(1, 30, 30, "export", 7_000, 9_000)), "not into a log"


def test_a_share_that_is_proved_again_is_kept_once_and_a_damaged_list_is_named(tmp_path: Path) -> None:
    share = OwnShare(1, 30, 30, "import", 5, 9)
    for _ in range(2):
        keep_share(tmp_path, share)
    assert own_shares(tmp_path) == [share]
    assert (tmp_path / SHARES).stat().st_mode & 0o077 == 0
    for damaged in ("[{}]", "{", '[{"first_day": "1"}]', "[[]]"):
        (tmp_path / SHARES).write_text(damaged)
        with pytest.raises(DamagedFile, match=r"shares\.json is damaged"):
            own_shares(tmp_path)


def test_a_home_that_is_not_here_is_not_made(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    with pytest.raises(DataError, match="is this its gateway"):
        OwnDays(config, "elm-9")
    assert not (config.api.homes_dir / "elm-9").exists()


def test_only_the_link_opens_it(page: LocalPage) -> None:
    for path in ("/", "/days.json", "/home.js", f"/?key={'x' * 43}", "/?key="):
        status, body, _ = asked(page, path)
        assert status == 403 and b"480" not in body, path
    status, _, headers = asked(page, f"/?key={page.key}")
    assert (status, headers["location"]) == (303, "/")
    assert "HttpOnly" in headers["set-cookie"] and "SameSite=Strict" in headers["set-cookie"]
    cookie = headers["set-cookie"].split(";")[0]
    status, body, headers = asked(page, "/days.json", Cookie=cookie)
    assert status == 200 and json.loads(body)["days"][1]["readings_wh"] == list(READINGS)
    assert headers["cache-control"] == "no-store" and "default-src 'none'" in headers["content-security-policy"]


def test_a_name_that_was_made_to_point_here_does_not_open_it(page: LocalPage) -> None:
    """DNS rebinding: a page elsewhere, whose name now leads to this machine, asks with the reader's cookie."""
    for host in (
        "evil.example",
        f"evil.example:{page.server_port}",
        "",
        f"127.0.0.1.evil.example:{page.server_port}",
    ):
        cookie = f"{page.cookie}={page.key}"
        assert asked(page, "/days.json", Host=host, Cookie=cookie)[0] == 421


@pytest.mark.parametrize("path", ["/../vault.db", "/%2e%2e/vault.db", "/wallet.key", "/days.json/..", "//etc/passwd"])
def test_there_are_no_other_files(page: LocalPage, path: str) -> None:
    assert asked(page, path, Cookie=f"{page.cookie}={page.key}")[0] in (403, 404)


def test_the_pages_of_two_homes_of_a_machine_do_not_close_one_another(page: LocalPage, own: OwnDays) -> None:
    """Browsers keep cookies by address, without the port."""
    other = LocalPage(0, own.shown)
    other.server_close()
    kept = {page.cookie: page.key, other.cookie: other.key}
    assert len(kept) == 2
    assert asked(page, "/days.json", Cookie="; ".join(f"{name}={key}" for name, key in kept.items()))[0] == 200


def test_what_is_no_cookie_opens_nothing(page: LocalPage) -> None:
    name = page.cookie
    for cookie in (name, f"{name}=\x01; x", "a=b; =;;;", f'{name}="', f"wattproof_home={page.key}"):
        assert asked(page, "/days.json", Cookie=cookie)[0] == 403


def test_looking_changes_nothing(own: OwnDays, tmp_path: Path) -> None:
    def files() -> dict[str, tuple[bytes, int]]:
        return {str(p): (p.read_bytes(), stat.S_IMODE(p.stat().st_mode)) for p in tmp_path.rglob("*") if p.is_file()}

    before: dict[str, Any] = files()
    own.shown()
    assert files() == before


def surplus_hours() -> SurplusHours:
    """Of the day after: three hours of surplus from 17:00 UTC."""
    return SurplusHours(
        day=DAY + 1, date=date(2024, 10, 5), start="2024-10-05T08:00:00+00:00", homes=5, exporting_homes=4,
        load_wh=[700] * 24, export_wh=[0] * 9 + [900, 1500, 1200] + [0] * 12, hours=[9, 10, 11],
        best_hours=[10, 11, 9], load_round=1, load_digest="0x01", export_round=2, export_digest="0x02",
    )  # fmt: skip


@pytest.mark.process
def test_it_is_drawn_in_a_browser(page: LocalPage, own: OwnDays) -> None:
    with chromium() as browser:
        opened = browser.new_page(locale="en-GB", timezone_id="Europe/Rome")
        problems = list[str]()
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.goto(page.link)
        opened.get_by_label("Day", exact=True).select_option(str(DAY))
        chart = opened.get_by_role("slider")
        expect(chart.locator(".calibrated")).to_have_count(1)
        expect(chart.locator(".measured")).to_have_count(1)
        expect(opened.locator("main")).to_contain_text("refused: late-claim")
        expect(opened.locator("main")).to_contain_text("12.3 kWh")
        shares = opened.get_by_role("region", name="Your shared energy").locator("tbody tr")
        expect(shares).to_have_count(2)
        expect(shares.first).to_contain_text("7.0 / 9.0 (77.8%)")
        expect(shares.last).to_contain_text("–")
        keep_surplus(own._home.folder, surplus_hours())
        opened.reload()
        expect(opened.locator("main")).to_contain_text("Surplus hours")
        expect(opened.get_by_role("slider").first.locator(".bandsurplus")).to_have_count(3)
        expect(opened.locator("main")).to_contain_text("19:00–22:00")
        assert page.key not in opened.url and problems == []
        for width, scheme in ((375, "dark"), (1280, "light")):
            opened.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            opened.set_viewport_size({"width": width, "height": 800})
            assert opened.evaluate("document.documentElement.scrollWidth") <= width
            found = Axe().run(opened).response["violations"]
            assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []


@pytest.mark.process
def test_it_speaks_the_browsers_language(page: LocalPage) -> None:
    with chromium() as browser:
        opened = browser.new_page(locale="it-IT", timezone_id="Europe/Rome")
        opened.goto(page.link)
        opened.get_by_label("Giorno", exact=True).select_option(str(DAY))
        expect(opened.locator("main")).to_contain_text("rifiutata: late-claim")
        expect(opened.locator("main")).to_contain_text("12,3 kWh")
        expect(opened.locator(".chart text", has_text="0,6")).to_have_count(1)


def test_a_home_sees_the_best_hours_of_the_next_day(page: LocalPage, own: OwnDays) -> None:
    assert own.shown()["surplus"] is None
    keep_surplus(own._home.folder, surplus_hours())
    told = json.loads(asked(page, "/days.json", Cookie=f"{page.cookie}={page.key}")[1])["surplus"]
    assert (told["best_hours"], told["date"]) == ([10, 11, 9], "2024-10-05")
    (own._home.folder / SURPLUS).write_text("{")
    status, body, _ = asked(page, "/days.json", Cookie=f"{page.cookie}={page.key}")
    assert status == 500 and SURPLUS in json.loads(body)["detail"]


def test_a_damaged_file_is_named_on_the_page(page: LocalPage, own: OwnDays, tmp_path: Path) -> None:
    (own._home.folder / SHARES).write_text("[")
    status, body, _ = asked(page, "/days.json", Cookie=f"{page.cookie}={page.key}")
    assert status == 500 and b"shares.json is damaged" in body


def test_a_fault_shows_no_value(page: LocalPage, capsys: pytest.CaptureFixture[str]) -> None:
    """The library's own answer to one is a traceback with its message, on the terminal."""

    def fails() -> dict[str, Any]:
        int("".join(("a", " reading")))
        return {}

    page.shown = fails
    with pytest.raises(http.client.HTTPException):
        asked(page, "/days.json", Cookie=f"{page.cookie}={page.key}")
    told: list[str] = []

    def is_told() -> bool:
        told.append(capsys.readouterr().err)
        return "ValueError" in "".join(told)

    until(is_told, "the fault's outline")
    assert "a reading" not in "".join(told)
