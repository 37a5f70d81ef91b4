"""What each process loads: memory on a gateway, and seconds of every command, are mostly what it imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[1]
CHAIN = {"web3", "eth", "eth_tester", "vyper", "sqlalchemy"}
FITTING = {"torch", "sklearn", "dp_accounting"}
PICTURES = {"matplotlib"}
FEDERATION = {"flwr", "ray"}
COMPILER = {"numba", "scipy"}  # of the proof system; numba loads scipy
NEVER: dict[str, tuple[str, set[str]]] = {
    "an agent that trains, hands in and sums": (
        "api.gateway, api.courier, api.model_desk, api.sum_member, api.summand, rewards.own_node",
        CHAIN | FITTING | PICTURES | COMPILER | {"ray", "pandas"},
    ),
    "the process that trains": ("api.gateway_work, fl.home", CHAIN | PICTURES | FEDERATION | COMPILER | {"sklearn"}),
    "the process that proves": (
        "api.gateway_work, api.open_home, api.proving, api.peak",
        CHAIN | FITTING | PICTURES | FEDERATION,
    ),
    "verify": ("api.cli, api.check_report", CHAIN | FITTING | PICTURES | FEDERATION | {"pandas"}),
    "serve, until it has its port": (
        "api.cli, api.served, api.demo_settings, api.listener",
        CHAIN | FITTING | PICTURES | FEDERATION | COMPILER | {"pandas"},
    ),
    "serve": ("api.cli, api.server", FITTING | PICTURES | FEDERATION | {"vyper"}),
    "forecast and claim": ("api.cli, api.one_machine", FITTING | PICTURES | FEDERATION | {"vyper"}),
    "help": ("api.cli", CHAIN | FITTING | PICTURES | FEDERATION | COMPILER | {"pandas", "numpy"}),
}


@pytest.mark.parametrize("who", list(NEVER))
def test_a_process_loads_nothing_that_it_has_no_use_for(who: str) -> None:
    modules, unwanted = NEVER[who]
    program = f"import sys, {modules}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert set(modules.split(", ")) <= loaded
    assert loaded & unwanted == set()
