"""The community's model as a gateway keeps it, from the last round distributed or fetched. Older ones are deleted.

model/0020.npz             the integers of round 20, which are proven
model/weights-0020.npz     the weights they were quantised from, to which a personal head is fitted
"""

from __future__ import annotations

from pathlib import Path

from fl.errors import NoModelYet
from fl.weights import Weights, load, save
from forecasting.integer import IntegerModel, QuantisationError, ShapeLike, quantise

_REMEDY = (
    "Move it and the other file of its round away: the agent gets the model again, at once where gateway.api_url is "
    "set, else when the next training ends"
)


def keep_model(folder: Path, number: int, weights: Weights, shape: ShapeLike) -> None:
    """Keep the model of a round in place of the one before.

    Raises QuantisationError, or what NumPy raises, for weights that are not a provable model of this shape.
    """
    replace_kept_model(folder, number, weights, quantise(weights, shape))


def replace_kept_model(folder: Path, number: int, weights: Weights, model: IntegerModel) -> None:
    """`keep_model` for weights that are quantised already."""
    folder.mkdir(parents=True, exist_ok=True)
    save(_weights_path(folder, number), weights)
    path = folder / f"{number:04d}.npz"
    model.save(path)
    for other in folder.glob("*[0-9].npz"):
        if other not in (path, _weights_path(folder, number)):
            other.unlink(missing_ok=True)


def kept_weights(folder: Path, number: int) -> Weights | None:
    """The weights of the kept round, or None if they are not here."""
    path = _weights_path(folder, number)
    return load(path, _REMEDY) if path.exists() else None


def _weights_path(folder: Path, number: int) -> Path:
    return folder / f"weights-{number:04d}.npz"


def kept_model_path(folder: Path) -> Path | None:
    """The file of the model kept last, or None if there is none yet."""
    return max(folder.glob("[0-9]*[0-9].npz"), key=lambda path: path.stat().st_mtime_ns, default=None)


def kept_round(folder: Path) -> int:
    """The round of the model kept last; 0 if there is none yet."""
    path = kept_model_path(folder)
    return 0 if path is None else int(path.stem)


def load_kept_model(folder: Path) -> tuple[int, IntegerModel]:
    """Round and model. Raises NoModelYet if there is none, QuantisationError if it is not one."""
    path = kept_model_path(folder)
    if path is None:
        raise NoModelYet(
            f"there is no model in {folder} yet: the agent gets it when a training ends, from the "
            "coordinator or, where gateway.api_url is set, from the API"
        )
    try:
        return int(path.stem), IntegerModel.load(path)
    except QuantisationError as damaged:
        raise QuantisationError(f"{damaged}. {_REMEDY}") from None
