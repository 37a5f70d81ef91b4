"""The head of the peak classes as it is handed to homes and kept by them: named arrays, an .npz."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl.errors import StatisticsRefused
from fl.one_shot.fixed_point import Floats, Ints
from fl.one_shot.heads import CorrectedHead, DiagonalHead, Head, LinearHead, QuadraticHead, probabilities
from fl.one_shot.peak_class import CLASSES
from fl.one_shot.sizes import PEAK_FEATURES

Arrays = dict[str, NDArray[Any]]
_KINDS: dict[str, type[Any]] = {
    "linear": LinearHead,
    "diagonal": DiagonalHead,
    "quadratic": QuadraticHead,
    "corrected": CorrectedHead,
}


@dataclass(frozen=True)
class PeakHead:
    """A head of the peak classes `kept` (numbers in `peak_class.CLASSES`)."""

    kept: tuple[int, ...]
    head: Head

    def probabilities(self, features: Floats) -> Floats:
        """[n, 3] of features [n, 13]; 0 for a class that was left out."""
        out = np.zeros((len(features), len(CLASSES)))
        out[:, list(self.kept)] = probabilities(self.head, features)
        return out

    def to_arrays(self) -> Arrays:
        kind = next(name for name, of in _KINDS.items() if isinstance(self.head, of))
        return {"kept": np.array(self.kept, dtype=np.int64), **_flattened(kind, self.head)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> PeakHead:
        """Raises StatisticsRefused for anything but what `to_arrays` gives: it comes from outside."""
        try:
            kept = _kept(arrays["kept"])
            kinds = {name.split("/")[0] for name in arrays} - {"kept"}
            (kind,) = kinds
            head = _built(kind, _KINDS[kind], arrays)
            out = PeakHead(kept, head)
            shown = out.head.scores(np.zeros((1, PEAK_FEATURES)))
        except (KeyError, ValueError, TypeError, IndexError) as problem:
            raise StatisticsRefused(f"this is no head of peak classes ({type(problem).__name__})") from None
        if shown.shape != (1, len(kept)) or not np.isfinite(shown).all():
            raise StatisticsRefused("this head does not score the classes that it says it is of")
        return out


def _kept(values: Ints) -> tuple[int, ...]:
    kept = tuple(int(c) for c in values)
    if list(kept) != sorted(set(kept) & set(range(len(CLASSES)))):
        raise ValueError("not classes")
    return kept


def _flattened(prefix: str, head: Any) -> Arrays:
    out: Arrays = {}
    for field in fields(head):
        value, name = getattr(head, field.name), f"{prefix}/{field.name}"
        out |= {name: value} if isinstance(value, np.ndarray) else _flattened(name, value)
    return out


def _built(prefix: str, kind: type[Any], arrays: Mapping[str, NDArray[Any]]) -> Any:
    parts: dict[str, Any] = {}
    for field in fields(kind):
        name = f"{prefix}/{field.name}"
        nested = {"base": DiagonalHead, "correction": LinearHead}.get(field.name)
        if nested is not None:
            parts[field.name] = _built(name, nested, arrays)
        else:
            value = np.asarray(arrays[name], dtype=np.float64)
            if not np.isfinite(value).all():
                raise ValueError("not finite")
            parts[field.name] = value
    return kind(**parts)
