"""A process as on a gateway: without what only developers have and our dependencies load where they find it.

pandas loads pyarrow (33 MB), numba loads coverage and scipy (4 MB).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
WITHOUT = Path(__file__).parent / "not_on_gateways"


def environment(*, gateway: bool) -> dict[str, str]:
    """Of a process that runs this checkout, on a gateway or elsewhere."""
    path = [str(WITHOUT), str(ROOT)] if gateway else [str(ROOT)]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"}


def is_one() -> bool:
    """Whether this process is one."""
    return str(WITHOUT) in sys.path


def run_again(module: str) -> int:
    """Run `python -m module` with this process's arguments as on a gateway; its exit code."""
    return subprocess.run(
        [sys.executable, "-m", module, *sys.argv[1:]], env=environment(gateway=True), check=False
    ).returncode
