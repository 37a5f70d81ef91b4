"""`wattproof verify`, the help of the commands, and what logs say: in words, with exit codes of their own."""

import json
import logging
from pathlib import Path

import pytest
from cryptography import x509

from api.cli.main import app
from api.cli.terminal import REFUSED
from api.config.logs import JsonFormatter
from api.gateway.home import Home
from api.protocol.bundle import InferenceBundle, encode
from data.errors import DataError
from tests.api.conftest import DAY, Village
from tests.support.commands import CliRunner

COMMANDS = (
    "data",
    "train",
    "forecast",
    "prove",
    "verify",
    "audit",
    "show",
    "claim",
    "keys",
    "roster",
    "agent",
    "coordinator",
    "serve",
    "demo",
)


def verify(folder: Path, bundle: InferenceBundle) -> tuple[int, str]:
    path = folder / "proof.json"
    path.write_bytes(encode(bundle))
    result = CliRunner().invoke(app, ["verify", str(path)])
    return result.exit_code, " ".join(result.output.split())


def test_a_proof_that_holds_is_explained(village: Village, tmp_path: Path) -> None:
    code, said = verify(tmp_path, village.bundle(village.homes[0]))
    assert code == 0
    assert f"✓ Signed by meter {village.homes[0].meter.address}: the 7 days before day {DAY}" in said
    assert "The proof holds." in said and village.homes[0].wallet.address in said


def test_a_false_proof_says_which_part_fails(village: Village, tmp_path: Path) -> None:
    mine, other = (village.bundle(home) for home in village.homes[:2])
    code, said = verify(tmp_path, mine.model_copy(update={"forecast": other.forecast}))
    assert code == REFUSED
    assert "✓ Signed by meter" in said and "✗ The proof is NOT valid" in said and "The proof does not hold" in said
    code, said = verify(tmp_path, mine.model_copy(update={"meter": other.meter}))
    assert code == REFUSED and "✗ NOT signed by meter" in said and "signed by" in said
    assert "The proof is" not in said, "what rests on a failed check is not checked"


def settings_with_keys_in(folder: Path) -> list[str]:
    path = folder / "settings.yaml"
    deployment = f"{{host: coordinator.elm.example, keys_dir: {folder / 'keys'}}}"
    path.write_text(
        "community: {name: Elm Street}\ndata: {source: files, files: [none.csv]}\n"
        f"federation: {{deployment: {deployment}}}\n"
    )
    return ["keys", "-c", str(path)]


