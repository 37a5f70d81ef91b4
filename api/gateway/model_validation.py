"""A model from the API, which is untrusted: it is kept only if it is the registered one."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from fl.deployment.kept_model import replace_kept_model
from fl.weights import Weights
from forecasting.integer import DAMAGES, QuantisationError, quantise
from forecasting.shape import ModelShape
from zkp.lstm.weights import commit_weights

UNPACKED_BYTES = 16 << 20
"""A model of the example's size unpacks to 90 kB; anything that unpacks to more than this is an attack."""


class ModelRefused(ValueError):
    """The offered file is not the model of the round."""


def keep_offered(folder: Path, number: int, digest: bytes, content: bytes, shape: ModelShape) -> None:
    """Keep `content` (.npz of a round's weights) in place of the previous model, if the model quantised from it has
    the registered digest.

    Raises ModelRefused; the previous model then stays.
    """
    weights = _read(number, content, shape)
    try:
        model = quantise(weights, shape)
    except QuantisationError as error:
        raise ModelRefused(f"the file offered as the model of round {number} cannot be proven: {error}") from error
    found = commit_weights(model.weights).digest()
    if found != digest:
        raise ModelRefused(
            f"the model offered for round {number} has digest {found.hex()}, not the registered {digest.hex()}: "
            "someone has changed one of them, or forecasting.model in these settings is not the community's, or this "
            "program and the server's are of releases that commit to models in other ways (docs/upgrade.md)"
        )
    replace_kept_model(folder, number, weights, model)


def _read(number: int, content: bytes, shape: ModelShape) -> Weights:
    """The model's parameters, each of its name and shape. Raises ModelRefused."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(item.file_size for item in archive.infolist())
        if size > UNPACKED_BYTES:
            raise ModelRefused(f"the file offered as the model of round {number} unpacks to {size} bytes")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            weights = {name: np.asarray(arrays[name]) for name in arrays.files}
    except ModelRefused:
        raise
    except DAMAGES as error:
        raise ModelRefused(f"the file offered as the model of round {number} is incomplete: {error}") from error
    wanted = {(name, size, "float32") for name, size in shape.parameters().items()}
    if odd := wanted ^ {(name, array.shape, str(array.dtype)) for name, array in weights.items()}:
        raise ModelRefused(
            f"the file offered as the model of round {number} does not have the sizes of forecasting.model in these "
            f"settings: {', '.join(sorted({name[:40] for name, _, _ in odd})[:8])}"
        )
    return weights
