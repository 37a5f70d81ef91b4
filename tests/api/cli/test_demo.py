"""The main job as a person runs it: `wattproof demo`, killed in the middle and run again; and the other commands."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import wattproof
from api.config.logs import LOG
from api.operator.community import JOURNAL
from api.operator.settlement_root import REGISTRY
from rewards.journal import Journal
from tests.api.files_fixture import DAY as LAST_DAY
from tests.api.files_fixture import make_community
from tests.api.files_fixture import wattproof as command
from tests.support.commands import output
from tests.support.forked import Forked
from tests.support.shared import built_once
from tests.support.waiting import LIMIT_S, until

pytestmark = pytest.mark.process
DAY = 17_316  # the last of the demo's data
COMMAND = [sys.executable, "-m", "wattproof"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def kill_when(appears: Path, *arguments: str) -> str:
    """Start a command in a terminal, kill it and all its processes once a path is there; what the screen was."""
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    )
    os.close(terminal)
    seen: list[bytes] = []
    reader = threading.Thread(target=lambda: seen.extend(_read(screen)))
    reader.start()
    while not appears.exists():
        assert process.poll() is None, f"it ended, and {appears} did not appear: {b''.join(seen)!r}"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    reader.join()
    return b"".join(seen).decode()


def _read(screen: int) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # nobody writes to the terminal any more
        while part := os.read(screen, 65536):
            yield part
    os.close(screen)


def test_a_demo_killed_in_training_and_in_proving_goes_on_and_ends_with_its_report(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    demo = ("demo", "--folder", str(folder), "--num-clients", "3")
    screen = kill_when(folder / "rounds" / "0003" / "published", *demo)
    assert "Federated training" in screen and "The log is in" in screen
    assert '{"' not in screen and "round done" not in screen, "the log stays off the screen"
    log = [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]
    assert [told["round"] for told in log if told["message"] == "round done"] == [1, 2, 3]
    first_round = (folder / "rounds" / "0001" / "weights.npz").read_bytes()
    proven = folder / "proofs" / str(DAY) / "home-01.json"
    again = Forked(wattproof.main, ["wattproof", *demo], Path.cwd(), tmp_path / "log", {}, prepare=os.setsid)
    until(lambda: proven.exists() or again.poll() is not None, "a proof")
    os.killpg(again.pid, signal.SIGKILL)
    assert again.wait(LIMIT_S) == -signal.SIGKILL, (tmp_path / "log").read_text()
    assert '"message": "round done"' in (tmp_path / "log").read_text(), (
        "where no terminal is, the log is there, as JSON"
    )
    proof = proven.read_bytes()

    done = run(*demo)
    assert all(json.loads(line)["level"] for line in done.stderr.splitlines()), (
        "where no terminal is, the log is JSON"
    )
    assert "resuming" in " ".join(done.stdout.split())
    assert (folder / "rounds" / "0001" / "weights.npz").read_bytes() == first_round
    assert (folder / "proofs" / str(DAY) / "home-01.json").read_bytes() == proof
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["homes"] == 3 and report["rounds"] == 8
    assert report["proofs"]["count"] == report["proofs"]["verified"] == 3
    assert set(report["forecast"]) >= {"community_wape", "home_nmae_median"}
    assert set(report["baselines"]) >= {
        "yesterday",
        "last_week",
        "mean_7_days",
        "median_7_days",
        "same_weekday_4_weeks",
        "ridge_pooled",
    }
    community = report["community"]
    assert community["totals"]["proven_days"] == [DAY] and DAY not in community["totals"]["computed_days"]
    plain, calibrated = (community["test_days"][name] for name in ("wape_plain", "wape_calibrated"))
    assert plain != calibrated and 0 < plain < 0.5 and 0 < calibrated < 0.5  # three homes: either may be the better
    assert community["day"]["wape_calibrated"] > 0 and community["day"]["learnt_from"]["proven"] == 0
    assert "totals only computed" in done.stdout and "calibrated" in done.stdout
    assert report["rewards"]["minted"] > 0
    assert report["chain"]["gas"]["claim"] > 0  # the run that was killed may have registered all forecasts
    month = report["shared_energy"]
    assert (month["period"], month["homes"], month["days"], month["shares_proven"]) == ("2017-05", 3, 31, 6)
    assert month["fed_in_wh"] == month["shared_wh"] + month["exported_wh"] and month["shared_wh"] > 0
    assert "self-consumed at home" in done.stdout and "6 shares proven" in done.stdout
    assert (folder / "settlements" / "2017-05" / "settlement.json").exists(), "`make serve` shows it"
    assert report["chain"]["gas"]["settle"] > 0 and month["registry"] in (folder / REGISTRY).read_text()
    surplus = report["surplus"]
    assert (surplus["homes"], surplus["exporting_homes"], surplus["forecasts_proven"]) == (3, 3, 6)
    over = [wh > load for wh, load in zip(surplus["export_wh"], surplus["load_wh"], strict=True)]
    assert surplus["hours"] == [hour for hour, more in enumerate(over) if more] and surplus["hours"]
    assert 18 <= surplus["hours_right"] <= 24 and "right about a surplus" in done.stdout
    assert "The hours hold." in output("audit-surplus", str(folder / "surplus" / str(DAY) / "surplus.json"))
    pictures = (
        "community_day.png",
        "community_day_dark.png",
        "shared_energy.png",
        "shared_energy_dark.png",
        "surplus.png",
        "surplus_dark.png",
    )
    assert all((folder / name).stat().st_size > 10_000 for name in pictures)


def test_a_demo_does_not_delete_what_a_server_runs_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("demo.json", "report.json"):
        (tmp_path / name).write_text("{}")
    with Journal(tmp_path / JOURNAL):
        done = command(tmp_path, "demo", "--folder", str(tmp_path), capfd=capfd)
    assert done.code == 1 and "in use by process" in " ".join(done.said.split())
    assert (tmp_path / "report.json").exists()


def test_a_demo_empties_no_folder_that_is_not_a_demos(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "report.json"
    kept.write_text("my own")
    done = command(tmp_path, "demo", "--folder", str(tmp_path), capfd=capfd)
    assert done.code == 1 and "name another folder with --folder" in " ".join(done.said.split())
    assert kept.read_text() == "my own" and list(tmp_path.iterdir()) == [kept]


def test_a_community_of_its_own_goes_through_its_day(
    tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    """From its forecast on; `api/one_machine/test_days_processes.py` has its training."""
    folder, day = built_once(tmp_path_factory, "community", make_community), str(LAST_DAY + 1)
    capfd.readouterr()  # of its making

    def told(*arguments: str, code: int = 0) -> str:
        done = command(folder, *arguments, capfd=capfd)
        assert done.code == code, done.said
        return " ".join(done.said.split())

    said = told("forecast", day)
    assert "Community forecast (kWh)" in said and "Not calibrated" in said and said.count(", registered") == 3
    told("prove", "elm-1", day, "--out", "home.json")
    assert "The proof holds" in told("verify", "home.json")
    claimed = told("claim", day)
    assert claimed.count("avoided, claimed") + claimed.count("nothing to claim") == 3
    assert f"Community measured on day {day} (kWh)" in claimed
    assert "the chain's clock is standing" in told("forecast", code=2)


def test_a_households_own_readings_come_in_and_mistakes_are_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "mine.csv", tmp_path / "mine-table.csv"
    rows = [f"2024-01-{1 + k // 24:02d}T{k % 24:02d}:00:00+01:00,0.{k % 9}" for k in range(72)]
    source.write_text("timestamp,kwh\n" + "\n".join(rows) + "\n")
    done = command(tmp_path, "data", "import", str(source), "--home", "elm-3", "--out", str(out), capfd=capfd)
    assert done.code == 0 and "elm-3: 72 hours from Mon 2024-01-01" in done.said
    source.write_text(
        "timestamp,kwh\n" + "\n".join(rows[:30]) + "\n2024-01-02T06:00:00+01:00,0.5x\n2024-01-02T07:00:00+01:00,0.5\n"
    )
    no = str(tmp_path / "no.csv")
    wrong = command(tmp_path, "data", "import", str(source), "--home", "elm-3", "--out", no, capfd=capfd)
    assert wrong.code == 1 and "Error:" in wrong.said and "32" in wrong.said
    assert "Traceback" not in wrong.said and not (tmp_path / "no.csv").exists()


def test_a_missing_configuration_says_what_to_do(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    done = command(tmp_path, "train", "-c", "none.yaml", capfd=capfd)
    assert done.code == 1 and "wattproof init" in done.said
