"""The page in a real browser: what it shows, what it asks, who can use it."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path
from typing import Any, Literal

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from eth_account.messages import encode_defunct
from playwright.sync_api import BrowserContext, Page, Route, expect
from sqlalchemy import delete

from api.http.connections import BoundedProtocol
from api.one_machine.day import register
from api.operator import progress
from api.operator.database.tables import PaidClaim
from api.protocol.bundle import ClaimBundle, encode
from api.protocol.settlement import Settlement
from api.protocol.surplus import SurplusDay
from data.interval import by_hour
from fl.store import RoundReport, RoundStore
from tests.api.conftest import DAY, Village, app_of
from tests.api.http.conftest import MANAGER, Served, config_of, shown
from tests.api.settled import WEEK
from tests.support.browser import page_of
from tests.support.served import uvicorn_served

pytestmark = pytest.mark.process
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = {"phone": 375, "tablet": 768, "desktop": 1280}
VIEWS = ["", "accuracy", "shared", "proofs", "household", "manager"]
FIRST_VIEW_BYTES, FIRST_VIEW_REQUESTS = 200_000, 12


def test_the_day_is_drawn_with_bands_and_told_hour_by_hour(served: Served, page: Page) -> None:
    shown(page, served)
    chart = page.get_by_role("slider")
    for line in ("band90", "band50", "calibrated", "sum", "measured"):
        expect(chart.locator(f".{line}")).to_have_count(1)
    chart.focus()
    page.keyboard.press("Home")
    told = served.village.client.get(f"/v1/days/{DAY}/summary").json()
    first = f"{told['calibrated']['values_wh'][0] / 1000:.1f} kW"
    assert first in (chart.get_attribute("aria-valuetext") or "") and "10:00" in (
        chart.get_attribute("aria-valuetext") or ""
    ), "the day starts at 8 UTC, which is 10 in Rome"
    expect(page.locator(".tip")).to_contain_text(first)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".tip")).to_contain_text("11:00")
    chart.hover(position={"x": 900, "y": 100})
    expect(page.locator(".tip")).to_be_visible()
    page.get_by_text("The same as a table").click()
    expect(page.locator("details tbody tr")).to_have_count(24)
    assert served.problems == []


def test_what_goes_on_is_told_as_it_happens(served: Served, page: Page) -> None:
    shown(page, served)
    live = page.locator("section[aria-labelledby=live]")
    expect(live).to_contain_text("3 / 3")
    assert served.problems == []


def test_a_proof_is_verified_in_one_click_and_a_day_in_another(served: Served, page: Page) -> None:
    shown(page, served, "proofs")
    page.get_by_role("button", name="Verify", exact=False).first.click()
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("The proof holds")
    expect(row).to_contain_text("as registered on the chain")
    expect(row.locator("ul.says li").first).to_contain_text("0x")
    page.locator("#audit").click()
    expect(page.locator("main")).to_contain_text("4 / 4 proofs hold, and all forecasts are as registered")
    assert served.problems == []


def test_a_claim_is_verified_in_one_click_and_told_in_italian_too(served: Served, page: Page) -> None:
    shown(page, served, "proofs")
    page.locator("#language").click()
    row = page.locator("tbody tr", has_text="Prova di accuratezza")
    expect(row).to_have_count(1)
    row.get_by_role("button", name="Prova di accuratezza").click()
    expect(row).to_contain_text("La prova è valida")
    expect(row).to_contain_text(f"almeno {served.claim.buckets * 100} Wh di errore assoluto in meno")
    expect(row).not_to_contain_text("household")


def test_a_claim_that_a_wallet_sent_is_told_to_be_elsewhere(served: Served, page: Page) -> None:
    with served.village.community.sessions.begin() as session:
        session.execute(delete(PaidClaim))
    shown(page, served, "proofs")
    page.locator("#audit").click()
    expect(page.locator("main")).to_contain_text("3 / 3 proofs hold")
    expect(page.locator("main")).to_contain_text("its file is not on this server")


def test_a_proof_that_does_not_hold_is_told_so(served: Served, page: Page, tmp_path: Path) -> None:
    shown(page, served, "proofs")
    content = json.loads(encode(served.claim))
    content["proof"] = content["proof"][:-2] + f"{int(content['proof'][-2:], 16) ^ 1:02x}"
    wrong = tmp_path / "wrong.json"
    wrong.write_bytes(json.dumps(content, separators=(",", ":")).encode())
    page.locator("#file").set_input_files(wrong)
    expect(page.locator("main")).to_contain_text("does NOT hold")
    page.locator("#file").set_input_files({"name": "x.json", "mimeType": "", "buffer": encode(served.claim)})
    expect(page.locator("main")).to_contain_text("The proof holds")


def test_a_proof_that_could_not_be_checked_is_not_said_to_fail(served: Served, page: Page) -> None:
    shown(page, served, "proofs")
    refusal = {"error": "not-ready", "detail": "the process that checked the proof ended: try again"}
    page.route("**/proofs/verify", lambda asked: asked.fulfill(status=503, json=refusal))
    page.locator("#file").set_input_files({"name": "x.json", "mimeType": "", "buffer": encode(served.claim)})
    expect(page.locator("main")).to_contain_text("the process that checked the proof ended")
    expect(page.locator("main")).not_to_contain_text("does NOT hold")


def test_refusals_are_told_in_italian_by_their_codes(served: Served, page: Page) -> None:
    shown(page, served, f"household/{served.claim.household}")
    page.locator("#language").click()
    file = {"name": "claim.json", "mimeType": "application/json", "buffer": b"{}"}
    page.locator("#claim-file").set_input_files(file)
    page.locator("#claim").click()
    expect(page.locator("main")).to_contain_text(
        "Non è un file di Wattproof, o la sua prova non lo è (malformed-proof)."
    )
    shown(page, served, "proofs")
    page.locator("#file").set_input_files(file)
    expect(page.locator("main")).to_contain_text("La prova NON è valida")
    expect(page.locator("main")).to_contain_text("(malformed-proof)")


def test_a_household_sees_its_record_and_claims(served: Served, page: Page) -> None:
    shown(page, served, f"household/{served.claim.household}")
    expect(page.locator("main")).to_contain_text("Tokens")
    expect(page.locator("table")).to_contain_text("claimed")
    expect(page.locator("main")).to_contain_text("What is paid, and when")
    file = {"name": "claim.json", "mimeType": "application/json", "buffer": encode(served.claim)}
    page.locator("#claim-file").set_input_files(file)
    page.locator("#claim").click()
    expect(page.locator("main")).to_contain_text("The claim was accepted")
    page.locator("#claim-wallet").click()
    expect(page.locator("main")).to_contain_text("No wallet was found in this browser")


def test_shared_energy_is_drawn_by_day_and_by_hour(served: Served, page: Page, week: Settlement) -> None:
    shown(page, served, "shared")
    main = page.locator("main")
    expect(main).to_contain_text(f"{week.period.shared_wh / 1000:.0f} kWh")
    bars = main.get_by_role("img", name="Each day")
    expect(bars.locator("rect.bar")).to_have_count(2 * 7)
    expect(bars).to_contain_text("kWh a day")
    chart = page.get_by_role("slider")
    for name in ("bandshared", "taken", "fedin"):
        expect(chart.locator(f".{name}")).to_have_count(1)
    page.get_by_label("Day", exact=True).select_option("3")
    chart.focus()
    page.keyboard.press("End")
    last = week.period.days[3]
    for wh in (last.taken[-1], last.shared[-1]):
        expect(page.locator(".tip")).to_contain_text(f"{wh / 1000:.1f} kW")
    page.locator("summary").first.click()
    expect(page.locator("details").first.locator("tbody tr")).to_have_count(7)
    assert page.locator(f"a[href='/v1/shared-energy/{WEEK}/hours.csv']").count() == 1
    for household in week.period.households:
        assert household not in page.content()
    assert served.problems == []


def test_quarters_of_an_hour_are_drawn_by_hour_and_listed_one_by_one(
    served: Served, page: Page, quarters: Settlement
) -> None:
    shown(page, served, "shared")
    main = page.locator("main")
    expect(main).to_contain_text("In each quarter of an hour")
    expect(main).to_contain_text(f"{quarters.period.shared_wh / 1000:.0f} kWh")
    page.get_by_label("Day", exact=True).select_option("2")
    chart = page.get_by_role("slider")
    assert chart.get_attribute("aria-valuemax") == "23"
    chart.focus()
    page.keyboard.press("End")
    expect(page.locator(".tip")).to_contain_text(f"{by_hour(quarters.period.days[2].taken)[-1] / 1000:.1f} kW")
    page.locator("summary").nth(1).click()
    rows = page.locator("details").nth(1).locator("tbody tr")
    expect(rows).to_have_count(96)
    expect(rows.nth(1)).to_contain_text("10:15")
    page.get_by_label("Period", exact=True).select_option(WEEK)
    expect(main).to_contain_text("In each hour")
    assert served.problems == []


def test_surplus_hours_are_shaded_and_told(served: Served, page: Page, surplus: SurplusDay) -> None:
    """Of a community in California, seen from Rome: hours are those of the device."""
    shown(page, served, "shared")
    chart = page.get_by_role("slider").first
    expect(chart.locator(".bandsurplus")).to_have_count(len(surplus.hours))
    for name in ("taken", "fedin"):
        expect(chart.locator(f".{name}")).to_have_count(1)
    chart.focus()
    page.keyboard.press("Home")
    expect(page.locator(".tip").first).to_contain_text("10:00")
    expect(page.locator(".tip").first).not_to_contain_text("Surplus")
    for _ in range(surplus.hours[0]):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".tip").first).to_contain_text("Surplus hours")
    expect(page.locator(".tip").first).to_contain_text(f"{surplus.export.hours[surplus.hours[0]] / 1000:.1f} kW")
    page.locator("summary").first.click()
    expect(page.locator("details").first.locator("tbody tr")).to_have_count(24)
    page.locator("#language").click()
    expect(page.locator("main")).to_contain_text("Ore di eccedenza")
    assert served.problems == []


def _loaded_in(page: Page, scheme: Literal["light", "dark"]) -> None:
    """What is shown next is loaded anew: nothing of the other scheme is left on it, nor on its way to this one."""
    page.goto("about:blank")
    page.emulate_media(color_scheme=scheme)


def test_surplus_hours_can_be_used_by_everybody(served: Served, page: Page, surplus: SurplusDay) -> None:
    for scheme in SCHEMES:
        _loaded_in(page, scheme)
        shown(page, served, "shared")
        expect(page.get_by_role("slider").first).to_be_visible()
        assert Axe().run(page).response["violations"] == [], scheme


WALLET = """
window.ethereum = { asked: [], async request({ method, params }) {
  this.asked.push(method);
  if (method === "eth_requestAccounts") return [ADDRESS];
  if (method === "personal_sign") return await window.sign(params[0]);
  if (method === "eth_chainId") return "0x1";
  throw new Error(method);
} };
"""


def test_a_manager_signs_in_with_a_wallet(served: Served, page: Page) -> None:
    """A wallet as EIP-1193 has it, with a real key behind it."""

    def sign(message: str) -> str:
        text = bytes.fromhex(message[2:]).decode()
        return "0x" + bytes(MANAGER.sign_message(encode_defunct(text=text)).signature).hex()

    page.expose_function("sign", sign)
    page.add_init_script(WALLET.replace("ADDRESS", json.dumps(MANAGER.address.lower())))
    shown(page, served, "manager")
    expect(page.locator("main")).to_contain_text("Sign in with a manager's")
    page.locator("#sign").click()
    expect(page.locator("main")).to_contain_text("Role: manager")
    expect(page.locator("main")).to_contain_text("Nothing needs attention")
    expect(page.locator("table").first).to_contain_text(served.claim.household[:8])
    for width in WIDTHS.values():  # with an address and a message as long as that
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width
        found = Axe().run(page).response["violations"]
        assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == [], width
    page.reload()
    expect(page.locator("main")).to_contain_text("Role: manager")
    page.locator("#sign").click()
    expect(page.locator("main")).to_contain_text("Sign in with a manager's")


SENDING = """
window.ethereum = { async request({ method, params }) {
  if (method === "eth_requestAccounts") return [ADDRESS];
  if (method === "eth_chainId") return CHAIN;
  if (method === "eth_sendTransaction") return await window.send(params[0]);
  throw new Error(method);
} };
"""


def test_a_household_claims_with_its_own_wallet(
    village: Village, claim: ClaimBundle, context: BrowserContext
) -> None:
    """The wallet signs and pays for the contract's own call, and the chain has the claim."""
    chain, rewards = village.chain_session.chain, village.chain_session.contracts.rewards
    wallet = village.homes[0].wallet
    chain.fund(wallet.address)

    def send(call: dict[str, str]) -> str:
        assert call["from"] == wallet.address.lower() and call["to"] == rewards.address
        with village.chain_session.turn:
            fields = {"to": call["to"], "data": call["data"], "gas": 2_000_000, "gasPrice": chain.gas_price * 2}
            fields |= {"nonce": chain.nonce_of(wallet.address), "chainId": chain.chain_id, "value": 0}
            signed = wallet.sign_transaction(fields)
            return "0x" + bytes(chain.web3.eth.send_raw_transaction(signed.raw_transaction)).hex()

    app = app_of(village.community, village.chain_session)
    with uvicorn_served(config_of(app)) as port:
        with page_of(context) as opened:
            opened.expose_function("send", send)
            script = SENDING.replace("ADDRESS", json.dumps(wallet.address.lower()))
            opened.add_init_script(script.replace("CHAIN", json.dumps(hex(chain.chain_id))))
            opened.goto(f"http://127.0.0.1:{port}/#/household/{wallet.address}")
            file = {"name": "claim.json", "mimeType": "application/json", "buffer": encode(claim)}
            opened.locator("#claim-file").set_input_files(file)
            opened.locator("#claim-wallet").click()
            expect(opened.locator("main")).to_contain_text("The claim was accepted")
        app.state.events.end()
    claimed = rewards.functions.claim_of(wallet.address, DAY).call()
    assert claimed[0] == wallet.address and 0 < claimed[1] <= claim.buckets


