"""`wattproof init` writes settings that load; `doctor` says what is missing; `days` lists what there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from api.cli.main import app
from api.cli.setup_commands import Role
from api.cli.terminal import INCOMPLETE
from api.config.community_yaml import ConfigError, load
from tests.api.conftest import Village


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.mark.parametrize("role", list(Role))
def test_settings_that_are_written_load_and_say_what_was_asked_for(role: Role, tmp_path: Path) -> None:
    out = tmp_path / "new" / "community.yaml"
    done = run(
        "init", "--role", role, "--name", 'Via "Roma": 3', "--day-start-utc", 22, "--home", "ada", "--out", out
    )
    assert done.exit_code == 0, done.output
    settings = load(out)
    assert (settings.community.name, settings.data.day_start_utc) == ('Via "Roma": 3', 22)
    assert [path.name for path in settings.data.files] == ([] if role is Role.SERVER else ["ada.csv"])
    assert out.read_text().startswith("# ")


def test_settings_that_are_there_stay(tmp_path: Path) -> None:
    out = tmp_path / "community.yaml"
    out.write_text("mine")
    done = run("init", "--role", "server", "--name", "Elm Street", "--out", out)
    assert isinstance(done.exception, ConfigError)
    assert out.read_text() == "mine"


def test_a_name_that_settings_refuse_leaves_no_file(tmp_path: Path) -> None:
    out = tmp_path / "community.yaml"
    assert isinstance(run("init", "--role", "server", "--name", "", "--out", out).exception, ConfigError)
    assert not out.exists()


def test_the_doctor_names_what_is_missing_and_the_remedy(tmp_path: Path) -> None:
    out = tmp_path / "community.yaml"
    run("init", "--role", "one-machine", "--name", "Elm Street", "--home", "ada", "--out", out)
    done = run("doctor", "-c", out, "--json")
    assert done.exit_code == INCOMPLETE
    told = json.loads(done.stdout)
    assert not told["healthy"]
    (missing,) = [one for one in told["findings"] if one["kind"] == "missing"]
    assert "ada.csv is not there" in missing["what"]
    assert "data import" in missing["remedy"]
    assert "ada.csv is not there" in " ".join(run("doctor", "-c", out).output.split())


def test_a_server_without_readings_is_healthy(tmp_path: Path) -> None:
    out = tmp_path / "community.yaml"
    run("init", "--role", "server", "--name", "Elm Street", "--out", out)
    done = run("doctor", "-c", out)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "Nothing is wrong.")


def test_the_days_of_a_community_are_listed(village: Village, tmp_path: Path) -> None:
    out = tmp_path / "community.yaml"
    settings = village.community.config.model_dump(mode="json", exclude_defaults=True)
    out.write_text(yaml.safe_dump(settings))
    done = run("days", "-c", out, "--json")
    assert done.exit_code == 0, done.output
    for one in json.loads(done.stdout):
        assert one["date"] == village.community.clock.date_of(one["day"]).isoformat()
    assert (
        f"{village.community.clock.day_of(village.community.readings['ds'].min())}" in run("days", "-c", out).output
    )
