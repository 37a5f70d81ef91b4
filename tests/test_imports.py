"""Imports run one way (docs/architecture.md). Read from the source, so that no import hides in a function."""

import ast
from collections.abc import Iterator, Mapping, Set
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "zkp": set[str](),
    "data": {"zkp"},
    "forecasting": {"data", "zkp"},
    "fl": {"forecasting", "data", "zkp"},
    "rewards": {"data", "zkp"},
    "api": {"data", "forecasting", "fl", "zkp", "rewards"},
}
ONLY_PARTS = {
    ("data", "zkp"): ("zkp.algebra.commitment",),
    ("forecasting", "zkp"): ("zkp.lstm.integer_model",),  # the arrays that join the forecaster and the proof
    ("rewards", "data"): ("data.atomic", "data.json_text", "data.http_client"),  # files of the state folder; a node
    ("fl", "zkp"): ("zkp.algebra", "zkp.errors"),  # the curve, which ids are matched on in private
}
"""Where a top-level package may use only a part of another."""
ONLY_FROM = {("fl", "zkp"): "fl.vertical"}
"""Where only a part of a top-level package may use another."""
INSIDE: Mapping[str, Mapping[str, set[str]]] = {
    "api": {
        "config": set(),
        "protocol": {"config"},
        "gateway": {"config", "protocol"},
        "operator": {"config", "protocol"},
        "audit": {"config", "protocol"},
        "one_machine": {"config", "protocol", "gateway", "operator"},
        "http": {"config", "protocol", "operator"},
        "cli": {"config", "protocol", "gateway", "operator", "audit", "one_machine", "http"},
    },
    "fl": {
        "aggregation": set(),
        "secagg": {"aggregation"},
        "homomorphic": {"secagg"},
        "vertical": {"secagg", "dp"},
        "gossip": {"aggregation", "secagg", "dp", "deployment"},
        "dp": {"aggregation", "secagg"},
        "one_shot": {"aggregation", "secagg", "dp"},
        "deployment": {"aggregation", "secagg", "homomorphic", "dp", "one_shot"},
    },
    "zkp": {
        "algebra": set(),
        "argument": {"algebra"},
        "lstm": {"algebra", "argument"},
        "statements": {"algebra", "argument", "lstm"},
        "batch": {"algebra", "argument", "lstm", "statements"},
        "evm": {"algebra", "argument", "lstm", "statements", "batch"},
    },
}
"""Packages inside the top-level ones, and the others beside them that each may import."""
SHARED = {
    "fl.one_shot.plan",  # what a coordinator asks for: every mod at home has to know it
    "fl.one_shot.settings",
    "fl.gossip.settings",
    "fl.vertical.settings",
    "fl.deployment.settings",
}
"""Modules that every package beside theirs may import: they import no other package of those beside them."""
FOREIGN_TO_ZKP = {"flwr", "pandas", "torch"}
MOST_LINES = 400
FEWEST_LINES = 10
SMALL = {
    "forecasting/errors.py": "the base of what forecasting raises, imported by all of it",
    "fl/one_shot/sizes.py": "an agent's own process knows the sizes without the arrays that have them",
    "zkp/statements/buckets.py": "settings know the numbers without the proof system",
}
"""Modules of ten lines and less, each with its reason."""


@cache
def modules() -> dict[str, Path]:
    """Every module of the product by its dotted name; a package by its own."""
    found = {}
    for top in MAY_IMPORT:
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imported(path: Path) -> frozenset[str]:
    """Every module that a file imports; of `from package import name` both the package and the name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: relative imports hide where they lead"
            package = (ROOT / node.module.replace(".", "/")).is_dir()
            found |= {f"{node.module}.{alias.name}" for alias in node.names} if package else {node.module}
    return frozenset(found)


def circles(graph: Mapping[str, Set[str]]) -> list[list[str]]:
    """Groups of modules each of which leads to all others of its group (Tarjan 1972)."""
    found, order, lowest, stack = [], dict[str, int](), dict[str, int](), list[str]()

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for other in sorted(graph.get(name, set())):
            if other not in order:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], order[other])
        if lowest[name] == order[name]:
            at = stack.index(name)
            group, stack[at:] = stack[at:], []
            if len(group) > 1 or name in graph.get(name, set()):
                found.append(sorted(group))

    for name in graph:
        if name not in order:
            visit(name)
    return found


def crossings() -> Iterator[tuple[str, str, str, str]]:
    """Imports from one package into another beside it: module, its package, the imported module, its package."""
    for name, path in modules().items():
        top, inner, *_ = *name.split("."), "", ""
        if inner in INSIDE.get(top, {}):
            for module in sorted(imported(path)):
                other_top, other, *_ = *module.split("."), "", ""
                if other_top == top and other in INSIDE[top] and other != inner:
                    yield name, inner, module, other


def test_packages_inside_the_top_level_ones_import_one_way() -> None:
    wrong = [
        f"{name} may not import {module}"
        for name, inner, module, other in crossings()
        if other not in INSIDE[name.split(".")[0]][inner] and module not in SHARED
    ]
    assert wrong == []


def test_modules_that_all_packages_share_import_none_of_them() -> None:
    assert [name for name, *_ in crossings() if name in SHARED] == []


@pytest.mark.parametrize("top", INSIDE)
def test_every_package_has_its_rule(top: str) -> None:
    packages = {path.parent.name for path in (ROOT / top).glob("*/__init__.py")}
    assert packages == INSIDE[top].keys()
    assert circles(INSIDE[top]) == []


def test_no_import_leads_back_to_where_it_came_from() -> None:
    """Imports in functions and for type checkers only are counted as well."""
    assert circles({name: imported(path) & modules().keys() for name, path in modules().items()}) == []


def faults(name: str) -> Iterator[str]:
    """What a module imports of another top-level package that it may not."""
    top = name.split(".", maxsplit=1)[0]
    for module in sorted(imported(modules()[name])):
        other = module.split(".")[0]
        if other in MAY_IMPORT and other != top:
            parts = ONLY_PARTS.get((top, other), (other,))
            if (
                other not in MAY_IMPORT[top]
                or not f"{module}.".startswith(tuple(f"{part}." for part in parts))
                or not name.startswith(ONLY_FROM.get((top, other), top))
            ):
                yield f"{name} may not import {module}"
        if top == "zkp" and other in FOREIGN_TO_ZKP:
            yield f"{name} may not import {module}: zkp knows no {other}"


def test_a_top_level_package_imports_only_what_it_may() -> None:
    assert [fault for name in modules() for fault in faults(name)] == []


def test_modules_are_of_a_size_to_be_read() -> None:
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules().values()
        if path.name != "__init__.py"
    }
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}
    assert {name for name, count in lines.items() if count <= FEWEST_LINES} == SMALL.keys()


def test_every_package_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in modules().values()
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_every_top_level_package_is_looked_at() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - {"bench"} == set(MAY_IMPORT)


def test_the_rules_are_alive(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("import torch.nn\ndef f():\n    from fl import client_app\n    from data.day import DayClock\n")
    assert imported(path) == {"torch.nn", "fl.client_app", "data.day"}
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set()}) == [["a", "b", "c"]]
    assert circles({"a": {"a"}}) == [["a"]]
    assert any(module.startswith("api.protocol") for _, _, module, _ in crossings())
