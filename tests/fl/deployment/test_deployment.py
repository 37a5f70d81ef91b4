"""A coordinator and four agents as real processes on loopback, over TLS, each agent known by its key."""

from __future__ import annotations

import re
import signal
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE

from bench.ports import free_port
from fl.deployment.fleet_client import FleetClient
from fl.deployment.keys import KeyFolder, load_agent_key, load_authority, make_agent_key
from fl.deployment.signed_requests import SignedRequests
from fl.store import RoundReport
from tests.fl.federation import HOMES, Deployment
from tests.support.waiting import LIMIT_S, until

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def trained(deploy: Callable[..., Deployment]) -> Deployment:
    deployment = deploy(deployment={"coordinator_metrics_port": free_port()}, rounds=4)
    deployment.start_coordinator()
    for home in HOMES:
        # Stretched so that the tests below find the federation at work.
        deployment.start_agent(home, seconds=1, agent_metrics_port=free_port() if home == HOMES[0] else None)
    deployment.wait_for_round(1)
    return deployment


def test_rounds_are_completed_by_every_home(trained: Deployment) -> None:
    report = trained.wait_for_round(1)
    assert report.participants == HOMES and report.left_out == {}
    assert set(report.homes) == set(HOMES)
    assert all({"train_loss", "validation_loss", "validation_nmae"} <= set(of) for of in report.homes.values())


def test_both_sides_serve_prometheus_metrics(trained: Deployment) -> None:
    trained.wait_for_round(1)
    port = trained.settings.deployment.coordinator_metrics_port
    assert port is not None
    text = until(lambda: _if_has(trained.metrics(port), "wattproof_round_participants 4.0"), "metrics")
    assert "wattproof_train_loss " in text and 'wattproof_weights_bytes_total{direction="up"}' in text
    agent = int(re.findall(r'"agent_metrics_port":(\d+)', (trained.folder / f"{HOMES[0]}.json").read_text())[0])
    text = trained.metrics(agent)
    assert "wattproof_agent_connected 1.0" in text


def test_plain_http_is_not_spoken(trained: Deployment) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.post(f"http://127.0.0.1:{trained.settings.deployment.port}/v1/fleet/pull-messages", timeout=LIMIT_S)


@pytest.mark.parametrize("path", ["/v1/control/start-run", "/v1/runtime/acquire-task", "/docs", "/openapi.json"])
def test_only_the_fleet_api_is_on_the_network(trained: Deployment, path: str) -> None:
    context = ssl.create_default_context(cadata=load_authority(trained.folder / "keys").decode())
    headers = {"content-type": PROTOBUF_MEDIA_TYPE, "accept": PROTOBUF_MEDIA_TYPE}
    with httpx.Client(verify=context, timeout=LIMIT_S, headers=headers) as client:
        address = f"https://127.0.0.1:{trained.settings.deployment.port}{path}"
        unsigned, signed = (client.build_request("POST", address, content=b"") for _ in range(2))
        SignedRequests(load_agent_key(KeyFolder(trained.folder / "keys").agent_key(HOMES[0]))).sign(signed)
        assert client.send(unsigned).status_code == 401  # nobody is told what there is
        assert client.send(signed).status_code == 404


def test_a_stranger_with_a_key_of_its_own_is_not_let_in(
    trained: Deployment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_agent_key(tmp_path, "stranger")
    assert not _joins(trained, KeyFolder(tmp_path).agent_key("stranger"), caplog)
    assert any("no key for this home" in str(vars(record).get("reason")) for record in caplog.records)
    assert "stranger" not in str(trained.wait_for_round(1).asked)


def test_the_last_round_is_saved_and_the_coordinator_ends(trained: Deployment) -> None:
    report = trained.wait_for_round(4)
    assert report.round == 4
    assert trained.processes["coordinator"].wait(LIMIT_S) == 0
    saved = trained.store.load(4)
    assert saved.published and all(np.isfinite(array).all() for array in saved.weights.values())
    assert _losses(trained)[-1] < _losses(trained)[0]


def test_agents_wait_for_the_next_training_and_leave_when_asked(trained: Deployment) -> None:
    trained.processes["coordinator"].wait(LIMIT_S)
    assert all(trained.processes[home].poll() is None for home in HOMES)
    trained.kill(HOMES[0], signal.SIGTERM)
    assert trained.processes[HOMES[0]].returncode == 0


def test_no_log_holds_a_reading(trained: Deployment) -> None:
    """Readings of the made-up homes are whole Wh of three or four digits; logs hold no list of such numbers."""
    for name in (*HOMES, "coordinator"):
        assert not re.search(r"\d{3,4}[,\s]+\d{3,4}[,\s]+\d{3,4}", trained.log(name).split("Traceback")[0])


def _losses(deployment: Deployment) -> list[float]:
    reports: list[RoundReport] = [deployment.store.load(number).report for number in deployment.store.rounds()]
    return [report.validation_loss for report in reports if report.validation_loss is not None]


def _if_has(text: str, part: str) -> str | None:
    return text if part in text else None


def _joins(deployment: Deployment, key: Path, log: pytest.LogCaptureFixture) -> bool:
    """Whether the coordinator takes an agent with this key the first time that it asks."""
    stop = threading.Event()
    address = f"127.0.0.1:{deployment.settings.deployment.port}"
    line = FleetClient(address, load_agent_key(key), load_authority(deployment.folder / "keys"), 10, stop)
    attempt = threading.Thread(target=line.connect)
    attempt.start()
    until(lambda: line.node_id or "connection to the coordinator down" in log.text, "an answer")
    stop.set()
    attempt.join()
    return line.node_id != 0
