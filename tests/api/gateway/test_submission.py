"""A household's gateway at the community's door, as processes: the way of a forecast and a claim, and its perils.

No coordinator runs here: these gateways were offline when the training ended, and fetch its model from the API.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.protocol.bundle import verify
from fl.deployment.kept_model import kept_round
from forecasting.settings import ModelSettings
from tests.api import http_fixture
from tests.api.http_fixture import GATEWAY, SERVER, HttpFixture
from tests.api.lying_api import lying_api
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.process
DAY = 20_500
Make = Callable[..., HttpFixture]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[HttpFixture] = []

    def build(days: int = 20) -> HttpFixture:
        made.append(HttpFixture(tmp_path, DAY, days=days))
        made[-1].save_round(1, seed=7)
        return made[-1]

    yield build
    for doorstep in made:
        doorstep.stop()


def test_a_gateway_joins_fetches_the_model_hands_in_and_claims_the_day_after_and_its_green_share(make: Make) -> None:
    deployment = make()
    deployment.write_server(green_hours=True)
    deployment.serve()
    deployment.start_gateway()
    deployment.wait(GATEWAY, "submitted", kind="forecast", day=DAY)
    bundle, (household,) = deployment.proof(DAY), [member["household"] for member in deployment.member]
    verify(bundle)
    (listed,) = deployment.ask(f"/forecasts/{DAY}")
    assert (listed["household"], listed["round"], listed["commitment"]) == (household, 1, bundle.forecast)
    assert (
        json.loads((deployment.state / "pinned.json").read_text())[0]
        == deployment.ask(f"/households/{household}/signing")["chain_id"]
    )

    deployment.measure(DAY)  # the meter is quicker than the chain's clock: the claim has to wait for that
    deployment.wait(GATEWAY, "skill proven", day=DAY)
    deployment.wait(GATEWAY, "not submitted yet", kind="claim", day=DAY, code="day-not-over")
    deployment.wait(GATEWAY, "submitted", kind="forecast", day=DAY + 1)
    deployment.set_clock(DAY + 1, 60)
    deployment.wait(GATEWAY, "submitted", kind="claim", day=DAY)
    (claimed,) = deployment.ask(f"/claims/{DAY}")
    assert claimed["household"] == household and claimed["buckets"] > 0
    metrics = deployment.metrics()
    assert metrics['wattproof_agent_submissions_total{kind="forecast",outcome="ok"}'] == 2
    assert metrics['wattproof_agent_submissions_total{kind="claim",outcome="ok"}'] == 1
    assert metrics["wattproof_agent_submissions_waiting"] == 0 and metrics["wattproof_agent_model_round"] == 1

    deployment.end(GATEWAY, signal.SIGKILL)  # in the midst of its green share, or before or after
    deployment.start_gateway()
    deployment.wait(GATEWAY, "submitted", kind="green", day=DAY)
    (green,) = deployment.ask(f"/v1/green-shares/{DAY}")
    hours = deployment.ask(f"/v1/green-shares/{DAY}/hours")
    assert green["household"] == household and green["points"] == claimed["buckets"] * (green["tier"] - hours["base"])


def test_a_gateway_with_late_readings_hands_in_a_day_before_it_starts(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no reading of the day before the forecast day, and needs none (docs/horizon.md)."""
    monkeypatch.setattr(http_fixture, "MODEL", ModelSettings(hidden=8, horizon_days=2))
    deployment = make()
    deployment.write_server()
    deployment.serve()
    deployment.start_gateway()
    deployment.wait(GATEWAY, "submitted", kind="forecast", day=DAY + 1)
    assert deployment.ask("/health")["chain_time"] < DAY * 86_400
    bundle = deployment.proof(DAY + 1)
    verify(bundle)
    assert [day.day for day in bundle.history] == list(range(DAY - 7, DAY))
    (listed,) = deployment.ask(f"/forecasts/{DAY + 1}")
    assert listed["commitment"] == bundle.forecast


def test_a_gateway_pins_a_head_of_its_own_and_forecasts_with_it_from_the_next_day_on(make: Make) -> None:
    deployment = make(days=60)
    deployment.write_server()
    deployment.serve()
    deployment.wait(SERVER, "model published", round=1)
    deployment.until(lambda: _answers(deployment), "no server")
    deployment.set_clock(DAY, 60)  # the day has begun
    deployment.start_gateway()
    deployment.wait(GATEWAY, "personal head fitted", round=1)
    deployment.wait(GATEWAY, "submitted", kind="head", round=1)
    deployment.wait(GATEWAY, "submitted", kind="forecast", day=DAY)
    assert deployment.proof(DAY).personal == [], "a head that is pinned after the day's start is not in force"
    deployment.measure(DAY)
    deployment.wait(GATEWAY, "submitted", kind="forecast", day=DAY + 1)
    (household,) = [member["household"] for member in deployment.member]
    pinned = deployment.ask(f"/households/{household}/heads/1")
    bundle = deployment.proof(DAY + 1)
    verify(bundle)
    assert bundle.head_digest == bytes.fromhex(pinned["digest"][2:]) and pinned["pinned_at"] >= DAY * 86_400
    assert [told["head"] for told in deployment.ask(f"/forecasts/{DAY + 1}")] == [pinned["digest"]]

    deployment.end(GATEWAY, signal.SIGKILL)
    deployment.start_gateway()
    deployment.measure(DAY + 1)
    deployment.wait(GATEWAY, "submitted", kind="forecast", day=DAY + 2)
    assert deployment.proof(DAY + 2).personal == bundle.personal, "a gateway that starts again goes on with its head"
    assert len(deployment.logged(GATEWAY, "personal head fitted")) == 1


