"""`wattproof init` writes settings that load; `doctor` says what is missing; `days` lists what there is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import Result

from api.cli.main import app
from api.cli.setup_commands import Role
from api.cli.terminal import INCOMPLETE
from api.config.community_yaml import ConfigError, load
from api.gateway.day_watch import DayWatch
from api.gateway.outbox import Outbox, Submission
from api.one_machine.days_known import days_known
from bench.ports import free_port
from data.day import DayClock
from data.table import QUARTER, long_table, read_table, write_table
from tests.api.conftest import Village
from tests.api.files_fixture import write_inputs
from tests.support.commands import CliRunner
from tests.support.served import served


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
    assert "ada.csv does not exist" in missing["what"]
    assert f"data import EXPORT --home ada --out {tmp_path / 'ada.csv'}" in missing["remedy"]
    assert "ada.csv does not exist" in " ".join(run("doctor", "-c", out).output.split())


def test_the_doctor_looks_at_the_quarters_of_an_hour(tmp_path: Path) -> None:
    write_inputs(tmp_path, ("elm-3",), 20)
    out, table = tmp_path / "community.yaml", tmp_path / "elm-3-quarters.csv"

    def told() -> str:
        return " ".join(run("doctor", "-c", out).output.split())

    out.write_text(out.read_text() + "settlement: {interval_minutes: 15}\n")
    assert "data.quarters names no table" in told()
    out.write_text(out.read_text().replace("weather:", "quarters: [elm-3-quarters.csv], weather:"))
    assert "elm-3-quarters.csv does not exist" in told() and "--home elm-3 --out TABLE --quarters" in told()
    hours = read_table(tmp_path / "elm-3.csv")
    four = hours.loc[hours.index.repeat(4)].reset_index(drop=True)
    four["ds"] += pd.to_timedelta(15 * (four.index % 4), unit="min")
    wh = (four["y"] + four.index % 4) // 4  # floors of (y + 0), ..., (y + 3) quarters add up to y
    write_table(long_table("elm-3", four["ds"], wh, step=QUARTER), table, QUARTER)
    assert "elm-3: no day has all quarters of both registers" in told()
    write_table(long_table("elm-3", four["ds"], wh, export=wh.astype("Int64"), step=QUARTER), table, QUARTER)
    assert "elm-3: its quarters of an hour say nothing: the import of all hours is split evenly" in told()
    uneven = wh + pd.Series([3, -2, -2, 1] * (len(wh) // 4))
    write_table(long_table("elm-3", four["ds"], uneven, export=uneven.astype("Int64"), step=QUARTER), table, QUARTER)
    assert "elm-3: 20 days with all quarters of both registers" in told()
    write_table(long_table("elm-3", four["ds"], wh + 1, step=QUARTER), table, QUARTER)
    assert "do not add up to what the table of hours has" in told()


def test_a_server_without_readings_is_healthy_once_it_has_keys(tmp_path: Path) -> None:
    out = tmp_path / "community.yaml"
    run("init", "--role", "server", "--name", "Elm Street", "--out", out)
    before = run("doctor", "-c", out)
    assert before.exit_code == INCOMPLETE and "wattproof keys --home" in before.output
    run("keys", "-c", out, "--home", "ada")
    done = run("doctor", "-c", out)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "Nothing is wrong."), done.output


def test_a_gateway_is_asked_for_what_a_gateway_needs(tmp_path: Path) -> None:
    out = tmp_path / "community.yaml"
    run("init", "--role", "gateway", "--name", "Elm Street", "--home", "ada", "--host", "127.0.0.1", "--out", out)
    out.write_text(out.read_text().replace("api_url: https://127.0.0.1", "api_url: http://127.0.0.1:9"))
    told = run("doctor", "-c", out).output
    assert "authority.pem" in told and "http://127.0.0.1:9 cannot be reached" in told
    assert "Embedded chain" not in told and "Port " not in told


def test_a_gateway_that_has_made_its_key_still_lacks_the_communitys_certificate(tmp_path: Path) -> None:
    out = tmp_path / "community.yaml"
    run("init", "--role", "gateway", "--name", "Elm Street", "--home", "ada", "--out", out)
    run("keys", "-c", out, "--home", "ada", "--gateway")
    told = json.loads(run("doctor", "-c", out, "--json").stdout)
    assert [one["what"] for one in told["findings"] if "key" in one["what"]] == [
        f"{tmp_path / 'keys' / 'authority.pem'} is missing"
    ]


def test_renewing_a_gateways_key_names_the_home_and_leaves_the_certificates(tmp_path: Path) -> None:
    out, keys = tmp_path / "community.yaml", tmp_path / "keys"
    run("init", "--role", "server", "--name", "Elm Street", "--out", out)
    run("keys", "-c", out, "--home", "ada", "--home", "bob")
    before = {path: path.read_bytes() for path in keys.rglob("*") if path.is_file()}
    assert run("keys", "-c", out, "--gateway", "--renew").exit_code == 2
    done = run("keys", "-c", out, "--gateway", "--renew", "--home", "ada")
    assert done.exit_code == 0 and "Give the .pub to the coordinator" in done.output
    changed = {path.name for path, content in before.items() if path.read_bytes() != content}
    assert changed == {"ada.key", "ada.pub"}


def test_comments_stand_in_one_column_whatever_the_names_are(tmp_path: Path) -> None:
    for name in ("Elm", "A community with a name of some length, number 7"):
        out = tmp_path / f"{len(name)}.yaml"
        run("init", "--role", "server", "--name", name, "--out", out)
        lines = [
            line for line in out.read_text().splitlines() if "  # " in line and not line.lstrip().startswith("#")
        ]
        assert len({line.index("  # ") for line in lines if len(line.split("  # ")[0].rstrip()) <= 38}) == 1


def test_settings_that_are_missing_are_made_by_init(tmp_path: Path) -> None:
    done = run("doctor", "-c", tmp_path / "none.yaml")
    assert isinstance(done.exception, ConfigError) and "wattproof init" in str(done.exception)


def status(out: Path, *homes: str) -> list[str]:
    done = run("status", *(part for home in homes for part in ("--home", home)), "-c", out, "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == (0 if told["healthy"] else INCOMPLETE)
    return [" | ".join(filter(None, (one["what"], one["remedy"]))) for one in told["findings"]]


def test_a_machine_on_which_nothing_has_run_says_so(tmp_path: Path) -> None:
    out = tmp_path / "community.yaml"
    run("init", "--role", "server", "--name", "Elm Street", "--out", out)
    assert status(out) == ["Neither an agent nor a server has run with these settings yet."]


def test_a_gateway_tells_its_last_reading_and_why_today_has_no_forecast(tmp_path: Path) -> None:
    write_inputs(tmp_path, ("elm-3",), 20)
    out = tmp_path / "community.yaml"
    own, today = load(out).api.homes_dir / "elm-3", DayClock(load(out).data.day_start_utc).day_of(datetime.now(UTC))
    own.mkdir(parents=True)
    reading, unsaid = (line for line in status(out, "elm-3") if line.startswith("elm-3: ") and "waiting" not in line)
    assert reading.startswith("elm-3: last reading: the hour from 20")
    assert f"no forecast for {datetime.now(UTC).year}-" in unsaid and "is it running?" in unsaid
    watch = DayWatch("elm-3", load(out).data.day_start_utc, 3600, lambda _: False, folder=own)
    watch.because(today, "gap", "three hours are missing")
    Outbox(load(out).api.outbox_dir, "elm-3").put(Submission("claim", today - 2, since=0, code="day-not-over"))
    told = status(out, "elm-3")
    assert any(f"(day {today}) | three hours are missing" in line for line in told)
    assert any(f"1 submission waiting: claim {today - 2}" in line and "day-not-over" in line for line in told)


def test_in_a_replay_the_day_is_the_recorded_one(tmp_path: Path) -> None:
    """Of the server; where none answers, that at which the replay begins."""
    write_inputs(tmp_path, ("elm-3",), 20)
    out = tmp_path / "community.yaml"
    parts = yaml.safe_load(out.read_text()) | {"replay": {"start": "2031-05-01T12:00:00Z"}}
    parts["gateway"] = {"api_url": f"http://127.0.0.1:{free_port()}"}
    parts["rewards"] = {}
    out.write_text(yaml.safe_dump(parts))
    told = status(out, "elm-3")
    assert any(line.startswith("elm-3: no forecast for 2031-05-01 ") for line in told), told


def test_a_gateway_that_has_not_fetched_the_weather_yet_tells_its_last_reading(tmp_path: Path) -> None:
    write_inputs(tmp_path, ("elm-3",), 20)
    out = tmp_path / "community.yaml"
    parts = yaml.safe_load(out.read_text())
    parts["data"] |= {"weather": "weather.csv", "weather_from": "operator"}
    parts["gateway"] = {"api_url": f"http://127.0.0.1:{free_port()}"}
    out.write_text(yaml.safe_dump(parts))
    (tmp_path / "weather.csv").unlink()
    assert any(line.startswith("elm-3: last reading: ") for line in status(out, "elm-3"))


def test_a_server_that_does_not_answer_is_named_and_its_days_are_listed(village: Village, tmp_path: Path) -> None:
    out = tmp_path / "community.yaml"
    settings = village.community.config.model_dump(mode="json", exclude_defaults=True)
    settings["api"]["port"] = free_port()
    out.write_text(yaml.safe_dump(settings))
    silent, *days = status(out)
    assert silent.startswith("No server answers at http://127.0.0.1:") and "wattproof serve" in silent
    assert len(days) == min(3, len(days_known(village.community.config).days))


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


class _Strange(BaseHTTPRequestHandler):
    """A server whose rounds are JSON of another kind."""

    rounds = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.rounds)

    def log_message(self, *_: object) -> None:
        """Nothing on the tests' output."""


