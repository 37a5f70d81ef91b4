"""Ctrl-C at a terminal reaches every process of a group: those of a pool say nothing, and begin no more jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import pytest

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
    (folder / name).touch()
    until((folder / "end").exists, "no end")


def end_once_cancelled(job: Future[None], folder: Path) -> None:
    """Let the jobs that have begun end, once those that have not are cancelled."""
    until(job.cancelled, "not cancelled")
    (folder / "end").touch()


@pytest.mark.process
@pytest.mark.parametrize("moment", ["while its processes start", "while they work"])
def test_ctrl_c_is_for_the_process_that_has_the_pool(tmp_path: Path, moment: str) -> None:
    folder, program = tmp_path / "jobs", tmp_path / "program.py"
    folder.mkdir()
    program.write_text(_PROGRAM)
    process = subprocess.Popen(
        [sys.executable, str(program), str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    if moment == "while they work":
        until(lambda: len(list(folder.iterdir())) >= 2, "no job has begun")
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, told) == (130, "")
    assert len(list(folder.iterdir())) < 9, "jobs that had not begun are not begun"
