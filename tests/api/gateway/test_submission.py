"""A household's gateway at the community's door, as processes: the way of a forecast and a claim, and its perils.

No coordinator runs here: these gateways were offline when the training ended, and fetch its model from the API.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.protocol.bundle import verify
from fl.deployment.kept_model import kept_round
from tests.api.http_fixture import GATEWAY, SERVER, Doorstep
from tests.api.lying_api import lying_api
from tests.support.waiting import LIMIT_S, until

pytestmark = pytest.mark.process
DAY = 20_500
Make = Callable[..., Doorstep]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Doorstep] = []

    def build(first: int = DAY, day_start_utc: int = 0, days: int = 20) -> Doorstep:
        made.append(Doorstep(tmp_path, first, day_start_utc, days))
        made[-1].save_round(1, seed=7)
        return made[-1]

    yield build
    for doorstep in made:
        doorstep.stop()


def test_a_gateway_fetches_the_model_hands_in_and_is_paid_the_day_after(make: Make) -> None:
    town = make()
    town.write_server()
    town.serve()
    town.start_gateway()
    town.wait(GATEWAY, "handed in", kind="forecast", day=DAY)
    bundle, (household,) = town.proof(DAY), [member["household"] for member in town.member]
    verify(bundle)
    (listed,) = town.ask(f"/forecasts/{DAY}")
    assert (listed["household"], listed["round"], listed["commitment"]) == (household, 1, bundle.forecast)
    assert (
        json.loads((town.state / "pinned.json").read_text())[0]
        == town.ask(f"/households/{household}/signing")["chain_id"]
    )

    town.measure(DAY)  # the meter is quicker than the chain's clock: the claim has to wait for that
    town.wait(GATEWAY, "skill proven", day=DAY)
    town.wait(GATEWAY, "not handed in yet", kind="claim", day=DAY, code="day-not-over")
    town.wait(GATEWAY, "handed in", kind="forecast", day=DAY + 1)
    town.set_clock(DAY + 1, 60)
    town.wait(GATEWAY, "handed in", kind="claim", day=DAY)
    held = town.ask(f"/households/{household}/rewards")
    assert int(held["tokens"]) > 10**18 and held["record"] is not None
    metrics = town.metrics()
    assert metrics['wattproof_agent_handed_in_total{kind="forecast",outcome="ok"}'] == 2
    assert metrics['wattproof_agent_handed_in_total{kind="claim",outcome="ok"}'] == 1
    assert metrics["wattproof_agent_errands_waiting"] == 0 and metrics["wattproof_agent_model_round"] == 1


def test_a_gateway_pins_a_head_of_its_own_and_forecasts_with_it_from_the_next_day_on(make: Make) -> None:
    town = make(days=60)
    town.write_server()
    town.serve()
    town.wait(SERVER, "model published", round=1)
    until(lambda: _answers(town), "no server")
    town.set_clock(DAY, 60)  # the day has begun
    town.start_gateway()
    town.wait(GATEWAY, "personal head fitted", round=1)
    town.wait(GATEWAY, "handed in", kind="head", round=1)
    town.wait(GATEWAY, "handed in", kind="forecast", day=DAY)
    assert town.proof(DAY).personal == [], "a head that is pinned after the day's start is not in force"
    town.measure(DAY)
    town.wait(GATEWAY, "handed in", kind="forecast", day=DAY + 1)
    (household,) = [member["household"] for member in town.member]
    pinned = town.ask(f"/households/{household}/heads/1")
    bundle = town.proof(DAY + 1)
    verify(bundle)
    assert bundle.head_digest == bytes.fromhex(pinned["digest"][2:]) and pinned["pinned_at"] >= DAY * 86_400
    assert [told["head"] for told in town.ask(f"/forecasts/{DAY + 1}")] == [pinned["digest"]]

    town.end(GATEWAY, signal.SIGKILL)
    town.start_gateway()
    town.measure(DAY + 1)
    town.wait(GATEWAY, "handed in", kind="forecast", day=DAY + 2)
    assert town.proof(DAY + 2).personal == bundle.personal, "a gateway that starts again goes on with its head"
    assert len(town.logged(GATEWAY, "personal head fitted")) == 1


def test_api_down_at_first_then_a_gateway_killed_between_proof_and_hand_in(make: Make) -> None:
    town = make()
    town.start_gateway()
    town.wait(GATEWAY, "model not asked for yet")
    town.write_server(enrolled=False)
    town.serve()
    town.wait(GATEWAY, "not handed in yet", kind="forecast", day=DAY, code="unknown-household")
    town.end(GATEWAY, signal.SIGKILL)
    town.end(SERVER, signal.SIGKILL)
    proof, waiting = town.proof(DAY), town.errand("forecast", DAY)
    assert waiting.state == "waiting" and waiting.transaction is not None

    town.start_gateway()
    town.write_server(enrolled=True)
    town.serve()
    town.wait(GATEWAY, "handed in", kind="forecast", day=DAY)
    assert town.proof(DAY) == proof and len(town.logged(GATEWAY, "forecast proven")) == 1
    assert town.errand("forecast", DAY).transaction == waiting.transaction, "what was signed once is sent again"
    assert [f["proof_hash"] for f in town.ask(f"/forecasts/{DAY}")] == ["0x" + proof.proof_hash.hex()]


def test_a_refusal_is_told_with_its_code_counted_and_not_repeated(make: Make) -> None:
    town = make()
    town.write_server()
    town.serve()
    until(lambda: _answers(town), "no server")
    until(lambda: town.ask("/rounds"), "no round")
    town.set_clock(DAY, 3601)
    town.start_gateway()
    town.wait(GATEWAY, "refused", kind="forecast", day=DAY, code="late-forecast")
    town.measure(DAY)
    town.wait(GATEWAY, "handed in", kind="forecast", day=DAY + 1)
    counted = 'wattproof_agent_handed_in_total{kind="forecast",outcome="late-forecast"}'
    assert town.metrics()[counted] == 1 and len(town.logged(GATEWAY, "refused")) == 1
    assert (town.errand("forecast", DAY).state, town.errand("forecast", DAY).code) == ("refused", "late-forecast")
    assert not town.logged(GATEWAY, "skill proven"), "a day that was not registered cannot be claimed"


def test_a_tampered_or_truncated_model_is_refused_and_the_old_one_stays(make: Make) -> None:
    town = make()
    town.write_server()
    town.serve()
    town.start_gateway()
    town.wait(GATEWAY, "handed in", kind="forecast", day=DAY)
    kept = (town.state / "model" / "0001.npz").read_bytes()

    town.save_round(3, seed=11)  # somebody puts another model in the place of the one whose digest is registered
    honest = (town.rounds.path(3) / "weights.npz").read_bytes()
    town.save_round(2, seed=12)
    (town.rounds.path(3) / "weights.npz").write_bytes((town.rounds.path(2) / "weights.npz").read_bytes())
    town.wait(SERVER, "model published", round=3)
    town.set_clock(DAY + 1, 0)
    town.measure(DAY)
    told = town.wait(GATEWAY, "model refused", round=3)
    assert "registered is" in str(told["reason"])
    town.wait(GATEWAY, "refused", kind="forecast", day=DAY + 1, code="old-round")
    assert (town.state / "model" / "0001.npz").read_bytes() == kept and kept_round(town.state / "model") == 1

    (town.rounds.path(3) / "weights.npz").write_bytes(honest[: len(honest) // 2])
    town.measure(DAY + 1)
    until(
        lambda: [t for t in town.logged(GATEWAY, "model refused") if "not whole" in str(t["reason"])],
        "a truncated model is not refused",
    )  # fmt: skip
    assert town.metrics()["wattproof_agent_models_refused_total"] >= 2

    (town.rounds.path(3) / "weights.npz").write_bytes(honest)
    town.wait(GATEWAY, "forecast proven", day=DAY + 2)
    town.measure(DAY + 2)
    town.wait(GATEWAY, "model fetched", round=3)
    assert (town.state / "model" / "weights-0003.npz").read_bytes() == honest
    assert not (town.state / "model" / "0001.npz").exists()


def test_a_gateway_leaves_in_the_middle_of_an_answer_when_asked(make: Make) -> None:
    town, begun = make(), threading.Event()
    with lying_api() as api:
        api.endless = begun
        town.write_gateway(api_url=api.url)
        town.start_gateway()
        assert begun.wait(LIMIT_S)
        town.end(GATEWAY, signal.SIGTERM)
    assert town.processes[GATEWAY].returncode == 0
    assert "this process ends" in str(town.wait(GATEWAY, "model not asked for yet")["reason"])


def test_as_installed_on_this_machines_time(make: Make) -> None:
    """`wattproof serve`, its chain's clock as communities have it, for a day that starts within two hours."""
    start = (int(time.time()) // 3600 + 2) * 3600
    town = make(first=start // 86_400, day_start_utc=start % 86_400 // 3600)
    town.write_server(clock="machine")
    town.serve_as_installed()
    town.start_gateway()
    town.wait(GATEWAY, "handed in", kind="forecast", day=start // 86_400)
    assert abs(town.ask("/health")["chain_time"] - time.time()) < 600


def _answers(town: Doorstep) -> bool:
    try:
        return bool(town.ask("/health"))
    except OSError:
        return False
