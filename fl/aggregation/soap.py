"""SOAP (Vyas et al., ICLR 2025): Adam in the basis in which the entries of a matrix's gradient vary on their own.

Loads of neighbouring hours are nearly the same, and so are the gradients of the weights that read them. Adam, which
takes each weight by itself, needs many steps along what they share. SOAP keeps moving means of G G' and G' G, as
Shampoo does (Gupta et al., ICML 2018); their eigenvectors are the basis, followed from step to step by one iteration
of QR; and in it Adam's second moments are kept. It costs homes nothing: they send the same mean gradients.

Two bounds are our own, for directions in which there is next to no gradient, where a ratio of two small numbers would
be the step: a size below a part of the usual one counts as that part, and the step's root mean square is at most 1,
as Adam's is where gradients agree.
"""

from __future__ import annotations

from collections.abc import MutableMapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_MEMORY = 0.95
"""Of the moving means of G G' and G' G."""
_LEAST_SIZE = 3e-3
"""Of a direction, as a part of the root mean square of all."""


def direction(
    moments: MutableMapping[str, Array], name: str, step: Array, beta_1: float, beta_2: float, correction: float
) -> Array:
    """Where the matrix `name` is to go, [rows, columns], to be multiplied by the rate and by `correction`.

    Args:
        moments: kept between the steps, by name; those of this matrix are replaced.
        step: the negative gradient.
        correction: of moments that begin with zero (Kingma and Ba 2015, before section 2.1).
    """
    zero = np.zeros_like(step)
    first = beta_1 * moments.get(f"m/{name}", zero) + (1 - beta_1) * step
    rows = _basis(moments, f"rows/{name}", step @ step.T)
    columns = _basis(moments, f"columns/{name}", step.T @ step)
    turned = rows.T @ step @ columns
    second = beta_2 * moments.get(f"v/{name}", zero) + (1 - beta_2) * turned**2
    moments[f"m/{name}"], moments[f"v/{name}"] = first, second
    size = np.sqrt(second)
    usual = np.sqrt(second.mean())
    if usual == 0:
        return zero
    found = (rows.T @ first @ columns) / (size + _LEAST_SIZE * usual)
    longest = max(1.0, correction * float(np.sqrt((found**2).mean())))
    return np.asarray(rows @ (found / longest) @ columns.T)


def _basis(moments: MutableMapping[str, Array], name: str, square: Array) -> Array:
    """Eigenvectors, in columns, of the moving mean of `square`, the largest values first; after the first step those
    before, turned towards them."""
    before = moments.get(name)
    mean = (1 - _MEMORY) * square if before is None else _MEMORY * before + (1 - _MEMORY) * square
    known = moments.get(f"basis/{name}")
    basis = np.linalg.eigh(mean)[1][:, ::-1] if known is None else np.linalg.qr(mean @ known)[0]
    moments[name], moments[f"basis/{name}"] = mean, np.asarray(basis, dtype=np.float64)
    return moments[f"basis/{name}"]
