"""Ctrl-C at a terminal reaches every process of a group: those of a pool say nothing, and begin no more jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest

from tests.support.processes import gone
from tests.support.waiting import LIMIT_S, until

ROOT = Path(__file__).parents[2]
_PROGRAM = """
import sys
from pathlib import Path
from data.process_pool import ProcessPool
from threading import Thread
from tests.data.test_process_pool import end_once_cancelled, wait_for

folder = Path(sys.argv[1])
if __name__ == "__main__":
    try:
        with ProcessPool(2) as pool:
            jobs = [pool.submit(wait_for, folder, str(number)) for number in range(9)]
            Thread(target=end_once_cancelled, args=(jobs[-1], folder), daemon=True).start()
            print("started", flush=True)
            jobs[0].result()
    except KeyboardInterrupt:
        sys.exit(130)
"""


def wait_for(folder: Path, name: str) -> None:
    """A job that says that it has begun, and ends when it may."""
    (folder / name).write_text(str(os.getpid()))
    until((folder / "end").exists, "no end")


def end_once_cancelled(job: Future[None], folder: Path) -> None:
    """Let the jobs that have begun end, once those that have not are cancelled."""
    until(job.cancelled, "not cancelled")
    (folder / "end").touch()


def started(folder: Path, program: Path) -> subprocess.Popen[str]:
    """A process that has handed nine jobs to a pool of two."""
    folder.mkdir()
    program.write_text(_PROGRAM)
    process = subprocess.Popen(
        [sys.executable, str(program), str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    return process


@pytest.mark.process
def test_where_the_process_that_has_the_pool_is_killed_so_are_those_of_the_pool(tmp_path: Path) -> None:
    """They waited for jobs for ever, with all that they had loaded."""
    folder = tmp_path / "jobs"
    process = started(folder, tmp_path / "program.py")
    until(lambda: len([file for file in folder.iterdir() if file.read_text()]) == 2, "two jobs begin")
    process.kill()
    process.communicate(timeout=LIMIT_S)
    for file in folder.iterdir():
        until(partial(gone, int(file.read_text())), "a process of the pool is left")


@pytest.mark.process
@pytest.mark.parametrize("moment", ["while its processes start", "while they work"])
def test_ctrl_c_is_for_the_process_that_has_the_pool(tmp_path: Path, moment: str) -> None:
    folder = tmp_path / "jobs"
    process = started(folder, tmp_path / "program.py")
    if moment == "while they work":
        until(lambda: len(list(folder.iterdir())) >= 2, "no job has begun")
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, told) == (130, "")
    assert len(list(folder.iterdir())) < 9, "jobs that had not begun are not begun"
