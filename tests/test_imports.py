"""Imports run one way (docs/architecture.md). Read from the source, so that no import hides in a function."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "zkp": set[str](),
    "data": {"zkp"},
    "forecasting": {"data", "zkp"},
    "fl": {"forecasting", "data", "zkp"},
    "rewards": {"zkp"},
    "api": {"data", "forecasting", "fl", "zkp", "rewards"},
}
ONLY_MODULES = {
    ("data", "zkp"): {"zkp.algebra.commitment"},
    ("forecasting", "zkp"): {"zkp.lstm.integer_model"},  # the arrays that join the forecaster and the proof
}
"""Where a room may use only a part of another."""
VERTICAL = "fl/vertical/"
"""The one part of fl that may use zkp: its algebra, for matching ids privately."""
INSIDE_ZKP = ("algebra", "argument", "lstm", "statements", "batch", "evm")
"""Folders of zkp, each of which imports only those before it."""
FOREIGN_TO_ZKP = {"flwr", "pandas", "torch"}


def imported(path: Path) -> set[str]:
    """Every module that a file imports; of `from package import name` both the package and the name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: relative imports hide where they lead"
            package = (ROOT / node.module.replace(".", "/")).is_dir()
            found |= {f"{node.module}.{alias.name}" for alias in node.names} if package else {node.module}
    return found


def files() -> list[Path]:
    return [path for room in MAY_IMPORT for path in sorted((ROOT / room).rglob("*.py"))]


@pytest.mark.parametrize("path", sorted((ROOT / "zkp").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_folders_of_zkp_import_one_way(path: Path) -> None:
    folder = path.relative_to(ROOT / "zkp").parts[0]
    if folder not in INSIDE_ZKP:  # errors, soundness and view stand beside the folders
        return
    for module in imported(path):
        other = [*module.split("."), ""][1] if module.startswith("zkp.") else ""
        if other in INSIDE_ZKP:
            assert INSIDE_ZKP.index(other) <= INSIDE_ZKP.index(folder), f"{folder} may not import {module}"
        else:
            assert other in {"", "errors"}, f"{folder} may not import {module}"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    for module in imported(path):
        other = module.split(".")[0]
        if other in MAY_IMPORT and other != room:
            assert other in MAY_IMPORT[room], f"{room} may not import {module}"
            part = ONLY_MODULES.get((room, other))
            assert part is None or module in part, f"{room} may import only {', '.join(sorted(part))}, not {module}"
        if room == "fl" and other == "zkp":
            inside = path.relative_to(ROOT).as_posix().startswith(VERTICAL)
            errors = module == "zkp.errors"  # what the algebra raises
            assert inside and (errors or module.startswith("zkp.algebra")), f"{path.name} may not import {module}"
        if room == "zkp":
            assert other not in FOREIGN_TO_ZKP, f"zkp knows no {other}"


def test_every_room_is_looked_at() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - {"bench"} == set(MAY_IMPORT)


def test_the_rule_is_alive(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("import torch.nn\ndef f():\n    from fl import agent\n    from data.day import DayClock\n")
    assert imported(path) == {"torch.nn", "fl.deployment.agent", "data.day"}
