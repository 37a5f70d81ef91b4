"""Surplus hours by command: what is audited from a file, and what is refused on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.protocol import surplus_file
from tests.api.sunny import DAY, Sunny

pytestmark = pytest.mark.slow


@pytest.fixture
def file(sunny: Sunny, tmp_path: Path) -> Path:
    path = tmp_path / "surplus.json"
    path.write_bytes(surplus_file.written(sunny.surplus))
    return path


def test_a_days_file_is_audited(file: Path) -> None:
    done = CliRunner().invoke(app, ["audit-surplus", str(file)])
    assert done.exit_code == 0, done.output
    assert "The hours hold." in done.output and "3 of export are proven" in done.output.replace("\n", " ")
    told = json.loads(CliRunner().invoke(app, ["audit-surplus", str(file), "--json"]).stdout)
    assert str(DAY) in json.dumps(told)


def test_a_changed_file_is_told_by_exit_code_and_in_words(file: Path) -> None:
    content = json.loads(file.read_text())
    content["export"]["values_wh"][40] += 5
    file.write_text(json.dumps(content))
    done = CliRunner().invoke(app, ["audit-surplus", str(file)])
    assert done.exit_code == 3 and "do NOT hold" in done.output


@pytest.mark.parametrize(
    "options", [["--rpc-url", "http://127.0.0.1:1"], ["--export-models", "x.json"], ["--contracts", "x.json"]]
)
def test_registries_are_named_together_with_a_node(file: Path, options: list[str]) -> None:
    assert CliRunner().invoke(app, ["audit-surplus", str(file), *options]).exit_code == 2


def test_a_quantity_that_no_meter_counts_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", "--quantity", "heat", "-c", str(tmp_path / "none.yaml")])
    assert done.exit_code == 2 and "none of load, export" in done.output.replace("\n", " ")
