"""`wattproof replace-meter` on a gateway, and the week of both meters between real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from eth_account import Account

from api.cli.main import app
from api.gateway.home import Home
from api.gateway.replaced_meter import member_line, replace_meter
from api.protocol.bundle import verify
from data.day import DayClock
from data.errors import DataError, LostFile
from data.interval import block_numbers
from data.table import long_table
from tests.api import http_fixture
from tests.api.http_fixture import GATEWAY, SERVER, HttpFixture
from tests.support.commands import CliRunner, output

TODAY, FIRST = 20_500, 20_502
FAR = 30_000  # a day that has not begun by this machine's clock, which the command asks


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home("elm-3", tmp_path / "homes" / "elm-3")
    made.vault.put(*made.meter.sign_day(made.wallet.address, TODAY - 1, [300] * 24))
    return made


def again(home: Home) -> Home:
    """As another process opens it."""
    return Home(home.name, home.folder)


def test_the_key_before_stays_and_each_meter_signs_its_own_days(home: Home) -> None:
    replace_meter(home, FIRST, TODAY)
    meters = again(home).meters
    assert meters.on(0).address == meters.on(FIRST - 1).address == home.meter.address
    assert meters.on(FIRST).address == meters.newest.address != home.meter.address
    assert (home.folder / f"meter-{FIRST}.key").stat().st_mode & 0o077 == 0


def test_the_managers_line_names_the_meter_before_with_its_last_date(home: Home) -> None:
    replace_meter(home, FIRST, TODAY)
    (entry,) = yaml.safe_load(member_line(again(home), DayClock(23)))
    (old,) = entry["replaced"]
    assert entry["meter"] == again(home).meter.address and old["meter"] == home.meter.address
    assert DayClock(23).day_on(old["last_date"]) == FIRST - 1


def test_a_day_that_has_begun_or_is_signed_or_lies_before_another_exchange_is_refused(home: Home) -> None:
    with pytest.raises(DataError, match=f"day {TODAY} has begun: .* Name a later one"):
        replace_meter(home, TODAY, TODAY)
    home.vault.put(*home.meter.sign_day(home.wallet.address, FIRST, [300] * 24))  # by readings of the future
    with pytest.raises(DataError, match=f"day {FIRST} is signed already .* Name a day after {FIRST}"):
        replace_meter(home, FIRST, TODAY)
    replace_meter(home, FIRST + 1, TODAY)
    with pytest.raises(DataError, match=f"another meter since day {FIRST + 1}: name a day after it"):
        replace_meter(again(home), FIRST, None)
    assert again(home).meters.first_days == (0, FIRST + 1)


def test_a_day_that_is_signed_by_its_quarters_keeps_its_meter(home: Home) -> None:
    """Of a community that settles by them: the hours of the day may never be signed."""
    number = block_numbers(FIRST, 15)[-1]
    block = home.meter.sign_block(home.wallet.address, number, [75] * 24, "export", 15)
    home.vault_of("export", 15).put(*block)
    with pytest.raises(DataError, match=f"day {FIRST} is signed already .* Name a day after {FIRST}"):
        replace_meter(home, FIRST, TODAY)


def test_an_exchange_that_is_to_come_can_be_moved_and_keeps_its_key(home: Home) -> None:
    replace_meter(home, FIRST, TODAY)
    made = again(home).meter.address
    replace_meter(again(home), FIRST, TODAY)
    replace_meter(again(home), FIRST + 3, TODAY)
    assert again(home).meters.first_days == (0, FIRST + 3) and again(home).meter.address == made
    replace_meter(again(home), FIRST + 9, FIRST + 3)  # it has taken over: this is another one
    assert again(home).meters.first_days == (0, FIRST + 3, FIRST + 9)


def test_a_later_key_that_is_gone_leaves_its_days_to_no_other_meter(home: Home) -> None:
    replace_meter(home, FIRST, TODAY)
    made, line = again(home).meter.address, member_line(again(home), DayClock(23))
    kept = (home.folder / f"meter-{FIRST}.key").read_bytes()
    (home.folder / f"meter-{FIRST}.key").unlink()
    for _ in range(2):  # it stays noticed
        assert again(home).meters.on(FIRST - 1).address == home.meter.address
        with pytest.raises(
            LostFile, match=f"{made}, which counts from day {FIRST} on, .* restore it from your backup"
        ):
            again(home).meters.on(FIRST)
        assert member_line(again(home), DayClock(23)) == line
    (home.folder / f"meter-{FIRST}.key").write_bytes(bytes(Account.create().key).hex().encode())
    with pytest.raises(LostFile, match=made):  # another key is no remedy
        again(home).meters.on(FIRST)
    (home.folder / f"meter-{FIRST}.key").write_bytes(kept)
    assert again(home).meter.address == made


def test_a_first_key_that_is_gone_is_not_made_anew_even_before_it_signed(tmp_path: Path) -> None:
    home = Home("elm-4", tmp_path / "elm-4")
    told = member_line(home, DayClock(23))
    (home.folder / "meter.key").unlink()
    with pytest.raises(
        LostFile, match=r"meters.json beside it knows the meter: restore it .* move .*meters.json away"
    ):
        member_line(again(home), DayClock(23))
    assert not (home.folder / "meter.key").exists()
    (home.folder / "meters.json").unlink()
    assert member_line(again(home), DayClock(23)) != told


def test_a_key_that_is_gone_for_good_is_replaced_and_stays_in_the_managers_line(home: Home) -> None:
    replace_meter(home, FIRST, TODAY)
    lost = again(home).meter.address
    (home.folder / f"meter-{FIRST}.key").unlink()
    with pytest.raises(DataError, match=f"day {FIRST} has begun"):
        replace_meter(again(home), FIRST, FIRST + 1)
    replace_meter(again(home), FIRST + 5, FIRST + 1)
    meters = again(home).meters
    assert meters.first_days == (0, FIRST, FIRST + 5) and meters.address_on(FIRST) == lost != meters.newest.address
    (entry,) = yaml.safe_load(member_line(again(home), DayClock(23)))
    assert [old["meter"] for old in entry["replaced"]] == [home.meter.address, lost]
    with pytest.raises(LostFile):
        meters.on(FIRST + 4)


@pytest.mark.parametrize("then", [FIRST, FIRST + 3])
def test_a_key_that_is_gone_before_its_first_day_gives_way_to_a_new_one(home: Home, then: int) -> None:
    replace_meter(home, FIRST, TODAY)
    lost = again(home).meter.address
    (home.folder / f"meter-{FIRST}.key").unlink()
    replace_meter(again(home), then, TODAY)
    meters = again(home).meters
    assert meters.first_days == (0, then) and meters.newest.address != lost and not meters.lost


@pytest.mark.parametrize("is_lost", [False, True], ids=["moved", "lost before it began"])
def test_a_command_that_was_ended_midway_goes_on_when_it_is_run_again(
    home: Home, monkeypatch: pytest.MonkeyPatch, is_lost: bool
) -> None:
    """As by kill -9 between the new key and the list of meters, where one is written and the other is not."""
    replace_meter(home, FIRST, TODAY)
    made = again(home).meter.address
    if is_lost:
        (home.folder / f"meter-{FIRST}.key").unlink()
    before = (home.folder / "meters.json").read_bytes()
    replace_meter(again(home), FIRST + 3, TODAY)
    (home.folder / "meters.json").write_bytes(before)
    replace_meter(again(home), FIRST + 3, TODAY)
    meters = again(home).meters
    assert meters.first_days == (0, FIRST + 3) and not meters.lost
    assert (meters.newest.address == made) is not is_lost


def test_a_home_that_is_not_here_gets_no_key(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no home elm-4"):
        replace_meter(Home("elm-4", tmp_path / "elm-4"), FIRST, TODAY)
    assert not (tmp_path / "elm-4").exists()


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[HttpFixture]:
    made = HttpFixture(tmp_path, FAR)
    made.save_round(1, seed=7)
    yield made
    made.stop()


@pytest.mark.process
def test_forecasts_and_claims_go_on_across_the_exchange(deployment: HttpFixture) -> None:
    settings = str(deployment.folder / GATEWAY / "settings.yaml")
    deployment.write_server()
    deployment.serve()
    deployment.start_gateway()
    deployment.wait(GATEWAY, "submitted", kind="forecast", day=FAR)
    old = deployment.home.meter.address

    line = output("replace-meter", http_fixture.HOME, "--from", str(FAR), "-c", settings)
    assert output("identity", http_fixture.HOME, "-c", settings) == line
    deployment.member = yaml.safe_load(line)
    new = deployment.member[0]["meter"]
    deployment.write_server()
    deployment.end(SERVER)
    deployment.serve()
    deployment.wait(SERVER, "meter replaced", meter=new, first_day=FAR)

    deployment.measure(FAR)
    deployment.wait(GATEWAY, "submitted", kind="forecast", day=FAR + 1)
    bundle = deployment.proof(FAR + 1)
    verify(bundle)
    assert list(bundle.signers.values()) == [old] * 6 + [new]
    assert [f["day"] for f in deployment.ask(f"/forecasts/{FAR + 1}")] == [FAR + 1]
    deployment.set_clock(FAR + 1, 60)
    deployment.wait(GATEWAY, "submitted", kind="claim", day=FAR)
    (claimed,) = deployment.ask(f"/claims/{FAR}")
    assert claimed["buckets"] > 0

    for day in range(FAR + 1, FAR + 7):  # until the week is the new meter's alone
        load = long_table(http_fixture.HOME, deployment.hours(day), np.full(24, 500, dtype=np.int64))
        deployment.write_readings(pd.concat([deployment.readings, load], ignore_index=True))
        deployment.wait(GATEWAY, "submitted", kind="forecast", day=day + 1)
        deployment.set_clock(day + 1, 60)
    assert set(deployment.proof(FAR + 7).signers.values()) == {new}
    assert not deployment.logged(GATEWAY, "refused")


def test_the_command_names_what_is_wrong(tmp_path: Path) -> None:
    settings = tmp_path / "community.yaml"
    settings.write_text("community: {name: Elm Street}\ndata: {source: none}\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["replace-meter", "elm-3", "--from", "2030-01-01", "-c", str(settings)])
    assert done.exit_code == 1 and "there is no home elm-3" in str(done.exception or done.output)
