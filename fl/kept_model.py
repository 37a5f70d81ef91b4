"""The community's model as a gateway keeps it: the integers that are proven, of the last round handed out or fetched.

model/0020.npz     the model of round 20; an older one is deleted
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from forecasting.integer import IntegerModel, ShapeLike, quantise
from forecasting.read_outs import merged

if TYPE_CHECKING:  # it loads Flower, which the process that proves has no use for
    from fl.weights import Weights


def keep_model(folder: Path, number: int, weights: Weights, shape: ShapeLike) -> None:
    """Keep the model of a round in place of the one before.

    Raises QuantisationError, or what NumPy raises, for weights that are not a provable model of this shape.
    """
    replace_kept_model(folder, number, quantise(merged(weights), shape))


def replace_kept_model(folder: Path, number: int, model: IntegerModel) -> None:
    """`keep_model` for integers."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{number:04d}.npz"
    model.save(path)
    for other in folder.glob("[0-9]*.npz"):
        if other != path:
            other.unlink(missing_ok=True)


def kept_model_path(folder: Path) -> Path | None:
    """The file of the model kept last, or None if there is none yet."""
    return max(folder.glob("[0-9]*[0-9].npz"), key=lambda path: path.stat().st_mtime_ns, default=None)


def kept_round(folder: Path) -> int:
    """The round of the model kept last; 0 if there is none yet."""
    path = kept_model_path(folder)
    return 0 if path is None else int(path.stem)


def load_kept_model(folder: Path) -> tuple[int, IntegerModel]:
    """Round and model. Raises FileNotFoundError if there is none, QuantisationError if it is not one."""
    path = kept_model_path(folder)
    if path is None:
        raise FileNotFoundError(
            f"there is no model in {folder} yet: the agent gets it when a training ends, from the "
            "coordinator or, where gateway.api_url is set, from the API"
        )
    return int(path.stem), IntegerModel.load(path)
