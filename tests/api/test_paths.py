"""The data paths of docs/architecture.md are those that the data take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from api.config.community_yaml import load
from api.gateway import proving
from api.gateway.proof_folder import ProofFolder
from api.gateway.prover import open_household
from api.gateway.round_model import RoundModel
from data.append import append_table
from data.importing.importer import import_file
from data.importing.options import ImportOptions
from fl.deployment.kept_model import keep_model
from fl.task import initial_weights
from forecasting.shape import ModelShape
from tests.api.conftest import Village
from tests.support.walk import drawn, walked

HOME = "elm-3"
SETTINGS = """
community: {name: Elm Street}
data: {source: files, files: [elm-3.csv]}
forecasting: {model: {hidden: 8}}
"""


OPENED_WHEN_NEEDED = "api.operator.database.engine"
"""A connection is opened by whoever needs one first."""


def export(path: Path, days: int) -> None:
    """A meter's export: hourly kWh."""
    hours = pd.date_range("2017-05-01", periods=24 * days, freq="h", tz="UTC")
    load_kwh = 0.4 + 0.3 * np.sin(np.arange(len(hours)) * np.pi / 12) ** 2
    rows = [f"{hour.isoformat()},{value:.3f}" for hour, value in zip(hours, load_kwh, strict=True)]
    path.write_text("\n".join(["timestamp,kwh", *rows]) + "\n")


def test_a_households_readings_from_file_to_proof(tmp_path: Path) -> None:
    export(tmp_path / "export.csv", 10)
    (tmp_path / "community.yaml").write_text(SETTINGS)
    config = load(tmp_path / "community.yaml")
    shape = ModelShape.of(config.forecasting.model)
    keep_model(config.api.model_dir, 1, initial_weights(shape, 7), shape)
    with walked() as walk:
        append_table(tmp_path / "elm-3.csv", import_file(tmp_path / "export.csv", ImportOptions(HOME)).readings)
        opened = open_household(config.data, config.community, config.api.homes_dir, HOME)
        prepared = opened.prepare(opened.due_day(), RoundModel.kept(config.api.model_dir))
        opened.keep(prepared, proving.make(prepared.job), ProofFolder(config.api.proofs_dir))
    assert walk.modules == drawn("A household's readings, from file to proof"), walk


def test_an_export_is_handed_on_by_columns_not_by_cells(tmp_path: Path) -> None:
    calls = []
    for days in (10, 14):
        export(tmp_path / "export.csv", days)
        with walked() as walk:
            import_file(tmp_path / "export.csv", ImportOptions(HOME))
        calls.append(len(walk.steps))
    more_rows = 4 * 24
    assert calls[0] < 120 and calls[1] - calls[0] < more_rows / 4  # each date is looked at, not each row


def test_a_proof_from_request_to_verdict(village: Village) -> None:
    home = village.homes[0]
    bundle = village.bundle(home)
    body = {"bundle": bundle.model_dump(mode="json"), "transaction": village.transaction(home.wallet, bundle)}
    with village.client as client, walked() as walk:
        answer = client.post("/forecasts", json=body)
    assert answer.status_code == 201
    expected = drawn("A proof, from request to verdict")
    seen = [module for module in walk.modules if module != OPENED_WHEN_NEEDED]
    assert seen == [module for module in expected if module in seen], walk
    # What an earlier test of this process asked is kept, and not visited again: the way in is always the same.
    assert walk.modules[:4] == expected[:4] and "zkp" in walk.modules
