"""A model's weights as they travel and rest: named float32 arrays, a state dict without torch.

The coordinator never needs torch: it adds arrays. `to_state_dict` gives the homes' side its tensors.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data import atomic
from fl.errors import UpdateRefused

if TYPE_CHECKING:
    import torch
    from flwr.app import ArrayRecord

Weights = dict[str, NDArray[np.float32]]
"""Parameter name -> float32 array, in the order of the model's state dict."""


def from_state_dict(state: Mapping[str, Any]) -> Weights:
    """Weights of a torch state dict (name -> tensor, any float dtype, on the CPU)."""
    return {name: np.array(tensor.detach().numpy(), dtype=np.float32) for name, tensor in state.items()}


def to_state_dict(weights: Weights) -> dict[str, torch.Tensor]:
    """A torch state dict (float32 tensors that own their memory) of the weights."""
    import torch

    return {name: torch.tensor(array) for name, array in weights.items()}


def to_record(weights: Weights) -> ArrayRecord:
    """The weights as Flower sends them."""
    from flwr.app import Array, ArrayRecord  # not for the process that trains, which has no use for Flower

    return ArrayRecord({name: Array(array) for name, array in weights.items()})


def from_record(record: ArrayRecord) -> Weights:
    """The weights of a received record; float32 whatever the sender used."""
    return {name: np.asarray(array.numpy(), dtype=np.float32) for name, array in record.items()}


def record_bytes(record: ArrayRecord) -> int:
    """Payload of a record in bytes, as sent (headers of the messages not counted)."""
    return sum(len(array.data) for array in record.values())


def check_like(weights: Weights, reference: Weights) -> None:
    """Raises UpdateRefused unless `weights` has the names and shapes of `reference` and only finite numbers."""
    if weights.keys() != reference.keys():
        odd = sorted(weights.keys() ^ reference.keys())
        raise UpdateRefused(f"parameters are not the model's: {', '.join(odd)} missing or unknown")
    for name, array in weights.items():
        if array.shape != reference[name].shape:
            raise UpdateRefused(f"{name} has shape {array.shape}, the model has {reference[name].shape}")
        if not np.isfinite(array).all():
            raise UpdateRefused(f"{name} holds a value that is not a finite number")


def save(path: Path, weights: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as an uncompressed .npz, whole or not at all."""
    buffer = io.BytesIO()
    # The stubs take the keyword `allow_pickle` for one of the arrays.
    np.savez(buffer, **weights)  # type: ignore[arg-type]
    atomic.write_bytes(path, buffer.getvalue())


def load(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz written by `save`. Pickled objects are refused (ValueError)."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
