"""community.yaml: what is wrong is named, with its line and what to do."""

from pathlib import Path

import pytest

from api.config import ConfigError, load, parse

GOOD = "community: {name: Elm Street}\ndata: {source: citylearn}\n"


def test_a_short_configuration_is_enough() -> None:
    config = parse(GOOD, "community.yaml")
    assert config.community.name == "Elm Street" and len(config.community.identifier) == 32


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + "federation:\n  rouns: 3\n", "line 4.*did you mean rounds"),
        ("community: {name: Elm Street}\n", "data is missing"),
        (GOOD + "forecasting: {model: {hidden: 4096}}\n", "hidden.*4096"),
        (GOOD + "rewards: {rpc_url: 'http://127.0.0.1:8545'}\n", "key_file"),
        ("community: [", "not YAML"),
        ("- 1", "not a list of settings"),
    ],
)
def test_mistakes_are_named(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){says}"):
        parse(text, "community.yaml")


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"community\.example\.yaml"):
        load(tmp_path / "community.yaml")
