"""What is yet to come was not measured: a portal's zeros for the rest of the month, or times that are read wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import ImportRefused
from data.importing.grid import Hours
from data.importing.options import ImportOptions
from data.importing.plausible import ACCEPT, HOUR_S

LEFT_OUT = "the file goes on with zeros for hours to come: its last zeros are left out, as nothing tells since when"
_CLOCKS_DIFFER_S = HOUR_S


def measured(path: Path, hours: Hours, options: ImportOptions) -> Hours:
    """The imported energy of the time that is over. Where zeros go on beyond it, none of them was measured.

    Raises ImportRefused if there is energy in hours to come, or nothing else than zeros.
    """
    to_come = hours.starts >= options.now_s + _CLOCKS_DIFFER_S
    if options.accept_unusual or not to_come.any():
        return hours
    if hours.wh[to_come].any():
        first = pd.Timestamp(int(hours.starts[to_come & (hours.wh > 0)][0]), unit="s", tz="UTC")
        raise ImportRefused(
            path,
            f"has energy at {first:%Y-%m-%d %H:%M} UTC, which is yet to come: is it the order of day and month "
            f"(--dates), the time zone (--timezone), or this machine's clock? {ACCEPT}",
        )
    used = np.flatnonzero(hours.wh)
    if len(used) == 0:
        raise ImportRefused(path, f"has nothing but zeros, also for hours to come: nothing was measured. {ACCEPT}")
    last_hour = hours.starts[used[-1]] // HOUR_S * HOUR_S  # of quarters, all four stay
    end = int(np.searchsorted(hours.starts, last_hour + HOUR_S))
    lost = len(np.unique(hours.starts[end:] // HOUR_S))
    return replace(
        hours, starts=hours.starts[:end], wh=hours.wh[:end], filled=hours.filled[:end], cut=hours.cut + lost
    )
