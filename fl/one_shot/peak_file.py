"""The head of the peak classes as a home keeps it beside the model: model/peak_head.npz.

Loads no Flower, and to name the file no pandas either: the agent's own process only looks whether it is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from fl.errors import StatisticsRefused
from fl.weights import load, save

if TYPE_CHECKING:
    from fl.one_shot.peak_head import PeakHead


def peak_head_path(folder: Path) -> Path:
    return folder / "peak_head.npz"


def keep_peak_head(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Keep the head that was handed out in place of the one before. Raises StatisticsRefused for anything but a
    head."""
    from fl.one_shot.peak_head import PeakHead

    head = PeakHead.from_arrays(arrays)
    folder.mkdir(parents=True, exist_ok=True)
    save(peak_head_path(folder), head.to_arrays())


def kept_peak_head(folder: Path) -> PeakHead | None:
    """The head that is kept, or None. Raises StatisticsRefused for a file that holds none."""
    from fl.one_shot.peak_head import PeakHead

    path = peak_head_path(folder)
    if not path.exists():
        return None
    try:
        arrays = load(path)
    except (ValueError, OSError) as problem:
        raise StatisticsRefused(f"{path} is damaged ({type(problem).__name__}): delete it") from None
    return PeakHead.from_arrays(arrays)
