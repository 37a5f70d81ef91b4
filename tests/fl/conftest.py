"""Deployments of real processes, for the tests of the federation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench.ports import free_port
from fl.deployment.keys import make_keys
from fl.settings import FederationSettings
from fl.task import write_homes
from tests.fl.federation import HOMES, ROUND_S, Deployment, made_up_windows


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Deployment]]:
    """Makes deployments of four homes; all their processes end with the module's tests."""
    made: list[Deployment] = []

    def make(**settings: Any) -> Deployment:
        folder = tmp_path_factory.mktemp("deployment")
        windows = made_up_windows(HOMES, days=40)
        write_homes(folder / "homes", windows.between(0, 30), windows.between(30, 40))
        make_keys(folder / "keys", ["127.0.0.1", "localhost"], HOMES)
        deployment = {
            "port": free_port(), "keys_dir": str(folder / "keys"), "heartbeat_s": 300, "poll_s": 0.1,
            "retry_max_s": 1,
        } | settings.pop("deployment", {})  # fmt: skip
        values = {
            "rounds": 3, "min_homes": 4, "evaluate_every": 1, "local": {"epochs": 1}, "round_timeout_s": ROUND_S,
            "deployment": deployment,
        } | settings  # fmt: skip
        # Homes that are not masked give no gradients (`fl.message_gate`): all rounds are local ones.
        values["strategy"] = {"local_rounds": values["rounds"]} | values.get("strategy", {})
        made.append(Deployment(folder, FederationSettings.model_validate(values)))
        return made[-1]

    yield make
    for deployment in made:
        deployment.stop()
