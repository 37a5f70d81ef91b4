"""Heavy work in its own process: results and errors come back, memory is given back, and it ends with the agent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from fl.errors import FederationError
from fl.worker import WorkFailed, WorkProcess, WorkProcessDied
from tests.support.processes import gone
from tests.support.waiting import LIMIT_S, until

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[2]


class Awkward(Exception):
    """One that pickles but can't be unpickled."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


def opened(value: int) -> list[int]:
    return [value]


def refused() -> list[int]:
    raise FederationError("there is no such home")


def add(subject: list[int], value: int) -> list[int]:
    subject.append(value)
    return subject


def process_id(subject: list[int]) -> int:
    return os.getpid()


def fail(subject: list[int], problem: Exception) -> None:
    raise problem


def awkward(subject: list[int]) -> None:
    raise Awkward(1, 2)


def die(subject: list[int]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_subject_is_opened_once_and_kept_between_jobs() -> None:
    work = WorkProcess(partial(opened, 1))
    assert work.call(add, 2) == [1, 2]
    assert work.call(add, 3) == [1, 2, 3]
    pid = work.call(process_id)
    assert pid != os.getpid()
    work.close()
    until(partial(gone, pid), "the process ends")
    assert work.call(add, 9) == [1, 9], "a closed process is started again with a fresh subject"
    work.close()


def test_errors_come_back_as_they_are_and_the_process_goes_on() -> None:
    work = WorkProcess(partial(opened, 1))
    with pytest.raises(FederationError, match="no update"):
        work.call(fail, FederationError("no update"))
    with pytest.raises(WorkFailed, match="Awkward") as lost:
        work.call(awkward)
    assert "1 and 2" not in str(lost.value), "the words of an error that is not ours may hold a value"
    assert work.call(add, 2) == [1, 2]
    work.close()


def test_a_subject_that_can_not_be_opened_says_why() -> None:
    work = WorkProcess(refused)
    with pytest.raises(FederationError, match="no such home"):
        work.start()
    work.close()


def test_a_process_that_is_killed_is_an_error_and_is_started_again() -> None:
    work = WorkProcess(partial(opened, 1))
    with pytest.raises(WorkProcessDied, match="exit -9"):
        work.call(die)
    assert work.call(add, 2) == [1, 2]
    work.close()


def test_it_does_not_outlive_an_agent_that_is_killed() -> None:
    code = (
        "from functools import partial\nimport time\nfrom fl.worker import WorkProcess\n"
        "from tests.fl.test_worker import opened, process_id\n"
        "if __name__ == '__main__':\n"
        "    print(WorkProcess(partial(opened, 1)).call(process_id), flush=True)\n    time.sleep(600)\n"
    )
    agent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert agent.stdout is not None
    pid = int(agent.stdout.readline())
    agent.kill()
    agent.wait(LIMIT_S)
    agent.stdout.close()
    until(partial(gone, pid), "the process ends")


def test_a_process_that_could_not_be_started_is_started_by_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the machine has no memory for it: the next call must not wait for one that never was."""
    with WorkProcess(partial(opened, 1)) as process:
        with monkeypatch.context() as patched:
            patched.setattr(BaseProcess, "start", _no_memory)
            for _ in range(2):
                with pytest.raises(OSError, match="Cannot allocate memory"):
                    process.call(add, 2)
        assert process.call(add, 2) == [1, 2]


def _no_memory(_: BaseProcess) -> None:
    raise OSError("[Errno 12] Cannot allocate memory")


def is_out_of_reach(subject: list[int]) -> bool:
    """Whether Ctrl-C has not reached this process from its first instruction on."""
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_ctrl_c_does_not_reach_it_even_while_it_starts() -> None:
    """A terminal sends it to all, and one that was starting printed where it stood. Of a process with no other."""
    code = (
        "from functools import partial\nfrom fl.worker import WorkProcess\n"
        "from tests.fl.test_worker import is_out_of_reach, opened\n"
        "if __name__ == '__main__':\n"
        "    with WorkProcess(partial(opened, 1)) as process:\n        print(process.call(is_out_of_reach))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n", done.stderr
