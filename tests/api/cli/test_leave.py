"""A household withdraws its consent, end to end: by its gateway's command, the API's relay, chain, database, disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
import yaml
from sqlalchemy import select

from api.cli.main import app as commands
from api.gateway.home import Home
from api.operator.database.tables import Base, Departure
from api.operator.payer import Payer
from api.operator.settlement import Settlement
from api.protocol.bundle import ClaimBundle, encode
from rewards.claims import claims_close
from rewards.consent import SignedStatement, Statement, sign_statement
from rewards.membership import membership
from tests.api.conftest import DAY, Village, app_of
from tests.support.commands import CliRunner
from tests.support.served import uvicorn_served
from tests.support.waiting import LIMIT_S

ASK = httpx.Client(timeout=LIMIT_S)

pytestmark = pytest.mark.slow


@dataclass
class Gateway:
    """The first home's gateway, with files of its own, and a server on loopback."""

    village: Village
    folder: Path
    url: str

    @property
    def home(self) -> Home:
        return self.village.homes[0]

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def run(self, *arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(commands, [*arguments, "-c", str(self.folder / "community.yaml")])
        return done.exit_code, done.output if done.exception is None else f"{done.output}{done.exception}"

    def signed(self, says: Statement, *, signer: int = 0) -> SignedStatement:
        session, who = self.village.chain_session, self.home.wallet.address
        facts = membership(session.chain, session.contracts, who, invited=True)
        told = sign_statement(self.village.homes[signer].wallet, says, facts)
        return SignedStatement(says, who, told.deadline, told.signature)

    def say(self, signed: SignedStatement) -> tuple[int, str]:
        content = {"says": signed.says, "deadline": signed.deadline, "signature": "0x" + signed.signature.hex()}
        answer = ASK.post(f"{self.url}/households/{signed.household}/membership", json=content)
        return answer.status_code, answer.json().get("error") or answer.json()["state"]

    def rows(self) -> list[str]:
        """Tables with a row that names the household."""
        found = []
        with self.village.community.sessions() as session:
            for table in Base.metadata.sorted_tables:
                rows = [str(dict(row)) for row in session.execute(select(table)).mappings()]
                if any(self.home.wallet.address in row for row in rows):
                    found.append(table.name)
        return found


@pytest.fixture
def gateway(village: Village, claim: ClaimBundle, tmp_path: Path) -> Iterator[Gateway]:
    """After a day, on which the home was better than the benchmarks."""
    home = village.homes[0]
    shutil.copytree(home.folder, tmp_path / "state" / "homes" / home.name)
    proof = village.community.config.api.proofs_dir / str(DAY) / f"{home.name}.json"
    (tmp_path / "state" / "proofs" / str(DAY)).mkdir(parents=True)
    shutil.copy(proof, tmp_path / "state" / "proofs" / str(DAY))
    for table in ("readings.csv", "quarters.csv"):
        (tmp_path / table).write_text("unique_id,ds,y\n", encoding="utf-8")
    with uvicorn_served(
        uvicorn.Config(app_of(village.community, village.chain_session), log_level="warning", lifespan="off")
    ) as port:
        url = f"http://127.0.0.1:{port}"
        settings = {
            "community": {"name": "Test village"},
            "data": {"source": "files", "files": ["readings.csv"], "quarters": ["quarters.csv"]},
            "api": {"state_dir": "state"},
            "gateway": {"api_url": url},
        }
        (tmp_path / "community.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        assert ASK.post(f"{url}/claims", content=encode(claim)).status_code == 201
        yield Gateway(village, tmp_path, url)


def settle(gateway: Gateway) -> None:
    """What the server has taken on is final."""
    for _ in range(2):
        Settlement(gateway.village.community, gateway.village.chain_session).look()


def paid(gateway: Gateway) -> int:
    """The day's claims are closed and paid; what the household has then."""
    session = gateway.village.chain_session
    session.chain.advance_to(claims_close(session.contracts, DAY))
    Payer(gateway.village.community, session).look()
    settle(gateway)
    held = session.contracts.reward_token.functions.balanceOf(gateway.home.wallet.address).call()
    return int(held)


def test_a_household_leaves_and_nothing_of_it_stays_but_what_is_said(gateway: Gateway, claim: ClaimBundle) -> None:
    name, who = gateway.home.name, gateway.home.wallet.address
    contracts = gateway.village.chain_session.contracts
    tokens = paid(gateway)
    assert tokens == claim.buckets * 10**18
    code, told = gateway.run("leave", name, "--yes")
    assert code == 0 and "has left" in told, told
    assert gateway.rows() == ["departures"], "only that it has left"
    kept = {path.name for path in (gateway.state / "homes" / name).iterdir()}
    assert kept == {"wallet.key", "meter.key"}
    assert not list(gateway.folder.glob("*.csv"))
    assert not list(gateway.state.rglob(f"{name}.json"))
    assert contracts.household_nft.functions.is_burnt(who).call()
    assert contracts.forecast_registry.functions.has_left(who).call()
    assert contracts.reward_token.functions.balanceOf(who).call() == tokens, "what it has earned is its own"
    assert gateway.run("leave", name, "--yes")[0] == 0, "a repeat finishes what an end of the power left"


def test_who_has_left_is_refused_everywhere(gateway: Gateway, claim: ClaimBundle) -> None:
    village, who = gateway.village, gateway.home.wallet.address
    bundle = village.bundle(gateway.home)
    forecast = {"bundle": bundle.model_dump(), "transaction": village.transaction(gateway.home.wallet, bundle)}
    assert gateway.run("leave", gateway.home.name, "--yes", "--keep-readings")[0] == 0
    assert (gateway.folder / "readings.csv").exists()
    for path, content in (("/claims", encode(claim)), ("/forecasts", None)):
        sent = ASK.post(gateway.url + path, content=content, json=None if content else forecast)
        assert (sent.status_code, sent.json()["error"]) == (404, "unknown-household"), path
    assert who not in {h["address"] for h in ASK.get(f"{gateway.url}/households").json()}
    assert ASK.get(f"{gateway.url}/households/{who}/rewards").status_code == 404
    assert ASK.get(f"{gateway.url}/forecasts/{who}/{DAY}/proof").status_code == 404
    assert ASK.get(f"{gateway.url}/claims/{who}/{DAY}/proof").status_code == 404
    village.community.enrol(village.chain_session.chain, village.chain_session.contracts)  # the server starts again
    assert ASK.get(f"{gateway.url}/households/{who}/membership").json()["state"] == "left"
    assert gateway.say(gateway.signed("enrolment")) == (409, "no-such-membership")


def test_a_claim_that_waits_is_paid_before_its_rows_go(gateway: Gateway, claim: ClaimBundle) -> None:
    assert gateway.run("leave", gateway.home.name, "--yes")[0] == 0
    settle(gateway)
    assert sorted(gateway.rows()) == ["assigned_meters", "claimed_days", "departures", "households"]
    assert paid(gateway) == claim.buckets * 10**18
    assert gateway.rows() == ["departures"]


def test_a_household_comes_back_by_its_own_word_and_its_record_stays_burnt(gateway: Gateway) -> None:
    paid(gateway)
    who = gateway.home.wallet.address
    refused, told = gateway.run("rejoin", gateway.home.name)
    assert refused == 0, told  # it is a member: nothing to do
    assert gateway.run("leave", gateway.home.name, "--yes")[0] == 0
    assert gateway.run("rejoin", gateway.home.name)[0] == 0
    with gateway.village.community.sessions() as session:
        assert session.get(Departure, who) is None
    assert ASK.get(f"{gateway.url}/households/{who}/membership").json()["state"] == "enrolled"
    assert gateway.village.chain_session.contracts.household_nft.functions.is_burnt(who).call()


def test_nobody_says_it_in_the_households_place(gateway: Gateway) -> None:
    """The attack: somebody has a household thrown out, or its record burnt."""
    for says in ("leaving", "coming-back"):
        code, why = gateway.say(gateway.signed(says, signer=1))
        assert (code, why) in {(403, "forged-statement"), (200, "enrolled")}
    honest = gateway.signed("leaving")
    late = SignedStatement("leaving", honest.household, honest.deadline + 1, honest.signature)
    assert gateway.say(late) == (403, "forged-statement")
    paid(gateway)
    assert gateway.say(gateway.signed("burning", signer=1)) == (403, "forged-statement")
    registry = gateway.village.chain_session.contracts.forecast_registry.functions
    assert registry.is_enrolled(gateway.home.wallet.address).call()
    gateway.village.chain_session.chain.advance_to(honest.deadline + 1)
    assert gateway.say(honest) == (409, "late-statement")


def test_a_gateway_without_its_server_erases_nothing(gateway: Gateway) -> None:
    settings = gateway.folder / "community.yaml"
    settings.write_text(settings.read_text(encoding="utf-8").replace(gateway.url, "http://127.0.0.1:9"))
    before = sorted(gateway.folder.rglob("*"))
    code, told = gateway.run("leave", gateway.home.name, "--yes")
    assert code == 1 and "nothing was erased here" in told
    assert sorted(gateway.folder.rglob("*")) == before
    assert gateway.run("leave", "elm-33", "--yes")[0] == 1, "a home that is not here gets no new wallet"
    assert not (gateway.state / "homes" / "elm-33").exists()
