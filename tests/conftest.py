"""Settings of all tests: hypothesis judges laws, never speed (timing belongs in bench/); a test that starts
processes says so.

`ci`, the default, tries the same examples each time; `deep` (`make test-deep`) tries others in each run, and more.
"""

import gc
import os
import re
import subprocess
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings  # noqa: TID251 - the profiles themselves

from tests.support.laws import CI_DEFAULT, DEEP_DEFAULT

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch: test processes share the cores, one each (see api.cli.main)

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the processes of one run compile our modules once, not each

settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, max_examples=CI_DEFAULT)
settings.register_profile("deep", deadline=None, derandomize=False, print_blob=True, max_examples=DEEP_DEFAULT)
settings.load_profile("ci")


_MARK_OF_ALL = re.compile(r"^pytestmark = pytest\.mark\.(process|slow)$", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file all of whose tests have a mark that `make check` leaves out need not be imported by each worker."""
    left_out = re.findall(r"not (\w+)", config.option.markexpr) if "or" not in config.option.markexpr.split() else []
    if not left_out or not collection_path.name.startswith("test_") or collection_path.suffix != ".py":
        return None
    found = _MARK_OF_ALL.search(collection_path.read_text(encoding="utf-8"))
    return True if found and found[1] in left_out else None


def pytest_collection() -> None:
    """What is imported stays: the collector need not walk it, neither meanwhile nor later, again and again."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


# A process that is killed loses nothing that it wrote; only a machine that stops would, and none stops here.
os.fsync = lambda _: None

_start = subprocess.Popen.__init__


def _refuse(*_: object, **__: object) -> None:
    pytest.fail("this test starts a process: give it the marker `process`, which keeps it out of `make check`")


def _download_only(popen: Any, arguments: Any, *others: Any, **named: Any) -> None:
    """The demo's data set is fetched by pip where it is not cached yet."""
    (_start if "pip" in arguments else _refuse)(popen, arguments, *others, **named)


@pytest.fixture(autouse=True)
def _no_process_without_the_marker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("process") is None:
        monkeypatch.setattr(subprocess.Popen, "__init__", _download_only)
        monkeypatch.setattr(BaseProcess, "start", _refuse)