def test_api_down_at_first_then_a_gateway_killed_between_proof_and_hand_in(make: Make) -> None:
    deployment = make()
    deployment.start_gateway()
    deployment.wait(GATEWAY, "model not asked for yet")
    deployment.write_server(enrolled=False)
    deployment.serve()
    deployment.wait(GATEWAY, "not submitted yet", kind="forecast", day=DAY, code="unknown-household")
    deployment.end(GATEWAY, signal.SIGKILL)
    deployment.end(SERVER, signal.SIGKILL)
    proof, waiting = deployment.proof(DAY), deployment.submission("forecast", DAY)
    assert waiting.state == "waiting" and waiting.transaction is not None

    deployment.start_gateway()
    deployment.write_server(enrolled=True)
    deployment.serve()
    deployment.wait(GATEWAY, "submitted", kind="forecast", day=DAY)
    assert deployment.proof(DAY) == proof and len(deployment.logged(GATEWAY, "forecast proven")) == 1
    assert deployment.submission("forecast", DAY).transaction == waiting.transaction, (
        "what was signed once is sent again"
    )
    assert [f["proof_hash"] for f in deployment.ask(f"/forecasts/{DAY}")] == ["0x" + proof.proof_hash.hex()]


def test_a_refusal_is_told_with_its_code_counted_and_not_repeated(make: Make) -> None:
    deployment = make()
    deployment.write_server()
    deployment.serve()
    deployment.until(lambda: _answers(deployment), "no server")
    deployment.until(lambda: deployment.ask("/rounds"), "no round")
    deployment.set_clock(DAY, 3601)
    deployment.start_gateway()
    deployment.wait(GATEWAY, "refused", kind="forecast", day=DAY, code="late-forecast")
    deployment.measure(DAY)
    deployment.wait(GATEWAY, "submitted", kind="forecast", day=DAY + 1)
    counted = 'wattproof_agent_submissions_total{kind="forecast",outcome="late-forecast"}'
    assert deployment.metrics()[counted] == 1 and len(deployment.logged(GATEWAY, "refused")) == 1
    assert (deployment.submission("forecast", DAY).state, deployment.submission("forecast", DAY).code) == (
        "refused",
        "late-forecast",
    )
    assert not deployment.logged(GATEWAY, "skill proven"), "a day that was not registered cannot be claimed"


def test_a_tampered_or_truncated_model_is_refused_and_the_old_one_stays(make: Make) -> None:
    deployment = make()
    deployment.write_server()
    deployment.serve()
    deployment.start_gateway()
    deployment.wait(GATEWAY, "submitted", kind="forecast", day=DAY)
    kept = (deployment.state / "model" / "0001.npz").read_bytes()

    deployment.save_round(
        3, seed=11
    )  # somebody puts another model in the place of the one whose digest is registered
    honest = (deployment.rounds.path(3) / "weights.npz").read_bytes()
    deployment.save_round(2, seed=12)
    (deployment.rounds.path(3) / "weights.npz").write_bytes((deployment.rounds.path(2) / "weights.npz").read_bytes())
    deployment.wait(SERVER, "model published", round=3)
    deployment.set_clock(DAY + 1, 0)
    deployment.measure(DAY)
    told = deployment.wait(GATEWAY, "model refused", round=3)
    assert "not the registered" in str(told["reason"])
    deployment.wait(GATEWAY, "refused", kind="forecast", day=DAY + 1, code="old-round")
    assert (deployment.state / "model" / "0001.npz").read_bytes() == kept and kept_round(
        deployment.state / "model"
    ) == 1

    (deployment.rounds.path(3) / "weights.npz").write_bytes(honest[: len(honest) // 2])
    deployment.measure(DAY + 1)
    deployment.until(
        lambda: [t for t in deployment.logged(GATEWAY, "model refused") if "is incomplete" in str(t["reason"])],
        "a truncated model is not refused",
    )  # fmt: skip
    assert deployment.metrics()["wattproof_agent_models_refused_total"] >= 2

    (deployment.rounds.path(3) / "weights.npz").write_bytes(honest)
    deployment.wait(GATEWAY, "forecast proven", day=DAY + 2)
    deployment.measure(DAY + 2)
    deployment.wait(GATEWAY, "model fetched", round=3)
    assert (deployment.state / "model" / "weights-0003.npz").read_bytes() == honest
    assert not (deployment.state / "model" / "0001.npz").exists()


def test_a_gateway_leaves_in_the_middle_of_an_answer_when_asked(make: Make) -> None:
    deployment, begun = make(), threading.Event()
    with lying_api() as api:
        api.endless = begun
        deployment.write_gateway(api_url=api.url)
        deployment.start_gateway()
        assert begun.wait(LIMIT_S)
        assert deployment.end(GATEWAY, signal.SIGTERM) == 0
    assert "this process is stopping" in str(deployment.wait(GATEWAY, "model not asked for yet")["reason"])


def _answers(deployment: HttpFixture) -> bool:
    try:
        return bool(deployment.ask("/health"))
    except OSError:
        return False