def test_one_command_makes_all_keys_of_a_deployment(tmp_path: Path) -> None:
    command = [*settings_with_keys_in(tmp_path), "--home", "elm-3", "--home", "elm-5", "--host", "10.0.0.7"]
    assert CliRunner().invoke(app, command).exit_code == 0
    made = {str(path.relative_to(tmp_path / "keys")) for path in (tmp_path / "keys").rglob("*.*")}
    agents = {f"agents/elm-{n}.{kind}" for n in (3, 5) for kind in ("key", "pub")}
    assert made == {"authority.key", "authority.pem", "coordinator.key", "coordinator.pem"} | agents
    certificate = x509.load_pem_x509_certificate((tmp_path / "keys" / "coordinator.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["coordinator.elm.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.7"]
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 0 and "All keys already exist" in again.output


def test_a_gateway_makes_its_own_pair_and_nothing_else(tmp_path: Path) -> None:
    command = [*settings_with_keys_in(tmp_path), "--home", "elm-3", "--gateway"]
    assert CliRunner().invoke(app, command).exit_code == 0
    made = {str(path.relative_to(tmp_path / "keys")) for path in (tmp_path / "keys").rglob("*.*")}
    assert made == {"agents/elm-3.key", "agents/elm-3.pub"}


def test_a_roster_is_made_from_the_gateways_keys_and_shown_with_its_fingerprint(tmp_path: Path) -> None:
    command = settings_with_keys_in(tmp_path)
    assert CliRunner().invoke(app, [*command, "--home", "elm-3", "--home", "elm-5"]).exit_code == 0
    path, roster = tmp_path / "settings.yaml", tmp_path / "roster.json"
    unset = CliRunner().invoke(app, ["roster", "-c", str(path)])
    assert "names a file" in str(unset.exception)
    secure = f"secure_aggregation: {{enabled: true, roster: {roster}}}, min_homes: 3, evaluate_every: 0, "
    path.write_text(path.read_text().replace("federation: {", "federation: {" + secure))
    missing = CliRunner().invoke(app, ["roster", "-c", str(path)])
    assert "is missing" in str(missing.exception)
    made = CliRunner().invoke(app, ["roster", "-c", str(path), "--make"])
    shown = CliRunner().invoke(app, ["roster", "-c", str(path)])
    assert made.exit_code == 0 and made.output == shown.output
    assert "2 homes: elm-3, elm-5" in " ".join(shown.output.split()) and "Fingerprint: " in shown.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0 and len(result.output) > 200


def test_a_wrong_command_line_has_an_exit_code_of_its_own() -> None:
    assert CliRunner().invoke(app, ["forecast", "the-day-after"]).exit_code == 2


def test_logs_are_json_and_blot_out_secrets() -> None:
    record = logging.makeLogRecord(
        {
            "name": "fl",
            "levelname": "INFO",
            "msg": "day %d",
            "args": (3,),
            "home": "h",
            "blinding": 7,
            "private_key": "x",
        }
    )
    told = json.loads(JsonFormatter().format(record))
    assert told["message"] == "day 3" and told["home"] == "h"
    assert told["blinding"] == told["private_key"] == "[hidden]"


ODD_NAMES = ("../../evil", "elm 3", "", "/tmp/x", ".hidden", "a/b", "x" * 65, "-home")
WITH_A_HOME: dict[str, list[str]] = {
    "identity": ["identity", "HOME"],
    "agent": ["agent", "HOME"],
    "prove": ["prove", "HOME", "17316", "--out", "proof.json"],
    "keys": ["keys", "--home", "HOME"],
    "keys of a gateway": ["keys", "--home", "elm-3", "--home", "HOME", "--gateway"],
    "data import": ["data", "import", "readings.csv", "--home", "HOME", "--out", "table.csv"],
}


@pytest.mark.parametrize("odd", ODD_NAMES)
@pytest.mark.parametrize("command", list(WITH_A_HOME))
def test_an_odd_home_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, odd: str
) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    (folder / "community.yaml").write_text("community: {name: Elm Street}\ndata: {source: none}\n")
    (folder / "readings.csv").write_text("timestamp,kwh\n2026-01-01T00:00:00Z,1\n2026-01-01T01:00:00Z,1\n")
    before = sorted(tmp_path.rglob("*"))
    arguments = [odd if part == "HOME" else part for part in WITH_A_HOME[command]]
    if arguments[1] == "-home":  # an argument, not an option
        arguments = [arguments[0], *arguments[2:], "--", odd]
    assert CliRunner().invoke(app, arguments).exit_code == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_a_home_of_an_odd_name_can_not_even_be_opened(tmp_path: Path) -> None:
    for odd in ODD_NAMES:
        with pytest.raises(DataError, match="can't be used"):
            Home(odd, tmp_path / odd)


@pytest.mark.parametrize("fee", ["nan", "inf", "1e400", "0", "-1"])
def test_a_fee_that_is_no_amount_is_a_wrong_command_line(fee: str, tmp_path: Path) -> None:
    files = ("--rpc-url", "http://127.0.0.1:1", "--contracts", str(tmp_path), "--key-file", str(tmp_path))
    done = CliRunner().invoke(app, ["challenge", "0x" + "00" * 20, "17316", *files, "--max-fee", fee])
    assert done.exit_code == 2 and "is no amount" in done.output
