"""Every cell of docs/notebook.ipynb runs, in order, on the demo's homes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CELLS: list[dict[str, Any]] = json.loads((ROOT / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]


@pytest.mark.slow
def test_the_notebook_runs_and_proves_a_forecast(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    for cell in CELLS:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert set(names["scores"].methods) >= {"yesterday", "ridge_pooled", "median_14_days"}
    assert len(names["proof"]) > 3_000
    assert "refused: " in capsys.readouterr().out


def test_the_notebook_shows_its_results() -> None:
    """A reader who does not run it sees what came out."""
    shown = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert len(shown) >= 5 and all(cell["outputs"] for cell in shown)
