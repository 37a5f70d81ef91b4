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
KEY_FILES = {"py_ecc"}  # eth_account reads some with a password, by a curve in Python; nothing here has any
TRACING = {"opentelemetry"}  # nobody's, unless an endpoint is set
NEVER: dict[str, tuple[str, set[str]]] = {
    "an agent that trains, submits and sums": (
        "api.gateway.agent, api.gateway.submitter, api.gateway.model_updater, api.gateway.secure_sum.client, "
        "api.gateway.secure_sum.contribution, api.gateway.answers, rewards.rpc_client",
        CHAIN | FITTING | PICTURES | COMPILER | KEY_FILES | {"ray", "pandas"},
    ),
    "the process that trains": (
        "api.gateway.jobs, fl.deployment.home, fl.gossip.private_training",
        CHAIN | FITTING | PICTURES | COMPILER | KEY_FILES | {"ray"},
    ),
    "a coordinator, and a simulation until its homes train": (
        "fl.deployment.coordinator, fl.simulation, fl.task",
        {"web3", "eth", "vyper"} | FITTING | PICTURES | COMPILER | KEY_FILES | {"ray", "pandas"},
    ),
    "the process that proves": (
        "api.gateway.jobs, api.gateway.prover, api.gateway.proving, api.gateway.peak",
        CHAIN | FITTING | PICTURES | FEDERATION | KEY_FILES,
    ),
    "verify": (
        "api.cli.main, api.cli.check_report",
        CHAIN | FITTING | PICTURES | FEDERATION | KEY_FILES | {"pandas"},
    ),
    "serve, until it has its port": (
        "api.cli.main, api.cli.served, api.config.demo_settings, api.http.listener",
        CHAIN | FITTING | PICTURES | FEDERATION | COMPILER | KEY_FILES | {"pandas"},
    ),
    "serve": ("api.cli.main, api.http.server", FITTING | PICTURES | FEDERATION | {"vyper"}),
    "forecast and claim": ("api.cli.main, api.one_machine.days", FITTING | PICTURES | FEDERATION | {"vyper"}),
    "train, until it is judged": ("api.cli.main, api.one_machine.training", {"sklearn"} | PICTURES | {"vyper"}),
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


ENCRYPTED = """
import api, sys
from eth_account import Account
key = bytes(31) + bytes([7])
file = Account.encrypt(key, "kestrel", kdf="pbkdf2", iterations=2)
assert Account.decrypt(file, "kestrel") == key
import eth_keyfile
assert eth_keyfile.decode_keyfile_json(file, b"kestrel") == key and "py_ecc" in sys.modules
"""


def test_what_is_deferred_is_loaded_when_it_is_asked_for() -> None:
    subprocess.run([sys.executable, "-c", ENCRYPTED], cwd=ROOT, capture_output=True, text=True, check=True)


GATEWAY = ("an agent that trains, submits and sums", "the process that trains", "the process that proves", "verify")
NAMES = {"scikit-learn": "sklearn", "eth-tester": "eth_tester", "dp-accounting": "dp_accounting"}
"""Packages whose module has another name."""


def _left_out() -> set[str]:
    """Modules that only the extras `server`, `privacy`, `vertical` and `tracing` bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    brought = [*project["dependencies"], *(line for line in requires("flwr") or () if "extra ==" not in line)]
    kept = {re.split(r"[^\w-]", line)[0].lower() for line in brought}
    brings = [line for extra in ("server", "privacy", "vertical") for line in extras[extra]]
    named = {re.split(r"[^\w-]", line)[0] for line in brings} - kept - {"wattproof"}
    return {NAMES.get(name, name) for name in named} | {"ray", "eth"} | TRACING


@pytest.mark.parametrize("who", GATEWAY)
def test_a_gateways_installation_has_all_that_a_gateway_loads(who: str) -> None:
    """Whatever the extras bring is refused: with it gone, everything still imports."""
    modules, _ = NEVER[who]
    program = f"import sys\nsys.modules.update(dict.fromkeys({sorted(_left_out())!r}))\nimport {modules}"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)


LIFE = """
import sys
sys.modules.update(dict.fromkeys({left_out!r}))
import numpy as np
from bench.proof_case import Case
from fl.gossip.private_training import fit_private
from fl.gossip.settings import GossipSettings
from fl.one_shot.plan import STATISTICS, OneShotPlan
from fl.plan import LocalPlan
from fl.task import HomeLearner, initial_weights, projection
from forecasting.integer import quantise
from forecasting.settings import ForecastingSettings, ModelSettings
from forecasting.shape import ModelShape
from tests.fl.federation import made_up_windows
from zkp.lstm.weights import commit_weights
from zkp.statements import inference

shape = ModelShape.of(ModelSettings(hidden=4))
windows = made_up_windows(("home",), days=50)
home = HomeLearner("home", windows.between(0, 40), windows.between(40, 50), shape, 0.1)
weights = initial_weights(shape, 7)
before = home.evaluate(weights)["nmae"]
weights, _ = home.fit(weights, LocalPlan(1, 7, 10, 5e-3, 8, 0.0))
assert home.evaluate(weights)["nmae"] < before
home.fit(weights, LocalPlan(2, 7, 1, 5e-3, 16, 0.0, gradient=True))
weights = fit_private(home, weights, LocalPlan(3, 7, 1, 1e-4, 8, 0.0), GossipSettings(sampled_privacy="days"))
numbers, _ = home.sums(OneShotPlan(STATISTICS, (), fewest_days=10, private=False, most_windows=1000))
assert len(numbers) > 0
head = home.personal_head(projection(shape)(weights), ForecastingSettings(personal_least_days=10))
assert head is not None and np.abs(head).max() > 0
model = quantise(weights, shape)
case = Case(weights, model, commit_weights(model.weights), 1)
own = case.home(1, 1)
inference.verify(own.statement, own.prove(model.weights))
print("proven")
"""


def test_without_them_a_home_trains_fits_its_head_enters_a_one_shot_training_and_proves_its_forecast() -> None:
    program = LIFE.format(left_out=sorted(_left_out()))
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "proven\n", done.stderr