def test_the_first_view_is_light(served: Served, page: Page) -> None:
    sizes: list[int] = []
    finished = threading.Event()

    def count(answer: Any) -> None:
        if "events" not in answer.url and not answer.url.startswith("data:"):
            sizes.append(int(answer.headers.get("content-length", 0)))
            finished.set()

    page.on("response", count)
    shown(page, served)
    expect(page.get_by_role("slider")).to_be_visible()
    page.wait_for_load_state("load")
    assert sum(sizes) < FIRST_VIEW_BYTES and len(sizes) + 1 <= FIRST_VIEW_REQUESTS, (sum(sizes), len(sizes))


def test_the_page_speaks_italian(served: Served, page: Page) -> None:
    shown(page, served)
    page.locator("#language").click()
    expect(page.locator("nav")).to_contain_text("Accuratezza")
    assert page.locator("html").get_attribute("lang") == "it"
    assert page.evaluate("window.wattproofWords") == [], "every text has its translation"
    shown(page, served, "proofs")
    expect(page.locator("h1")).to_contain_text("Prove")


@pytest.mark.parametrize("status", [200, 503])
def test_a_view_that_answers_late_does_not_take_the_place_of_the_next(
    served: Served, page: Page, status: int
) -> None:
    """Whoever goes on before a view is there is shown what was asked for last."""
    shown(page, served)
    late: list[Route] = []
    page.route("**/summary", lambda asked: late.insert(0, asked))
    with page.expect_request("**/summary"):
        page.locator("#language").click()
    shown(page, served, "proofs")
    expect(page.locator("h1")).to_contain_text("Prove")
    with page.expect_response("**/summary") as answered:
        late[0].continue_() if status == 200 else late[0].fulfill(status=status, json={"detail": "away"})
    answered.value.finished()
    page.evaluate("fetch('/v1/community').then((answer) => answer.text())")  # what was to follow has followed
    assert page.locator("h1").inner_text() == "Prove"


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_serious_keeps_anybody_out_at_any_width(served: Served, page: Page, view: str) -> None:
    """axe-core's rules, and no page wider than its window."""
    for scheme in SCHEMES:
        _loaded_in(page, scheme)
        for width in WIDTHS.values():
            page.set_viewport_size({"width": width, "height": 800})
            shown(page, served, view)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (view, width)
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            found = Axe().run(page).response["violations"]
            serious = [v for v in found if v["impact"] in ("serious", "critical")]
            assert not [(scheme, width, v["id"], [n["target"] for n in v["nodes"]]) for v in serious]


