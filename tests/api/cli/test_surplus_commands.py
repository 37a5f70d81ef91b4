"""Surplus hours by command: what is audited from a file, and what is refused on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.cli.main import app
from api.config.settings import ApiSettings, HouseholdEntry
from api.operator.chain_session import open_chain_session, publish_digest
from api.operator.community import CONTRACTS, Community
from api.operator.export_models import REGISTRY, publish_export_model
from api.protocol import surplus_file
from rewards.chain import Chain
from rewards.settings import RewardSettings
from tests.api.sunny import DAY, Sunny
from tests.support.anvil import Anvil, anvil
from tests.support.commands import CliRunner

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


# -- against the chain ---------------------------------------------------------------------------------------------


@dataclass
class Published:
    """The sunny street's meters and both models on a node of its own, published an hour before the day."""

    node: Anvil
    community: Community
    chain: Chain
    options: list[str]

    def audit(self, file: Path, **changed: Path) -> tuple[int, dict[str, str]]:
        """Exit code and findings by what they say."""
        options = list(self.options)
        for option, path in changed.items():
            options[options.index(f"--{option.replace('_', '-')}") + 1] = str(path)
        done = CliRunner().invoke(app, ["audit-surplus", str(file), *options, "--json"])
        return done.exit_code, {one["what"]: one["kind"] for one in json.loads(done.stdout)["findings"]}


@pytest.fixture(scope="module")
def published(sunny: Sunny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("published")
    start = sunny.community.start_of(DAY)
    with anvil(folder, start - 3600) as node:
        key = folder / "operator.key"
        key.write_text("11" * 32)
        members = [
            HouseholdEntry(household=home.wallet.address, meter=home.meter.address) for home in sunny.community.homes
        ]
        config = sunny.community.config
        rewards = RewardSettings.model_validate({"rpc_url": node.url, "key_file": key})
        community = Community(
            config.model_copy(
                update={
                    "rewards": rewards,
                    "api": ApiSettings(state_dir=folder / "state"),
                    "community": config.community.model_copy(update={"members": tuple(members)}),
                }
            )
        )
        node.fund(community.operator.address)
        session = open_chain_session(community)
        publish_digest(community, session, 1, sunny.surplus.load.digest)
        publish_export_model(community, session.chain, 1, sunny.surplus.export.digest)
        options = ["--rpc-url", node.url, "--contracts", str(community.folder / CONTRACTS)]
        options += ["--export-models", str(community.folder / REGISTRY)]
        yield Published(node, community, session.chain, options)


@pytest.mark.process
def test_meters_and_both_models_are_compared_with_an_auditors_own_node(published: Published, file: Path) -> None:
    code, told = published.audit(file)
    assert code == 0 and set(told.values()) == {"held"}, told
    assert sum("published before the day" in what for what in told) == 2
    assert sum("are the enrolled ones" in what for what in told) == 1


@pytest.mark.process
def test_another_model_in_the_registry_or_one_that_came_after_the_day_began_is_found(
    published: Published, file: Path, tmp_path: Path, sunny: Sunny
) -> None:
    """Registries of the same chain, one with the model of load as that of export, one filled a second too late."""
    digests = {"load": sunny.surplus.load.digest, "export": sunny.surplus.export.digest}
    for name, late, kind in (("load", False, "NOT the published one"), ("export", True, "AFTER the day")):
        if late:
            published.node.be_at(published.community.start_of(DAY))
        other = Community(
            published.community.config.model_copy(update={"api": ApiSettings(state_dir=tmp_path / name)})
        )
        publish_export_model(other, published.chain, 1, digests[name])
        code, told = published.audit(file, export_models=other.folder / REGISTRY)
        (bad,) = (what for what, found in told.items() if found == "failed")
        assert code == 3 and kind in bad and "model of export" in bad