@pytest.mark.parametrize("rounds", [b'[{"number": Infinity}]', b"[" * 100_000, b'{"a": 1}', b"[[1]]", b"\xff"])
def test_a_server_that_lists_no_rounds_is_missing_whatever_it_says(rounds: bytes, tmp_path: Path) -> None:
    out = tmp_path / "community.yaml"
    with served(HTTPServer(("127.0.0.1", 0), type("Rounds", (_Strange,), {"rounds": rounds}))) as port:
        out.write_text(
            "community: {name: Elm Street}\ndata: {source: none}\n"
            f"gateway: {{api_url: 'http://127.0.0.1:{port}', fewest_in_total: 5}}\n"
        )
        told = status(out, "elm-3")
    assert any("server does not list its rounds" in line for line in told), told


@pytest.mark.parametrize("command", [["train"], ["forecast"], ["claim"], ["surplus"]])
def test_what_needs_homes_says_at_once_that_there_are_none(command: list[str], tmp_path: Path) -> None:
    settings = tmp_path / "community.yaml"
    settings.write_text("community: {name: Elm Street}\ndata: {source: none}\n", encoding="utf-8")
    done = CliRunner().invoke(app, [*command, "--config", str(settings)])
    assert isinstance(done.exception, ConfigError)
    assert "there are no homes on this machine" in str(done.exception) and "wattproof agent" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["community.yaml"]


def test_keys_are_for_the_homes_of_the_members_or_asks_for_which(tmp_path: Path) -> None:
    settings = tmp_path / "community.yaml"
    settings.write_text("community: {name: Elm Street}\ndata: {source: none}\n", encoding="utf-8")
    asked = CliRunner().invoke(app, ["keys", "--config", str(settings)])
    assert isinstance(asked.exception, ConfigError) and "--home elm-3" in str(asked.exception)
    assert not (tmp_path / "keys").exists()
    address = "0x" + "11" * 20
    member = f"{{household: '{address}', meter: '{address}', home: elm-7}}"
    settings.write_text(f"community: {{name: Elm Street, members: [{member}]}}\ndata: {{source: none}}\n")
    assert CliRunner().invoke(app, ["keys", "--config", str(settings)]).exit_code == 0
    assert (tmp_path / "keys" / "agents" / "elm-7.key").exists()
