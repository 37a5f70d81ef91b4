"""What a household signs, and what it does not, whoever the API is in the hands of."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction

from api.config.community_yaml import Config, ConfigError, parse
from api.config.key_file import account_from_file
from api.gateway.client import ApiClient
from api.gateway.outbox import Outbox, Submission
from fl.deployment.telemetry import AgentMetrics
from rewards.chain import _legacy
from tests.api.gateway.submitting import submitter_of
from tests.api.lying_api import LyingApi, lying_api

HOME, DAY = "elm-3", 20_500
REGISTRY, OTHER = "0x" + "Aa" * 20, "0x" + "Bb" * 20
COIN = 10**18


@pytest.fixture
def api() -> Iterator[LyingApi]:
    with lying_api() as made:
        yield made


class Gateway:
    """A submitter of a home that has proven a day, and the API it talks to."""

    def __init__(self, folder: Path, api: LyingApi, **gateway: Any) -> None:
        settings = {
            "community": {"name": "Elm Street"},
            "data": {"source": "none"},
            "federation": {"deployment": {"task_interval_s": 1e-6}},
            "gateway": {"api_url": api.url, "retry_max_s": 1e-6} | gateway,
            "api": {"state_dir": str(folder)},
        }
        self.config = Config.model_validate(settings)
        self.api, self.metrics = api, AgentMetrics(HOME)
        self.wallet = account_from_file(folder / "homes" / HOME / "wallet.key")
        self.outbox = Outbox(folder / "outbox", HOME)
        self.prove(DAY)
        self.says(chain_id=31337, forecast_registry=REGISTRY)
        api.answers["POST /forecasts"] = 201, {}

    def prove(self, day: int, kind: str = "proofs") -> None:
        path = self.config.api.state_dir / kind / str(day) / f"{HOME}.json"
        path.parent.mkdir(parents=True)
        context = {"day": day, "round": 2}
        path.write_text(
            json.dumps({"context": context, "forecast": "0x" + "8f" * 48, "personal": [], "proof": "0x1234"})
        )

    def says(self, chain_id: int, forecast_registry: str, nonce: int = 0, gas_price: int = 10**9) -> None:
        told = {"chain_id": chain_id, "forecast_registry": forecast_registry, "nonce": nonce}
        told |= {"gas_price": str(gas_price)}
        self.api.answers[f"GET /households/{self.wallet.address}/signing"] = 200, told

    def run(self, times: int = 1) -> Submission:
        """A submitter of a gateway just started, at its work; the day's forecast submission after it."""
        submitter = submitter_of(self.config, HOME, ApiClient(self.api.url))
        for _ in range(times):
            submitter.run_once(self.metrics)
        return self.submission()

    def submission(self, day: int = DAY) -> Submission:
        found = self.outbox.get("forecast", day)
        assert found is not None
        return found

    def sent(self) -> list[dict[str, Any]]:
        """Transactions that went out, read back."""
        bodies = [json.loads(body) for what, body in self.api.asked if what == "POST /forecasts"]
        raws = [bytes.fromhex(body["transaction"][2:]) for body in bodies]
        return [
            TypedTransaction.from_bytes(raw).as_dict() if raw[0] < 128 else _legacy(raw)  # type: ignore[arg-type]
            for raw in raws
        ]

    def counted(self, outcome: str, kind: str = "forecast") -> bool:
        told = self.metrics.registry.get_sample_value(
            "wattproof_agent_submissions_total", {"kind": kind, "outcome": outcome}
        )
        return told is not None and told > 0


def test_what_is_signed_calls_the_registry_carries_nothing_and_costs_no_more_than_agreed(
    tmp_path: Path, api: LyingApi
) -> None:
    gateway = Gateway(tmp_path, api)
    assert gateway.run().state == "done"
    (sent,) = gateway.sent()
    assert (bytes(sent["to"]).hex(), sent["value"]) == (REGISTRY[2:].lower(), 0)
    assert sent["gas"] * sent["gasPrice"] <= COIN // 100
    assert Account.recover_transaction(gateway.submission().transaction) == gateway.wallet.address
    assert gateway.counted("ok")


