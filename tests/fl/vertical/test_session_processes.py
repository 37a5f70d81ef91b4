"""A vertical session with real processes over TLS: homes, a partner that is killed, a coordinator between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.ports import free_port
from data.atomic import write_bytes
from fl.deployment.keys import make_keys
from fl.settings import FederationSettings
from tests.fl.federation import ROUND_S, Deployment
from tests.fl.vertical.session_fixture import windows_of
from tests.fl.vertical.session_names import DAYS, LEARNT, PARTIES, PARTNER
from tests.support.waiting import until

pytestmark = pytest.mark.process


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    make_keys(tmp_path / "keys", ["127.0.0.1", "localhost"], [*PARTIES, PARTNER])
    values = {
        "evaluate_every": 0, "round_timeout_s": ROUND_S,
        "deployment": {
            "port": free_port(), "keys_dir": str(tmp_path / "keys"), "heartbeat_s": 300, "poll_s": 0.1,
        },
    }  # fmt: skip
    made = Deployment(tmp_path, FederationSettings.model_validate(values))
    yield made
    made.stop()


def told(deployment: Deployment, name: str) -> dict[str, Any]:
    path = deployment.folder / name
    until(path.exists, lambda: f"{name}: {deployment.log('coordinator')}")
    return dict(json.loads(path.read_text()))


def test_homes_learn_with_a_partner_and_forecast_without_it_once_it_is_killed(deployment: Deployment) -> None:
    settings, folder = str(deployment._write("party", {})), str(deployment.folder)
    deployment._start("coordinator", "vertical_coordinator", settings, folder)
    deployment.wait_for_log("coordinator", "coordinator ready")
    for name in (*PARTIES, PARTNER):
        deployment._start(name, "vertical_party", settings, name, folder)
        deployment.wait_for_log(name, "agent ready")
    learnt = told(deployment, "learnt.json")
    assert learnt["matched"] == learnt["forecast"] == list(PARTIES) and learnt["away"] is None
    assert learnt["partner"][0] == pytest.approx(1, abs=0.2)  # booked energy is drawn
    for home in PARTIES:
        forecasts = dict(np.load(deployment.folder / f"{home}.npz"))
        truth = windows_of(home).between(LEARNT, DAYS).target
        assert np.abs(forecasts["ridge"] - truth).mean() < 0.5 * np.abs(forecasts["ridge_alone"] - truth).mean()
        (deployment.folder / f"{home}.npz").unlink()
    deployment.kill(PARTNER)
    write_bytes(deployment.folder / "go", b"")
    done = told(deployment, "done.json")
    assert done["forecast"] == list(PARTIES) and done["left_out"] == {} and "charger does not answer" in done["away"]
    for home in PARTIES:
        forecasts = dict(np.load(deployment.folder / f"{home}.npz"))
        np.testing.assert_array_equal(forecasts["ridge"], forecasts["ridge_alone"])
        np.testing.assert_array_equal(forecasts["split"], forecasts["split_alone"])
