"""The whole of it as a community would run it: `wattproof` processes over TLS, each gateway with its own home only.

One coordinator and four agents train; every gateway is handed the model, forecasts the day after its readings end and
proves it, and anyone can check the proof against the digest the coordinator published.
"""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from api.protocol import bundle as bundles
from bench.deployed import COORDINATOR, SERVER, Deployed, Process, as_installed
from bench.memory import PeakMemory
from data.table import long_table, read_table, write_table
from tests.support.commands import output_in
from tests.support.forked import forked
from tests.support.waiting import LIMIT_S, until
from zkp.errors import InvalidProof

pytestmark = pytest.mark.process
DAYS, ROUNDS = 60, 2
START = (int(time.time()) // 3600 + 3) * 3600  # of the day after the readings end: later than the training does
FIRST, DAY = pd.Timestamp(START - DAYS * 86_400, unit="s", tz="UTC"), START // 86_400
HANDING_IN = ("elm-1", "elm-2")
LIMIT_MB = 450


def made_up_readings(homes: tuple[str, ...], days: int) -> pd.DataFrame:
    generator = np.random.default_rng(5)
    hours = np.arange(days * 24)
    tables = []
    for home in homes:
        level = generator.uniform(400, 1200)
        load = level * (1.5 + np.sin(2 * np.pi * hours / 24)) + generator.uniform(0, 200, len(hours))
        ds = pd.date_range(FIRST, periods=len(hours), freq="h", unit="ns")
        tables.append(long_table(home, ds, load.astype(np.int64)))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def watched() -> dict[str, PeakMemory]:
    return {}


def begun(arguments: list[str], folder: Path, log: Path, environment: Mapping[str, str]) -> Process:
    """As installed, but for two of the four agents: those that are measured and stopped here are not among them."""
    begin = forked if {"elm-2", "elm-3"} & set(arguments) else as_installed
    return begin(arguments, folder, log, environment)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, watched: dict[str, PeakMemory]) -> Iterator[Deployed]:
    """A finished training, with every home's proof made."""
    readings = made_up_readings(("elm-1", "elm-2", "elm-3", "elm-4"), DAYS)
    community = Deployed(
        tmp_path_factory.mktemp("community"), readings, None, {"rounds": ROUNDS},
        day_start_utc=START % 86_400 // 3600, handing_in=HANDING_IN, run=output_in, begin=begun,
    )  # fmt: skip
    try:
        for name in (COORDINATOR, SERVER, *community.homes):
            community.start(name)
        with PeakMemory(community.processes["elm-1"].pid) as watched["elm-1"]:
            for home in community.homes:
                community.wait(home, "forecast proven")
            for home in HANDING_IN:
                community.wait(home, '"submitted", "home": "' + home + '", "kind": "forecast"')
        yield community
    finally:
        community.stop()


def bundle_of(deployed: Deployed, home: str, day: int = DAY) -> bundles.InferenceBundle:
    bundle = bundles.parse((deployed.state(home) / "proofs" / str(day) / f"{home}.json").read_bytes())
    assert isinstance(bundle, bundles.InferenceBundle)
    return bundle


def logged(deployed: Deployed, name: str, message: str) -> list[dict[str, object]]:
    """Records of a log; every line of it must be one JSON object."""
    records = [json.loads(line) for line in deployed.log(name).splitlines()]
    return [record for record in records if record["message"] == message]


def scraped(deployed: Deployed, name: str) -> dict[str, float]:
    """A process's metrics as Prometheus would scrape them."""
    with urllib.request.urlopen(
        f"http://127.0.0.1:{deployed.metrics_ports[name]}/metrics", timeout=LIMIT_S
    ) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_the_coordinator_saves_every_round_with_its_commitment(deployed: Deployed) -> None:
    assert deployed.processes[COORDINATOR].wait(LIMIT_S) == 0
    for number in range(1, ROUNDS + 1):
        folder = deployed.state(COORDINATOR) / "rounds" / f"{number:04d}"
        assert {"weights.npz", "metrics.json", "model.npz", "digest", "published"} <= {
            p.name for p in folder.iterdir()
        }
        report = json.loads((folder / "metrics.json").read_text())
        assert report["participants"] == deployed.homes and report["left_out"] == {}


def test_every_gateway_proves_its_forecast_with_the_models_digest(deployed: Deployed) -> None:
    digest = (deployed.state(COORDINATOR) / "rounds" / f"{ROUNDS:04d}" / "digest").read_text()
    households = set()
    for home in deployed.homes:
        bundle = bundle_of(deployed, home)
        bundles.verify(bundle)
        assert (bundle.context.day, bundle.context.round) == (DAY, ROUNDS)
        assert bundle.statement().weights.digest().hex() == digest
        households.add(bundle.household)
    assert len(households) == len(deployed.homes)


def test_forecasts_are_handed_in_and_registered_with_the_published_model(deployed: Deployed) -> None:
    digest = (deployed.state(COORDINATOR) / "rounds" / f"{ROUNDS:04d}" / "digest").read_text()
    assert deployed.ask("/rounds") == [{"number": ROUNDS, "digest": "0x" + digest}]
    mine = {bundle_of(deployed, home).household: bundle_of(deployed, home).forecast for home in HANDING_IN}
    assert {f["household"]: f["commitment"] for f in deployed.ask(f"/forecasts/{DAY}")} == mine
    assert abs(deployed.ask("/health")["chain_time"] - time.time()) < 600, "the chain has this machine's clock"
    assert scraped(deployed, "elm-1")['wattproof_agent_submissions_total{kind="forecast",outcome="ok"}'] == 1
    assert not (deployed.state("elm-3") / "outbox").exists(), "without an API, bundles stay on the gateway"


