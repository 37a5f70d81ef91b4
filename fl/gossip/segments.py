"""A model in equal parts that travel separately (segmented gossip: Hu, Jiang and Wang, arXiv 1908.07782).

A segment takes every S-th number of the model, so that each has its share of every layer and every hour: one cut out
of the head would be some hours of the forecast and nothing of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fl.gossip.fixed_point import Fixed


@dataclass(frozen=True)
class Segments:
    """How a model of `length` numbers is cut into `count` parts; the last ones are filled up with zeros."""

    length: int
    count: int

    @property
    def size(self) -> int:
        """Numbers in a segment."""
        return -(-self.length // self.count)

    def split(self, vector: Fixed) -> Fixed:
        """int64 [..., length] as [..., count, size]."""
        if vector.shape[-1] != self.length:
            raise ValueError(f"{vector.shape[-1]} numbers where a model has {self.length}")
        padded = np.zeros((*vector.shape[:-1], self.size * self.count), dtype=np.int64)
        padded[..., : self.length] = vector
        return np.swapaxes(padded.reshape(*vector.shape[:-1], self.size, self.count), -1, -2)

    def join(self, rows: Fixed) -> Fixed:
        """The inverse of `split`."""
        flat = np.swapaxes(rows, -1, -2).reshape(*rows.shape[:-2], self.size * self.count)
        return np.ascontiguousarray(flat[..., : self.length])
