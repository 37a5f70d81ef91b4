"""A model that came from the API: looked at with suspicion, and kept only if it is the registered one."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from fl.kept_model import replace_kept_model
from forecasting.integer import IntegerModel, QuantisationError
from zkp.weights import commit_weights

UNPACKED_BYTES = 16 << 20
"""A model of the example's size unpacks to 90 kB; what unpacks to more than this is no model but an attack."""


class ModelRefused(ValueError):
    """What was offered is not the model of the round."""


def keep_offered(folder: Path, number: int, digest: bytes, content: bytes) -> None:
    """Keep `content` (.npz) as the model of a round in place of the one before, if its digest is the registered one.

    Raises ModelRefused, and what was kept before stays.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(item.file_size for item in archive.infolist())
        if size > UNPACKED_BYTES:
            raise ModelRefused(f"what is offered as the model of round {number} unpacks to {size} bytes")
        model = IntegerModel.read(io.BytesIO(content), f"the model offered for round {number}")
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        if isinstance(error, ModelRefused | QuantisationError):
            raise ModelRefused(str(error)) from error
        raise ModelRefused(f"what is offered as the model of round {number} is not whole: {error}") from error
    found = commit_weights(model.weights).digest()
    if found != digest:
        raise ModelRefused(
            f"the model offered for round {number} has digest {found.hex()}, registered is {digest.hex()}: somebody "
            "has changed one of them"
        )
    replace_kept_model(folder, number, model)