def test_a_bundle_from_a_gateway_is_checked_by_anybody(deployed: Deployed, tmp_path: Path) -> None:
    path = deployed.state("elm-2") / "proofs" / str(DAY) / "elm-2.json"
    assert "The proof holds." in output_in(tmp_path, "verify", str(path))
    mine, other = bundle_of(deployed, "elm-2"), bundle_of(deployed, "elm-3")
    with pytest.raises(InvalidProof):
        bundles.verify(mine.model_copy(update={"forecast": other.forecast}))


def test_an_agent_trains_and_proves_in_less_than_450_mb(
    deployed: Deployed, watched: dict[str, PeakMemory], record_property: Callable[[str, object], None]
) -> None:
    """All its processes summed; what they share is counted for each. This one submits, too."""
    record_property("agent_peak_rss_mb", round(watched["elm-1"].rss_mb))
    record_property("agent_peak_pss_mb", round(watched["elm-1"].pss_mb))
    assert 100 < watched["elm-1"].pss_mb <= watched["elm-1"].rss_mb < LIMIT_MB


def test_an_agents_metrics_count_its_training_and_its_proof(deployed: Deployed) -> None:
    metrics = scraped(deployed, "elm-1")
    assert metrics["wattproof_agent_round"] == ROUNDS
    assert metrics["wattproof_agent_proof_seconds_count"] == 1 and metrics["wattproof_agent_proof_seconds_sum"] > 0
    assert metrics["wattproof_agent_proven_day"] == DAY
    assert metrics['wattproof_agent_info{home="elm-1"}'] == 1
    assert metrics['wattproof_agent_messages_total{outcome="ok",type="train"}'] == ROUNDS
    assert metrics['wattproof_agent_messages_total{outcome="ok",type="query.model"}'] == 1
    assert metrics["wattproof_agent_received_bytes"] > 1000 and metrics["wattproof_agent_sent_bytes"] > 1000
    assert metrics["wattproof_agent_train_loss"] > 0


def test_logs_of_both_sides_are_json_with_fields(deployed: Deployed) -> None:
    rounds = logged(deployed, COORDINATOR, "round done")
    assert [record["round"] for record in rounds] == list(range(1, ROUNDS + 1))
    assert all(isinstance(r["loss"], float) and r["homes"] == 4 and r["level"] == "INFO" for r in rounds)
    assert [(r["round"], r["homes"]) for r in logged(deployed, COORDINATOR, "model handed out")] == [(ROUNDS, 4)]
    (proof,) = logged(deployed, "elm-1", "forecast proven")
    assert (proof["home"], proof["day"], proof["round"]) == ("elm-1", DAY, ROUNDS)
    assert {"seconds", "bytes", "peak_mb", "time", "logger"} <= proof.keys()


def test_no_log_and_no_bundle_holds_a_reading(deployed: Deployed) -> None:
    for home in deployed.homes:
        y = [str(v) for v in read_table(deployed.folder / home / "readings.csv")["y"].tail(168)]
        told = deployed.log(home) + deployed.log(COORDINATOR)
        told += (deployed.state(home) / "proofs" / str(DAY) / f"{home}.json").read_text()
        for first, second in pairwise(y):
            assert not re.search(rf"\b{first}\W{{1,3}}{second}\b", told)


def test_a_new_day_of_readings_is_forecast_and_proven_without_being_asked(deployed: Deployed) -> None:
    path = deployed.folder / "elm-1" / "readings.csv"
    longer = made_up_readings(("elm-1",), DAYS + 1)
    known = read_table(path)
    write_table(pd.concat([known, longer.iloc[len(known) :]], ignore_index=True), path)
    deployed.wait("elm-1", f'"day": {DAY + 1}')
    bundles.verify(bundle_of(deployed, "elm-1", DAY + 1))
    before, after = bundle_of(deployed, "elm-1").history, bundle_of(deployed, "elm-1", DAY + 1).history
    assert before[1:] == after[:-1], "the days both rest on are signed once"


def test_a_proof_can_be_asked_for_by_hand(deployed: Deployed, tmp_path: Path) -> None:
    out = tmp_path / "proof.json"
    said = output_in(
        deployed.folder / "elm-3", "prove", "elm-3", str(DAY - 3), "--out", str(out), "-c", "settings.yaml"
    )
    assert "elm-3: proven in" in said
    bundle = bundles.parse(out.read_bytes())
    bundles.verify(bundle)
    assert bundle.context.day == DAY - 3


def test_a_coordinator_that_stays_hands_the_model_to_a_gateway_that_comes_after_the_training(
    deployed: Deployed,
) -> None:
    """That is already there, or comes later; neither asks a server."""
    deployed.processes[COORDINATOR].wait(LIMIT_S)
    kept = deployed.state("elm-4") / "model" / f"{ROUNDS:04d}.npz"
    content = kept.read_bytes()
    kept.unlink()
    deployed.launch(COORDINATOR, "coordinator", "--stay")
    until(kept.exists, lambda: deployed.log("elm-4") + deployed.log(COORDINATOR))
    assert kept.read_bytes() == content
    deployed.wait(COORDINATOR, "homes that come later are handed its model")
    deployed.processes["elm-4"].send_signal(signal.SIGTERM)
    deployed.processes["elm-4"].wait(LIMIT_S)
    kept.unlink()
    deployed.start("elm-4")
    until(kept.exists, lambda: deployed.log("elm-4") + deployed.log(COORDINATOR))
    assert kept.read_bytes() == content and deployed.processes[COORDINATOR].poll() is None


def test_an_agent_leaves_when_asked_and_takes_its_processes_with_it(deployed: Deployed) -> None:
    process = deployed.processes["elm-4"]
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGTERM)
    assert process.wait(LIMIT_S) == 0 and children
    until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "the agent's processes end")
