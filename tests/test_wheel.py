"""The wheel: everything of ours is under `wattproof.`, and nothing in it asks for a module beside that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[1]
OURS = {path.parent.name for path in ROOT.glob("*/py.typed")}

EVERY_MODULE = """
import importlib, json, pkgutil, sys, wattproof
names = [found.name for found in pkgutil.walk_packages(wattproof.__path__, "wattproof.")]
for name in names:
    importlib.import_module(name)
beside = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"modules": len(names), "beside": beside, "where": wattproof.__file__}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


def test_nothing_is_beside_wattproof(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"api", "data", "fl", "forecasting", "rewards", "zkp"} == OURS
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"wattproof"}
    for needed in (
        "api/http/static/index.html",
        "api/cli/templates/server.yaml",
        "rewards/contracts/rewards.vy",
        "py.typed",
        "zkp/py.typed",
    ):
        assert f"wattproof/{needed}" in names


def test_every_module_imports_and_finds_the_others_there(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-P", "-c", EVERY_MODULE],
        env=environment,
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["where"].startswith(str(tmp_path))
    assert told["modules"] > 200
    assert OURS.isdisjoint(told["beside"])
