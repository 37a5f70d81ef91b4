"""A gateway keeps its home's privacy ledger in the home's own folder, and does not start without knowing it."""

from pathlib import Path

import pytest

from api.config.community_yaml import parse
from api.gateway.agent import run_gateway
from fl.dp.budget import LedgerDamaged


def test_a_gateway_does_not_train_with_a_ledger_it_can_not_read(tmp_path: Path) -> None:
    config = parse(
        "community: {name: Elm Street}\ndata: {source: files, files: [none.csv]}\n"
        "federation: {privacy: {mode: local, max_epsilon: 20}, strategy: {weighting: equal}, evaluate_every: 0}\n"
        f"api: {{state_dir: {tmp_path}}}\n",
        "gateway.yaml",
    )
    ledger = tmp_path / "homes" / "elm-3" / "privacy.json"
    ledger.parent.mkdir(parents=True)
    ledger.write_text("cut off")
    with pytest.raises(LedgerDamaged, match=str(ledger)):
        run_gateway(config, "elm-3")