@pytest.mark.parametrize("told", [(31337, OTHER), (1, REGISTRY)])
def test_what_was_pinned_at_first_contact_is_not_changed_by_the_api(
    tmp_path: Path, api: LyingApi, told: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    gateway = Gateway(tmp_path, api)
    gateway.run()
    gateway.prove(DAY + 1)
    gateway.says(*told)
    gateway.run(times=3)
    waiting = gateway.submission(DAY + 1)
    assert (waiting.state, waiting.transaction, waiting.signings) == ("waiting", None, 0)
    assert gateway.counted("other-chain") and len(gateway.sent()) == 1
    assert any("is pinned" in record.__dict__.get("reason", "") for record in caplog.records)


@pytest.mark.parametrize("pin", [{"chain_id": 1}, {"forecast_registry": OTHER}])
def test_the_households_own_settings_go_before_what_the_api_says(
    tmp_path: Path, api: LyingApi, pin: dict[str, Any]
) -> None:
    gateway = Gateway(tmp_path, api, **pin)
    assert gateway.run().transaction is None and gateway.sent() == []
    assert not (tmp_path / "pinned.json").exists()


@pytest.mark.parametrize("told", [{"nonce": -1}, {"nonce": 1 << 70}, {"chain_id": 0}, {"gas_price": -1}])
def test_facts_that_make_no_sense_are_not_signed_for(tmp_path: Path, api: LyingApi, told: dict[str, int]) -> None:
    gateway = Gateway(tmp_path, api)
    gateway.says(**({"chain_id": 31337, "forecast_registry": REGISTRY} | told))  # type: ignore[arg-type]
    assert gateway.run().transaction is None and gateway.counted("unreachable")


@pytest.mark.parametrize("price", [4 * 10**10 + 1, 10**30])
def test_a_fee_beyond_the_limit_is_not_signed_for(tmp_path: Path, api: LyingApi, price: int) -> None:
    gateway = Gateway(tmp_path, api)
    gateway.says(31337, REGISTRY, gas_price=price)
    assert gateway.run().transaction is None and gateway.counted("fee-too-high")
    gateway.says(31337, REGISTRY)
    assert gateway.run().state == "done"


def test_an_api_cannot_ask_for_one_transaction_after_the_other(tmp_path: Path, api: LyingApi) -> None:
    """Each could cost the household its fee."""
    gateway = Gateway(tmp_path, api)
    api.answers["POST /forecasts"] = 409, {"error": "stale-transaction", "message": "again"}
    submitter = submitter_of(gateway.config, HOME, ApiClient(api.url))
    for nonce in range(10):
        gateway.says(31337, REGISTRY, nonce=nonce)
        submitter.run_once(gateway.metrics)
    assert [sent["nonce"] for sent in gateway.sent()] == [0, 1, 2]
    assert (gateway.submission().state, gateway.submission().code) == ("refused", "stale-transaction")


def test_a_repeat_sends_the_same_transaction_even_from_a_gateway_started_again(tmp_path: Path, api: LyingApi) -> None:
    gateway = Gateway(tmp_path, api)
    api.answers["POST /forecasts"] = 502, b"down"
    for nonce in range(3):
        gateway.says(31337, REGISTRY, nonce=nonce)
        assert gateway.run().state == "waiting"
    api.answers["POST /forecasts"] = 409, {"error": "replayed-proof", "message": "the first try had worked"}
    assert gateway.run().state == "done"
    assert len(gateway.sent()) == 4 and len({json.dumps(s, default=str) for s in gateway.sent()}) == 1
    gateway.run(times=3)
    assert len(gateway.sent()) == 4


@pytest.mark.parametrize("code", ["late-forecast", "wrong-model", "old-round", "duplicate-forecast", "made-up"])
def test_a_refusal_ends_the_errand_and_adds_no_series_of_its_own(tmp_path: Path, api: LyingApi, code: str) -> None:
    gateway = Gateway(tmp_path, api)
    api.answers["POST /forecasts"] = 409, {"error": code, "message": "no"}
    assert (gateway.run(times=3).state, gateway.submission().code) == ("refused", code)
    assert len(gateway.sent()) == 1 and gateway.counted("other" if code == "made-up" else code)


def test_every_series_is_there_before_it_counts(tmp_path: Path, api: LyingApi) -> None:
    """Prometheus' increase() takes no notice of a series that begins at one."""
    gateway = Gateway(tmp_path, api)
    gateway.run()
    labels = {"kind": "forecast", "outcome": "late-forecast"}
    assert gateway.metrics.registry.get_sample_value("wattproof_agent_submissions_total", labels) == 0


@pytest.mark.parametrize("code", ["unknown-household", "unknown-round", "no-weather"])
def test_what_may_mend_is_tried_again_but_not_for_ever(tmp_path: Path, api: LyingApi, code: str) -> None:
    gateway = Gateway(tmp_path, api)
    api.answers["POST /forecasts"] = 409, {"error": code, "message": "not yet"}
    waiting = gateway.run()
    assert waiting.state == "waiting" and gateway.counted(code)
    gateway.outbox.put(Submission(**{**waiting.__dict__, "since": waiting.since - 49 * 3600}))
    assert (gateway.run().state, gateway.submission().code) == ("refused", "given-up")


def test_a_gateway_killed_before_it_noted_its_proof_hands_it_in_and_no_older_one(
    tmp_path: Path, api: LyingApi
) -> None:
    gateway = Gateway(tmp_path, api)
    gateway.prove(DAY - 9)  # by hand: `wattproof prove`
    assert gateway.run().state == "done"
    assert [submission.number for submission in gateway.outbox.all()] == [DAY]


def test_a_claim_goes_out_only_for_a_day_that_was_handed_in(tmp_path: Path, api: LyingApi) -> None:
    gateway = Gateway(tmp_path, api)
    for day in (DAY, DAY - 1):
        gateway.prove(day, "claims")
    api.answers["POST /claims"] = 409, {"error": "already-claimed", "message": "paid before"}
    gateway.run(times=2)
    claims = [submission for submission in gateway.outbox.all() if submission.kind == "claim"]
    assert [(submission.number, submission.state) for submission in claims] == [(DAY, "done")]


def test_a_claim_waits_when_the_operators_own_transaction_was_stale(tmp_path: Path, api: LyingApi) -> None:
    gateway = Gateway(tmp_path, api)
    gateway.prove(DAY, "claims")
    gateway.run()
    api.answers["POST /claims"] = 409, {"error": "stale-transaction", "message": "nonce too low"}
    gateway.run()
    claim = gateway.outbox.get("claim", DAY)
    assert claim is not None and claim.state == "waiting"


def test_no_log_holds_the_wallets_key(tmp_path: Path, api: LyingApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    gateway = Gateway(tmp_path, api)
    gateway.run()
    assert bytes(gateway.wallet.key).hex() not in "".join(str(record.__dict__) for record in caplog.records)


@pytest.mark.parametrize(
    ("gateway", "says"),
    [
        ("{api_url: 'http://elm.example'}", "must begin with https"), ("{api_url: 'ftp://127.0.0.1'}", "https"),
        ("{api_url: elm.example}", "https"), ("{forecast_registry: '0x12'}", "not an address"),
        ("{rpc_url: 'http://127.0.0.1:8545'}", "needs gateway.forecast_registry"), ("{api_uri: x}", "did you mean"),
    ],
)  # fmt: skip
def test_mistakes_in_the_settings_are_named(gateway: str, says: str) -> None:
    text = f"community: {{name: Elm Street}}\ndata: {{source: none}}\ngateway: {gateway}\n"
    with pytest.raises(ConfigError, match=says):
        parse(text, "gateway.yaml")


DAMAGED = [b"", b'{"kind": "forecast", "num', b"\x00\xff" * 40, b"[]", b'{"kind": "claim", "number": 3, "since": 1}']


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_errand_stops_no_other_and_is_told_once(
    tmp_path: Path, api: LyingApi, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = Gateway(tmp_path, api)
    damaged = tmp_path / "outbox" / HOME / f"forecast-{DAY - 1}.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(content)
    assert gateway.run(times=3).state == "done"
    assert gateway.submission(DAY - 1).code == "damaged" and damaged.read_bytes() == content
    (said,) = [r.__dict__["reason"] for r in caplog.records if r.message == "submission skipped"]
    assert str(damaged) in said and "copy from your backup" in said


@pytest.mark.parametrize("content", DAMAGED)
def test_nothing_is_signed_while_the_pinned_chain_can_not_be_read(
    tmp_path: Path, api: LyingApi, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    gateway, pinned = Gateway(tmp_path, api), tmp_path / "pinned.json"
    pinned.write_bytes(content)
    assert gateway.run(times=2).state == "waiting"
    assert gateway.sent() == [] and gateway.counted("other-chain") and pinned.read_bytes() == content
    assert any(str(pinned) in record.__dict__.get("reason", "") for record in caplog.records)


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_bundle_is_not_handed_in_and_named(
    tmp_path: Path, api: LyingApi, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    gateway, path = Gateway(tmp_path, api), tmp_path / "proofs" / str(DAY) / f"{HOME}.json"
    path.write_bytes(content)
    assert gateway.run(times=2).state == "waiting"
    assert gateway.sent() == [] and gateway.counted("damaged") and path.read_bytes() == content
    assert any(str(path) in record.__dict__.get("reason", "") for record in caplog.records)


def test_a_forecast_of_export_goes_out_without_a_transaction_and_beside_that_of_load(
    tmp_path: Path, api: LyingApi
) -> None:
    gateway = Gateway(tmp_path, api)
    gateway.prove(DAY, "export/proofs")
    gateway.run()
    waiting = gateway.outbox.get("export", DAY)
    assert waiting is not None and (waiting.state, waiting.code) == ("refused", "not-found"), "an earlier release's"
    assert gateway.submission().state == "done", "load goes on"
    gateway.prove(DAY + 1, "export/proofs")
    api.answers["POST /export/forecasts"] = 409, {"error": "unknown-round", "message": "not yet"}
    gateway.run()
    api.answers["POST /export/forecasts"] = 201, {}
    gateway.run()
    done = gateway.outbox.get("export", DAY + 1)
    assert done is not None and (done.state, done.transaction, done.signings) == ("done", None, 0)
    assert gateway.outbox.get("forecast", DAY + 1) is None and gateway.counted("ok", "export")
    sent = [body for what, body in api.asked if what == "POST /export/forecasts"]
    assert json.loads(sent[-1])["context"]["day"] == DAY + 1
