"""A model's weights as they are sent and stored: named float32 arrays, a state dict without torch.

Coordinator and gateways do without torch. `to_state_dict` makes tensors of them where a machine has it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data import atomic
from data.damage import FROM_BACKUP
from data.errors import DamagedFile
from fl.errors import UpdateRefused
from forecasting.integer import DAMAGES

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


def from_untrusted(record: ArrayRecord, reference: Weights) -> Weights:
    """The weights of an untrusted record, if it holds the names, shapes and types of `reference`.

    The header of each array is read and compared before its content is touched, so that no more memory is taken than
    the record itself has. `Array.numpy` would load whatever NumPy can: archives, other types, any shape.

    Raises UpdateRefused.
    """
    check_names(record.keys(), reference)
    return {name: _array(name, bytes(record[name].data), array) for name, array in reference.items()}


def _array(name: str, data: bytes, like: NDArray[np.float32]) -> NDArray[np.float32]:
    stream = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("not the format that np.save writes")
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(stream)
    except ValueError as problem:
        raise UpdateRefused(f"{name} is not an array: {len(data)} bytes of something else") from problem
    if shape != like.shape:
        raise UpdateRefused(f"{name} has shape {shape}, the model has {like.shape}")
    if dtype != like.dtype:
        raise UpdateRefused(f"{name} is {dtype}, the model is {like.dtype}")
    content = data[stream.tell() :]
    if len(content) != like.nbytes:
        raise UpdateRefused(f"{name} has {len(content)} bytes of content, its shape takes {like.nbytes}")
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if by_columns else "C").copy()


def record_bytes(record: ArrayRecord) -> int:
    """Payload of a record in bytes, as sent (headers of the messages not counted)."""
    return sum(len(array.data) for array in record.values())


def check_names(names: Collection[str], reference: Weights) -> None:
    """Raises UpdateRefused unless `names` are those of `reference`."""
    if odd := sorted(set(names) ^ reference.keys()):
        listed = ", ".join(name[:40] for name in odd[:5]) + (" and others" if len(odd) > 5 else "")
        raise UpdateRefused(f"parameters are not the model's: {listed} missing or unknown")


def check_like(weights: Weights, reference: Weights) -> None:
    """Raises UpdateRefused unless `weights` has the names and shapes of `reference` and only finite numbers."""
    check_names(weights.keys(), reference)
    for name, array in weights.items():
        if array.shape != reference[name].shape:
            raise UpdateRefused(f"{name} has shape {array.shape}, the model has {reference[name].shape}")
        if not np.isfinite(array).all():
            raise UpdateRefused(f"{name} holds a value that is not a finite number")


def save(path: Path, weights: Mapping[str, NDArray[Any]], *, private: bool = False) -> None:
    """Write arrays as an uncompressed .npz, atomically. `private`: readable by its owner only."""
    buffer = io.BytesIO()
    # The stubs take the keyword `allow_pickle` for one of the arrays.
    np.savez(buffer, **weights)  # type: ignore[arg-type]
    atomic.write_bytes(path, buffer.getvalue(), private=private)


def load(path: Path, remedy: str = FROM_BACKUP) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz written by `save`.

    Raises FileNotFoundError, and DamagedFile for a file that is cut off, damaged or something else, pickles included;
    `remedy`: what it tells to do.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise
    except DAMAGES:  # NumPy's message for a damaged file advises loading it unsafely
        raise DamagedFile.of(path, "a file of arrays (.npz)", f"{remedy}.") from None


def digest_of(weights: Weights) -> bytes:
    """SHA-256 of names, shapes and values in their order: of one model, whoever computes it."""
    digest = hashlib.sha256()
    for name, array in weights.items():
        values = np.ascontiguousarray(array, dtype="<f4").tobytes()
        for part in (name.encode(), repr(tuple(array.shape)).encode(), values):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()
