"""Which settings `wattproof serve` takes: those named, those of this folder, the demo's of this folder, else none."""

from pathlib import Path

import pytest

from api.cli.served import settings_to_serve
from api.config.community_yaml import ConfigError

SETTINGS = "community: {name: %s}\ndata: {source: none}\n"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_empty_folder_is_left_empty(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name the settings with --config"):
        settings_to_serve(None)
    assert list(tmp_path.iterdir()) == []


def test_the_communitys_settings_come_before_the_demos(tmp_path: Path) -> None:
    (tmp_path / "out" / "demo").mkdir(parents=True)
    config, name = settings_to_serve(None)
    assert config.community.name == "Wattproof demo community" and name == "the demo in out/demo"
    (tmp_path / "community.yaml").write_text(SETTINGS % "Elm Street")
    config, name = settings_to_serve(None)
    assert config.community.name == "Elm Street" and name == "community.yaml"
    (tmp_path / "other.yaml").write_text(SETTINGS % "Oak Street")
    assert settings_to_serve(Path("other.yaml"))[0].community.name == "Oak Street"
    with pytest.raises(ConfigError, match="not found"):
        settings_to_serve(Path("gone.yaml"))
