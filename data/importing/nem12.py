"""NEM12, the interval files of Australian meters (nemreader). Times are those of the market: UTC+10 all year."""

from pathlib import Path

import numpy as np

from data.errors import ImportRefused
from data.importing.extras import library
from data.importing.reading import Readings, Values
from data.importing.words import Flow, unit_in

_MARKET_OFFSET_S = 36_000
_EPOCH = np.datetime64("1970-01-01T00:00:00", "s")


def read_nem12(path: Path) -> list[Readings]:
    """Intervals of the one meter in the file: registers E.. are imports, B.. exports. Raises ImportRefused."""
    nemreader = library(path, "nemreader", "a NEM12 file")
    try:
        meters = nemreader.NEMFile(str(path)).nem_data().readings
    except Exception:  # noqa: BLE001 - the library raises whatever its parsing meets
        raise ImportRefused(path, "is a NEM12 file that is cut off or damaged: download it again") from None
    if len(meters) != 1:
        raise ImportRefused(path, f"has {len(meters)} meters (NMI), and a home has one: export one of them")
    found: list[Readings] = []
    for suffix, rows in next(iter(meters.values())).items():
        if not rows or suffix[:1].upper() not in ("E", "B"):
            continue  # reactive energy
        flow: Flow = "import" if suffix[:1].upper() == "E" else "export"
        start = np.array([row.t_start for row in rows], dtype="datetime64[s]")
        wall = (start - _EPOCH).astype(np.int64)
        numbers = np.array([row.read_value for row in rows], dtype=np.float64)
        values = Values(suffix, flow, unit_in(rows[0].uom), numbers)
        found.append(
            Readings(np.arange(1, len(wall) + 1), wall, np.full_like(wall, _MARKET_OFFSET_S), (values,), wall)
        )
    if not found:
        raise ImportRefused(path, "is a NEM12 file without active energy (registers E or B)")
    return found
