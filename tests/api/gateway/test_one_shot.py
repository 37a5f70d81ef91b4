"""A community's first evening: no round of training, one sum over homes, and every gateway forecasts and proves.

One coordinator and four agents of `wattproof`, over TLS, each gateway with its own home only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml

from api.protocol import bundle as bundles
from bench.deployed import COORDINATOR, SERVER, Deployed, share_cache
from data.table import write_table
from fl.errors import FederationError
from fl.one_shot.kept import TOTAL
from fl.weights import load
from tests.api.gateway.test_agent import DAY, DAYS, START, made_up_readings, scraped
from tests.support.commands import output_in
from tests.support.forked import forked
from tests.support.waiting import LIMIT_S, until

pytestmark = pytest.mark.process
HOMES = ("elm-1", "elm-2", "elm-3", "elm-4")
PEAKS = [f'wattproof_agent_peak_probability{{class="{name}"}}' for name in ("low", "middle", "high")]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A finished one-shot training, with every home's proof made."""
    community = Deployed(
        tmp_path_factory.mktemp("community"), made_up_readings(HOMES, DAYS), None,
        {"rounds": 40, "one_shot": {"fewest_days": 5}}, {"model": {"hidden": 8}},
        day_start_utc=START % 86_400 // 3600, handing_in=("elm-1",), secure=True, coordinator_options=["--one-shot"],
        run=output_in, begin=forked,
    )  # fmt: skip
    try:
        for name in (COORDINATOR, SERVER, *community.homes):
            community.start(name)
        for home in community.homes:
            community.wait(home, "forecast proven")
        community.wait("elm-1", '"submitted", "home": "elm-1", "kind": "forecast"')
        yield community
    finally:
        community.stop()


def test_one_sum_is_all_that_the_coordinator_has(deployed: Deployed) -> None:
    assert deployed.processes[COORDINATOR].wait(LIMIT_S) == 0
    rounds = deployed.state(COORDINATOR) / "rounds"
    assert [path.name for path in sorted(rounds.iterdir()) if path.is_dir()] == ["0001"]
    report = json.loads((rounds / "0001" / "metrics.json").read_text())
    assert report["participants"] == deployed.homes and report["left_out"] == {}
    assert load(rounds / "0001" / f"{TOTAL}.npz")["homes"].tolist() == deployed.homes


def test_every_gateway_proves_with_the_model_that_follows_from_it(deployed: Deployed) -> None:
    digest = (deployed.state(COORDINATOR) / "rounds" / "0001" / "digest").read_text()
    for home in deployed.homes:
        bundle = bundles.parse((deployed.state(home) / "proofs" / str(DAY) / f"{home}.json").read_bytes())
        assert isinstance(bundle, bundles.InferenceBundle)
        bundles.verify(bundle)
        assert bundle.context.round == 1 and bundle.statement().weights.digest().hex() == digest
    assert deployed.ask("/rounds") == [{"number": 1, "digest": "0x" + digest}]
    assert len(deployed.ask(f"/forecasts/{DAY}")) == 1


def is_told(deployed: Deployed, home: str) -> bool:
    return scraped(deployed, home)["wattproof_agent_peak_day"] == DAY


def test_a_household_is_told_the_class_of_its_peak_and_nobody_else(deployed: Deployed) -> None:
    for home in deployed.homes:
        until(partial(is_told, deployed, home), partial(deployed.log, home))
        told = scraped(deployed, home)
        assert sum(told[name] for name in PEAKS) == pytest.approx(1)
        said = output_in(deployed.folder / home, "peak", home, "-c", "settings.yaml")
        likeliest = max(PEAKS, key=lambda name: told[name]).split('"')[1]
        assert f"Day {DAY}: a {likeliest} peak is the most likely" in said
        assert "probability" not in deployed.log(home), "it is in no log"
    paths = deployed.ask("/openapi.json")["paths"]
    assert not any("peak" in path for path in paths)
    for line in (COORDINATOR, SERVER):
        assert "peak_probability" not in deployed.log(line)


def test_what_a_home_has_entered_stays_its_own(deployed: Deployed) -> None:
    total = load(deployed.state(COORDINATOR) / "rounds" / "0001" / f"{TOTAL}.npz")["vector"]
    entered = [load(deployed.state(h) / "homes" / h / "sums.entered.npz")["vector"] for h in deployed.homes]
    assert np.array_equal(np.sum(entered, axis=0), total)


def test_a_coordinator_without_secure_aggregation_says_what_to_do(tmp_path: Path) -> None:
    Deployed(tmp_path, made_up_readings(HOMES[:3], 20), run=output_in)
    with pytest.raises(FederationError, match=r"secure_aggregation\.enabled: true"):
        output_in(tmp_path / COORDINATOR, "coordinator", "-c", "settings.yaml", "--one-shot")


def test_all_homes_on_one_machine(tmp_path: Path) -> None:
    write_table(made_up_readings(HOMES, DAYS), tmp_path / "readings.csv")
    share_cache(tmp_path)
    settings = {
        "community": {"name": "One machine"},
        "data": {"source": "files", "files": ["readings.csv"], "day_start_utc": START % 86_400 // 3600},
        "forecasting": {"model": {"hidden": 4}, "personal_epochs": 1},
        "federation": {"one_shot": {"fewest_days": 5}, "simulation": {"workers": 1}},
    }
    (tmp_path / "community.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert "Round 1: weights digest" in output_in(tmp_path, "train", "--one-shot")
    assert (tmp_path / "state" / "rounds" / "0001" / "published").exists()
    assert f"Day {DAY}: a " in output_in(tmp_path, "peak", "elm-1")
