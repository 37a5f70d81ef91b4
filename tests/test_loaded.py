"""What each process loads: memory on a gateway, and seconds of every command, are mostly what it imports."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[1]
CHAIN = {"web3", "eth", "eth_tester", "vyper", "sqlalchemy"}
FITTING = {"torch", "sklearn", "dp_accounting"}
PICTURES = {"matplotlib"}
FEDERATION = {"flwr", "ray"}
COMPILER = {"numba", "scipy"}  # of the proof system; numba loads scipy
TRACING = {"opentelemetry"}  # nobody's, unless an endpoint is set
NEVER: dict[str, tuple[str, set[str]]] = {
    "an agent that trains, submits and sums": (
        "api.gateway.agent, api.gateway.submitter, api.gateway.model_updater, api.gateway.secure_sum.client, "
        "api.gateway.secure_sum.contribution, api.gateway.answers, rewards.rpc_client",
        CHAIN | FITTING | PICTURES | COMPILER | {"ray", "pandas"},
    ),
    "the process that trains": (
        "api.gateway.jobs, fl.deployment.home",
        CHAIN | PICTURES | FEDERATION | COMPILER | {"sklearn"},
    ),
    "the process that proves": (
        "api.gateway.jobs, api.gateway.prover, api.gateway.proving, api.gateway.peak",
        CHAIN | FITTING | PICTURES | FEDERATION,
    ),
    "verify": ("api.cli.main, api.cli.check_report", CHAIN | FITTING | PICTURES | FEDERATION | {"pandas"}),
    "serve, until it has its port": (
        "api.cli.main, api.cli.served, api.config.demo_settings, api.http.listener",
        CHAIN | FITTING | PICTURES | FEDERATION | COMPILER | {"pandas"},
    ),
    "serve": ("api.cli.main, api.http.server", FITTING | PICTURES | FEDERATION | {"vyper"}),
    "forecast and claim": ("api.cli.main, api.one_machine.days", FITTING | PICTURES | FEDERATION | {"vyper"}),
    "help": ("api.cli.main", CHAIN | FITTING | PICTURES | FEDERATION | COMPILER | {"pandas", "numpy"}),
}


@pytest.mark.parametrize("who", list(NEVER))
def test_a_process_loads_nothing_that_it_has_no_use_for(who: str) -> None:
    modules, unwanted = NEVER[who]
    program = f"import sys, {modules}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert set(modules.split(", ")) <= loaded
    assert loaded & (unwanted | TRACING) == set()


GATEWAY = ("an agent that trains, submits and sums", "the process that trains", "the process that proves", "verify")
NAMES = {"scikit-learn": "sklearn", "eth-tester": "eth_tester", "dp-accounting": "dp_accounting"}
"""Packages whose module has another name."""


def _left_out() -> set[str]:
    """Modules that only the extras `server`, `privacy` and `tracing` bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    brought = [*project["dependencies"], *(line for line in requires("flwr") or () if "extra ==" not in line)]
    kept = {re.split(r"[^\w-]", line)[0].lower() for line in brought}
    named = {re.split(r"[^\w-]", line)[0] for line in (*extras["server"], *extras["privacy"])} - kept - {"wattproof"}
    return {NAMES.get(name, name) for name in named} | {"ray", "eth"} | TRACING


@pytest.mark.parametrize("who", GATEWAY)
def test_a_gateways_installation_has_all_that_a_gateway_loads(who: str) -> None:
    """Whatever the extras bring is refused: with it gone, everything still imports."""
    modules, _ = NEVER[who]
    program = f"import sys\nsys.modules.update(dict.fromkeys({sorted(_left_out())!r}))\nimport {modules}"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