def test_the_api_is_documented_from_this_server_alone(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/docs")
    route = page.locator("details", has_text="/v1/days/{day}/measured").first
    route.locator("summary").click()
    expect(route).to_contain_text("no-measurement")
    route.get_by_role("textbox").fill(str(DAY))
    route.get_by_role("button", name="Try").click()
    expect(route.locator("pre")).to_contain_text("200")
    assert served.problems == []


def test_a_day_that_nobody_has_forecast_is_said(village: Village, context: BrowserContext) -> None:
    app = app_of(village.community, village.chain_session)
    with uvicorn_served(
        uvicorn.Config(app, http=BoundedProtocol, ws="none", log_config=None, lifespan="off")
    ) as port:
        with page_of(context) as opened:
            opened.goto(f"http://127.0.0.1:{port}/")
            expect(opened.locator("main")).to_contain_text("No day has been forecast yet")
        app.state.events.end()


def test_everything_can_be_reached_with_the_keyboard(served: Served, page: Page) -> None:
    shown(page, served)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"day", "A", "SUMMARY"} <= seen and page.evaluate(
        "[...document.querySelectorAll('[tabindex]')].every((one) => Number(one.tabIndex) <= 0)"
    )


def test_registering_shows_on_an_open_page_and_a_one_shot_training_has_no_loss_there(
    village: Village, context: BrowserContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_shot = RoundStore(tmp_path)
    one_shot.save(RoundReport(7, (), (), {}, math.nan, None, {}, 0, 0, 1.0), {}, {})
    monkeypatch.setattr(progress, "RoundStore", lambda _: one_shot)
    app = app_of(village.community, village.chain_session)
    for home in village.homes[:2]:
        register(village.community, village.chain_session, home, village.bundle(home))
    with uvicorn_served(
        uvicorn.Config(app, http=BoundedProtocol, ws="none", log_config=None, lifespan="off")
    ) as port:
        with page_of(context) as opened:
            opened.goto(f"http://127.0.0.1:{port}/")
            live = opened.locator("section[aria-labelledby=live]")
            expect(live).to_contain_text("2 / 3")
            expect(live).to_contain_text("round 7")
            expect(live).not_to_contain_text("loss")
            register(village.community, village.chain_session, village.homes[2], village.bundle(village.homes[2]))
            expect(live).to_contain_text("3 / 3")
        app.state.events.end()
