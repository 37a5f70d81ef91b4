"""What a peer keeps on disk, so that it goes on where it was: what it publishes, with its secret, and its merges.

    0003.published.npz   model [parameters] in fixed point, and the secret; written before anything of it leaves
    0003.merged.npz      the merge of that epoch, and the mask of the neighbours in it
    0003.final.npz       the model that the training ended in

Files are for their owner's eyes: a secret that is known before it is revealed lets others choose the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fl.gossip.fixed_point import Fixed
from fl.weights import load, save

_REMEDY = "Move it away: the peer goes on from its last model that can be read, or from the others'"


@dataclass(frozen=True)
class KeptEpoch:
    """A peer's model of an epoch as it was published."""

    model: Fixed
    secret: bytes


@dataclass(frozen=True)
class KeptMerge:
    """A peer's model after the merge, and who is in it (`shelf.masks_of`)."""

    model: Fixed
    masks: bytes


class PeerFolder:
    """The folder of one peer in one training."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def save_published(self, epoch: int, kept: KeptEpoch) -> None:
        secret = np.frombuffer(kept.secret, dtype=np.uint8)
        save(self._path(epoch, "published"), {"model": kept.model, "secret": secret}, private=True)

    def published(self, epoch: int) -> KeptEpoch | None:
        """Raises DamagedFile."""
        path = self._path(epoch, "published")
        if not path.exists():
            return None
        arrays = load(path, _REMEDY)
        return KeptEpoch(arrays["model"], arrays["secret"].tobytes())

    def save_merged(self, epoch: int, kept: KeptMerge) -> None:
        masks = np.frombuffer(kept.masks, dtype=np.uint8)
        save(self._path(epoch, "merged"), {"model": kept.model, "masks": masks}, private=True)

    def merged(self, epoch: int) -> KeptMerge | None:
        """Raises DamagedFile."""
        path = self._path(epoch, "merged")
        if not path.exists():
            return None
        arrays = load(path, _REMEDY)
        return KeptMerge(arrays["model"], arrays["masks"].tobytes())

    def save_final(self, epoch: int, model: Fixed) -> None:
        save(self._path(epoch, "final"), {"model": model}, private=True)

    def final(self, epoch: int) -> Fixed | None:
        """Raises DamagedFile."""
        path = self._path(epoch, "final")
        return load(path, _REMEDY)["model"] if path.exists() else None

    def last(self) -> tuple[int, Fixed] | None:
        """The newest model there is, and its epoch: merged, or as it was published. Raises DamagedFile."""
        epochs = sorted({int(path.name[:4]) for path in self.directory.glob("[0-9]*.npz")})
        for epoch in reversed(epochs):
            kept = self.merged(epoch) or self.published(epoch)
            if kept is not None:
                return epoch, kept.model
        return None

    def forget_before(self, epoch: int) -> None:
        for path in self.directory.glob("[0-9]*.npz"):
            if int(path.name[:4]) < epoch:
                path.unlink(missing_ok=True)

    def _path(self, epoch: int, what: str) -> Path:
        return self.directory / f"{epoch:04d}.{what}.npz"
