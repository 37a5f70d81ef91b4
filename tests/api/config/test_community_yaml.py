"""community.yaml: what is wrong is named, with its line and what to do, and what may be a secret is never quoted."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.config.community_yaml import RENAMED, Config, ConfigError, load, parse

GOOD = "community: {name: Elm Street}\ndata: {source: citylearn}\n"
KEY = "0x" + "5e" * 32
PASSWORD = "kestrel93"


def test_a_short_configuration_is_enough() -> None:
    config = parse(GOOD, "community.yaml")
    assert config.community.name == "Elm Street" and len(config.community.identifier) == 32


NONE = "data: {source: none}\n"
MEMBER = "community:\n  name: Elm Street\n  members:\n  - {household: %s, meter: '0x" + "11" * 20 + "'}\n"
MISTAKES = {
    "a key misspelt": (GOOD + "federation:\n  rouns: 3\n", "line 4.*did you mean rounds"),
    "a part missing": ("community: {name: Elm Street}\n", "data is missing"),
    "out of range": (GOOD + "forecasting: {model: {hidden: 4096}}\n", "hidden is 4096: "),
    "a node without a key": (GOOD + "rewards: {rpc_url: 'http://127.0.0.1:8545'}\n", "key_file"),
    "no YAML": ("community: [", "not YAML"),
    "a list": ("- 1", "not a settings file"),
    "empty": ("", "not a settings file"),
    "a key twice": ("community:\n  name: A\n  name: B\n" + NONE, "line 3: name appears twice, first in line 2"),
    "a part twice": (GOOD + "community: {name: B}\n", "line 3: community appears twice, first in line 1"),
    "a key twice in a list": (
        "community:\n  name: A\n  members:\n  - meter: '1'\n    meter: '2'\n" + NONE,
        "line 5: meter appears twice, first in line 4",
    ),
    "an address without quotes": (
        MEMBER % "0x12" + NONE, "line 4.*household is read as a number because it has no quotes: write '0x12'",
    ),
    "a long address without quotes": (MEMBER % ("0x" + "12" * 20) + NONE, f"write '0x{'12' * 20}'"),
    "a number for a name": ("community: {name: 0x12}\n" + NONE, "name is read as a number.*write '0x12'"),
    "no for a name": ("community: {name: no}\n" + NONE, "name is read as true or false.*write 'no'"),
    "a date for a name": ("community: {name: 2026-01-02}\n" + NONE, "name is read as a date.*write '2026-01-02'"),
    "an impossible date": ("community: {name: 2026-13-45}\n" + NONE, "impossible date or number"),
    "nested without end": ("[" * 1500, "nested too deeply|not YAML"),
    "a file that holds itself": ("community: &a [*a]\n" + NONE, "community"),
    "an alias of nothing": (GOOD + "api: {database_url: *kestrel93}\n", "line 3.*needs quotes around it"),
    "a list for a path": (GOOD + "api: {state_dir: [a, b]}\n", r"line 3: api\.state_dir: write one path, as a text"),
    "a part for a text": (GOOD + "api: {log_level: {a: b}}\n", r"line 3: api\.log_level: write one text"),
    "a control character": (GOOD + "\x01", "control characters"),
    "a key for a file": (GOOD + f"rewards: {{key_file: '{KEY}'}}\n", "this is the private key itself"),
    "yes for a number": (GOOD + "federation: {rounds: yes}\n", "line 3: federation.rounds is yes: write a number"),
    "true for a fraction": (GOOD + "federation: {local: {learning_rate: true}}\n", "learning_rate is true"),
    "a zero in front": (
        "community: {name: A}\ndata: {source: none, day_start_utc: 023}\n", "start_utc is read as 19, in base 8",
    ),
    "a zero in front of a fraction": (
        "community: {name: A}\ndata: {source: citylearn, latitude: 045}\n", "latitude is read as 37.0, in base 8",
    ),
    "a zero in front of an amount": (
        "community: {name: A}\ndata: {source: none}\nsettlement: {premium: 010}\n",
        "settlement.premium is read as 8, in base 8: leave out the zero",
    ),
    "a number with a colon": (
        "community: {name: A}\ndata: {source: none}\nrewards: {grace_seconds: 1:30}\n",
        "grace_seconds is read as 90, in base 60: write a number without colons",
    ),
    "a part without settings": (GOOD + "federation:\n", "federation needs settings of its own.*leave it out"),
    "a part that is a list": (GOOD + "rewards: []\n", "line 3: rewards needs settings of its own"),
    "a text for a list": (
        "community: {name: A}\ndata: {source: files, files: elm.csv}\n", "files is a list: put it in brackets",
    ),
    "a key misspelt where a part may be missing": (
        "community: {name: A}\ndata: {source: files, files: [a], live: {source: p1, pol_s: 5}}\n", "you mean poll_s",
    ),
    "a key misspelt in a list": (MEMBER.replace("}", ", hom: a}") % "'0x12'" + NONE, "did you mean home[?]"),
    "capitals": (GOOD + "FEDERATION: {rounds: 3}\n", "did you mean federation"),
    "two documents": (GOOD + "---\n" + GOOD, "line 3.*a second document"),
    "a list for a key": (GOOD + "{[1]: 2}\n", "not YAML"),
    "a key of several": ("community: {[a]: 2}\n" + NONE, "where a key belongs"),
    "nothing to merge": ("community: {<<: 3}\n" + NONE, "<< takes the settings of a part"),
    "no truth": (GOOD + "x: !!bool maybe\n", "impossible"),
    "no moment": (GOOD + "x: !!timestamp soon\n", "impossible"),
    "a blank name": ("community: {name: '  '}\n" + NONE, "line 1: community.name: a name has letters"),
    "a name that colours the terminal": ('community: {name: "\\e[31mElm"}\n' + NONE, "control or invisible"),
    "an address too long": (GOOD + f"rewards: {{meter_authority: '{KEY}'}}\n", "meter_authority: string"),
    "an odd home": (MEMBER.replace("}", ", home: '../x'}") % "'0x12'" + NONE, "home"),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(MISTAKES))
def test_mistakes_are_named(kind: str) -> None:
    text, says = MISTAKES[kind]
    with pytest.raises(ConfigError, match=f"(?s){says}"):
        parse(text, "community.yaml")


WITH_SECRETS = [
    f"api: {{database_url: 'postgresql://elm:{PASSWORD}@db/wattproof', port: 0}}",
    f"api: {{database_url: [{PASSWORD}]}}",
    f"api: {{database_url: {{a: {PASSWORD}}}}}",
    f"api: 'postgresql://elm:{PASSWORD}@db/wattproof'",
    f"api: {{database_url: *{PASSWORD}}}",
    f"api: {{database_url: !{PASSWORD} x}}",
    f"api: {{database_url: @{PASSWORD}}}",
    f"gateway: {{api_url: 'ftp://elm:{PASSWORD}@elm.example'}}",
    f"gateway: {{api_url: '{PASSWORD}'}}",
    f"gateway: {{rpc_url: 'http://node.example/v3/{PASSWORD}'}}",
    f"gateway: {{forecast_registry: '{KEY}'}}",
    f"gateway: {{forecast_registry: {KEY}}}",
    f"rewards: {{key_file: '{KEY}'}}",
    f"rewards: {{key_file: {KEY}}}",
    f"rewards: {{rpc_url: 'https://node.example/{PASSWORD}'}}",
    f"rewards: {{clock: '{KEY}'}}",
]


@pytest.mark.parametrize("line", WITH_SECRETS)
def test_no_message_quotes_a_secret(line: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(GOOD + line + "\n", "community.yaml")
    said = str(refused.value)
    assert "community.yaml, line 3" in said or "rewards.rpc_url needs" in said
    assert PASSWORD not in said and "5e5e" not in said and str(int(KEY, 16)) not in said


def test_settings_that_are_printed_show_no_password_and_no_node() -> None:
    config = parse(
        GOOD + f"api: {{database_url: 'postgresql://elm:{PASSWORD}@db/w'}}\n"
        f"rewards: {{rpc_url: 'https://n.example/{PASSWORD}', key_file: k}}\n"
        f"gateway: {{api_url: 'https://elm:{PASSWORD}@e.example', rpc_url: 'https://n.example/{PASSWORD}', "
        f"forecast_registry: '0x{'11' * 20}'}}\n",
        "community.yaml",
    )
    assert PASSWORD not in repr(config) and PASSWORD not in str(config)
    assert config.api.database == f"postgresql://elm:{PASSWORD}@db/w"


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"wattproof init"):
        load(tmp_path / "community.yaml")


@pytest.mark.parametrize("content", [b"\xff\xfe", os.urandom(4096)])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "community.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"community\.yaml"):
        load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


@given(st.text(max_size=60))
def test_no_text_is_more_than_a_refusal(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text, "community.yaml")


def paths_of(config: Config) -> list[Path]:
    deployment, api = config.federation.deployment, config.api
    found = [api.state_dir, deployment.keys_dir, config.data.cache_dir, *config.data.files]
    return found + [path for path in (config.gateway.roster, config.rewards.key_file) if path is not None]


def test_paths_begin_at_the_settings_folder_wherever_a_command_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elm").mkdir()
    settings = tmp_path / "elm" / "community.yaml"
    settings.write_text(
        "community: {name: Elm Street}\ndata: {source: files, files: [a.csv, ../b.csv]}\n"
        "rewards: {key_file: keys/operator.key}\ngateway: {roster: roster.json}\n"
    )
    read = []
    for start, named in ((tmp_path, Path("elm/community.yaml")), (tmp_path / "elm", Path("community.yaml"))):
        monkeypatch.chdir(start)
        read.append(load(named))
    assert read[0] == read[1]
    assert read[0].api.state_dir == tmp_path / "elm" / "state"
    assert all(path.is_relative_to(tmp_path / "elm") for path in paths_of(read[0]))


def test_a_tilde_is_the_users_home_and_absolute_paths_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    path = tmp_path / "community.yaml"
    path.write_text(GOOD + "api: {state_dir: ~/elm}\nfederation: {deployment: {keys_dir: /var/keys}}\n")
    config = load(path)
    assert config.api.state_dir == tmp_path / "me" / "elm"
    assert config.federation.deployment.keys_dir == Path("/var/keys")
    path.write_text(GOOD + "api: {state_dir: ~nobody-of-this-name/elm}\n")
    with pytest.raises(ConfigError, match="no home folder for that user"):
        load(path)


def test_a_setting_of_an_earlier_release_is_told_its_name_now() -> None:
    with pytest.raises(ConfigError, match="duty_s is not a setting; it is now called task_interval_s"):
        parse(GOOD + "federation: {deployment: {duty_s: 30}}\n", "community.yaml")


def test_every_new_name_of_a_setting_is_one() -> None:
    for old, new in RENAMED.items():
        model: Any = Config
        for part in old.split(".")[:-1]:
            model = model.model_fields[part].annotation
        assert new in model.model_fields and old.rsplit(".", 1)[1] not in model.model_fields


@pytest.mark.parametrize("written", [".inf", "inf", "'inf'", "1.0e+999"])
@pytest.mark.parametrize("key", ["gateway.max_fee", "federation.round_timeout_s"])
def test_no_setting_is_infinite(key: str, written: str) -> None:
    """No limit would be the largest one."""
    part, name = key.split(".")
    text = f"community: {{name: Elm Street}}\ndata: {{source: citylearn}}\n{part}:\n  {name}: {written}\n"
    with pytest.raises(ConfigError, match=rf"line 4: {key} must be finite"):
        parse(text, "community.yaml")


PATHS_AND_TEXTS = [
    "api.state_dir",
    "data.cache_dir",
    "rewards.key_file",
    "gateway.roster",
    "data.weather",
    "api.database_url",
]
LEAVE_OUT_CHARACTER = r"has a character that is no letter or sign \(U\+%s\): take it out\. Between double quotes"
UNUSABLE_TEXTS = {
    r'"a\0b"': LEAVE_OUT_CHARACTER % "0000",
    r'"C:\new"': LEAVE_OUT_CHARACTER % "000A",
    r'"a\x1b[2J"': LEAVE_OUT_CHARACTER % "001B",
    r'"a\x85"': LEAVE_OUT_CHARACTER % "0085",
    r'"a\u2028b"': LEAVE_OUT_CHARACTER % "2028",
    r'"\ud800"': r"has (half a character \(|a character that is no letter or sign \(U\+D800)",
    '""': "is empty: leave it out, or give it a value",
    "'  '": "is empty: leave it out",
}


def _set(key: str, written: str) -> str:
    """Settings in which `key` is in the last line."""
    first, *others = key.split(".")
    text, indent = "community: {name: Elm Street}\n", ""
    text += f"data:\n  source: none\n{'' if first == 'data' else f'{first}:' + chr(10)}"
    for name in others[:-1]:
        indent += "  "
        text += f"{indent}{name}:\n"
    return f"{text}{indent}  {others[-1]}: {written}\n"


@pytest.mark.parametrize("written", UNUSABLE_TEXTS)
@pytest.mark.parametrize("key", PATHS_AND_TEXTS)
def test_no_setting_is_a_text_that_no_machine_can_use(key: str, written: str) -> None:
    """A path with a NUL ended the first command that opened it with a traceback."""
    with pytest.raises(ConfigError, match=f"line [4-6]: {key} {UNUSABLE_TEXTS[written]}"):
        parse(_set(key, written), "community.yaml")


@pytest.mark.parametrize("written", ["x" * 256, "é" * 128, "x/" * 2048 + "x"])
def test_no_path_is_longer_than_a_file_system_takes(written: str) -> None:
    with pytest.raises(ConfigError, match=r"api\.state_dir is longer than a path can be .*: shorten it"):
        parse(_set("api.state_dir", written), "community.yaml")


@pytest.mark.parametrize(
    ("key", "written", "problem"),
    [
        ("federation.rounds", "18446744073709551616", "is too large: write 9223372036854775807 at most"),
        ("gateway.chain_id", "1" + "0" * 60, "is too large"),
        ("forecasting.seed", "-9223372036854775808", "is too small: write -9223372036854775807 at least"),
        ("rewards.challenge_bond", str(1 << 256), "is too large"),
        ("gateway.retry_max_s", "1e+10", "is too large: write 1000000000 at most"),
        ("federation.gossip.publish_s", "10000000000", "is too large"),
        ("gateway.give_up_hours", "1.0e+300", "is too large"),
        ("gateway.max_fee", "1.0e+300", "is too large"),
        ("rewards.grace_seconds", "9" * 5000, "grace_seconds is a number of 5000 digits: write one of fewer"),
    ],
)
def test_no_number_is_larger_than_a_machine_counts(key: str, written: str, problem: str) -> None:
    """The first wait of so many seconds ended the process that it was set for."""
    with pytest.raises(ConfigError, match=f"line [4-6]: (?:{key} )?{problem}"):
        parse(_set(key, written), "community.yaml")


@pytest.mark.parametrize(
    "key",
    ["api.host", "federation.deployment.host", "federation.deployment.bind", "federation.gossip.bind"],
)
@pytest.mark.parametrize("written", ["'a b'", "https://elm.example", "elm.example:8443", "999.1.1.1", "'[::1]'"])
def test_a_host_is_a_name_or_an_address_alone(key: str, written: str) -> None:
    """What listens or connects there said only that it could not."""
    with pytest.raises(ConfigError, match=f"line [4-6]: {key}: write a name or an IP address alone: no https://"):
        parse(_set(key, written), "community.yaml")


@pytest.mark.parametrize("written", ["elm.example", "'::1'", "0.0.0.0", "fe80::1%eth0", "elm_gateway", "127.0.0.1"])
def test_names_and_addresses_are_hosts(written: str) -> None:
    assert parse(_set("api.host", written), "community.yaml").api.host == written.strip("'")


@pytest.mark.parametrize(
    ("key", "written", "problem"),
    [
        ("federation.deployment.coordinator_metrics_port", "99999", "is 99999: .* less than or equal to 65535"),
        ("federation.deployment.agent_metrics_port", "0", "is 0: .* greater than or equal to 1"),
        ("gateway.api_url", "https://elm.example:99999", "must begin with https://"),
        ("gateway.api_url", "'https://elm example'", "must begin with https://"),
        ("api.public_url", "https://elm.example:99999", "with a port from 1 to 65535"),
        ("tracing.endpoint", "http://127.0.0.1:99999", "give the collector's base URL"),
    ],
)
def test_a_port_is_one_that_there_can_be(key: str, written: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=f"line [4-6]: {key}.*{problem}"):
        parse(_set(key, written), "community.yaml")


def test_amounts_on_the_chain_are_as_large_as_a_contract_takes() -> None:
    assert parse(_set("rewards.challenge_bond", str((1 << 256) - 1)), "community.yaml").rewards.challenge_bond


HOUSE, OTHER, METER, NEW = (f"'0x{digit * 40}'" for digit in "1234")


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        (
            f"[{{household: {HOUSE}, meter: {METER}}}, {{household: {HOUSE}, meter: {NEW}}}]",
            "goes in place of the one before",
        ),
        (f"[{{household: {HOUSE}, meter: {METER}}}, {{household: {OTHER}, meter: {METER}}}]", "each has its own"),
        (
            f"[{{household: {HOUSE}, meter: {METER}, replaced: [{{meter: {METER}, last_date: 2026-03-01}}]}}]",
            "by itself",
        ),
        (
            f"[{{household: {HOUSE}, meter: {METER}, replaced: [{{meter: {NEW}, last_date: 2026-03-05}}, "
            f"{{meter: {OTHER}, last_date: 2026-03-01}}]}}]",
            "oldest meter first",
        ),
    ],
    ids=["the old line beside the new one", "a stranger's meter", "a meter by itself", "newest first"],
)
def test_meters_that_cannot_be_where_the_settings_say_are_refused(members: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "community.yaml"
    path.write_text(f"community: {{name: A, members: {members}}}\ndata: {{source: none}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=problem):
        load(path)
