"""Charging profiles of real home chargers: quarter-hours of 2016 from the SimBench data set (ODbL 1.0).

They come in the wheel simbench 1.6.3, which is fetched by pip under its pinned hash and only read: it is never
installed, for what it depends on asks for an older pandas.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import FetchError

VERSION = "1.6.3"
WHEEL = f"simbench-{VERSION}-py3-none-any.whl"
WHEEL_SHA256 = "8b48bdab2445286a96649eb18bb09476d000a0e212fd57fdba83399df54af4de"
PROFILES = {
    "HLS_A_3.7": 3700, "HLS_B_3.7": 3700, "HLS_C_3.7": 3700, "HLS_A_11.0": 11000, "HLS_B_11.0": 11000,
    "HLS_A_22.0": 22000,
}  # fmt: skip
"""Chargers at homes, and their rated power in W."""
QUARTERS = 4
_TABLE = "simbench/networks/1-complete_data-mixed-all-2-sw/LoadProfile.csv"


def charging(cache: Path) -> dict[str, NDArray[np.float64]]:
    """Power of each profile in W, by quarter-hours from 1 January 2016, local time. Raises FetchError."""
    with zipfile.ZipFile(_fetch(cache)) as wheel, wheel.open(_TABLE) as file:
        columns = {f"{name}_pload": name for name in PROFILES}
        table = pd.read_csv(file, sep=";", usecols=list(columns))
    return {name: table[column].to_numpy() * PROFILES[name] for column, name in columns.items()}


def _fetch(cache: Path) -> Path:
    wheel = cache / WHEEL
    if not wheel.is_file():
        requirements = cache / "simbench.txt"
        requirements.write_text(f"simbench=={VERSION} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        command += ["--only-binary=:all:", "--dest", str(cache), "-r", str(requirements)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        requirements.unlink()
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise FetchError(f"pip could not download simbench=={VERSION} ({reason}); check the network")
    with wheel.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != WHEEL_SHA256:
            raise FetchError(f"{wheel} is not the pinned one: delete it, and it is fetched again")
    return wheel
