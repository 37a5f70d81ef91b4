"""Tables and lookups into them, by logarithmic derivatives: logUp (Haböck, eprint 2022/1530).

All values v looked up are in the table t if and only if, for some multiplicities m,

    sum over lookups of 1 / (alpha - v)  =  sum_j m_j / (alpha - t_j)        at a random alpha.

Lookups of the same row share a helper column h = sum_l 1 / (alpha - v_l), held to it by a row gate; the table's side
needs no column, for 1 / (alpha - t_j) is public and the right side is a linear form of the multiplicities.

An entry (key, out_1, out_2) of sub-table `tag` is compressed to tag + beta key + beta^2 out_1 + beta^3 out_2. Every
sub-table holds an entry of zeros, so that a row of zeros is in every table and needs no attention: columns end where
their values end, helpers are kept relative to what such a row has, and multiplicities to how often it is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from zkp.algebra.field import MODULUS, inverses, powers
from zkp.algebra.vector import Ints, Vector
from zkp.errors import WitnessError


@dataclass(frozen=True, eq=False)
class SubTable:
    """Entries (key, outputs...) for the keys first, first + 1, ..., first + size - 1."""

    first: int
    size: int
    outputs: tuple[Ints, ...] = ()

    def __post_init__(self) -> None:
        if not self.first <= 0 < self.first + self.size or any(column[-self.first] for column in self.outputs):
            raise ValueError("a table has an entry of zeros")


@dataclass(frozen=True, eq=False)
class Table:
    """Sub-tables one after the other; the tag of a sub-table is its number, from one."""

    parts: tuple[SubTable, ...]

    @property
    def size(self) -> int:
        return sum(p.size for p in self.parts)

    def entries(self, tag: int) -> slice:
        """Where a sub-table's entries stand among all."""
        first = sum(p.size for p in self.parts[: tag - 1])
        return slice(first, first + self.parts[tag - 1].size)

    @property
    def tags(self) -> range:
        return range(1, len(self.parts) + 1)

    @cached_property
    def fields(self) -> list[Ints]:
        """Tag, key and outputs of every entry."""
        depth = max(len(p.outputs) for p in self.parts)
        tags = np.repeat(np.array(self.tags), [p.size for p in self.parts])
        keys = np.concatenate([np.arange(p.first, p.first + p.size) for p in self.parts])
        outputs = [
            np.concatenate([p.outputs[k] if k < len(p.outputs) else np.zeros(p.size, np.int64) for p in self.parts])
            for k in range(depth)
        ]
        return [tags, keys, *outputs]

    @cached_property
    def steps(self) -> tuple[Ints, Ints]:
        """How entries differ from those before them: the kinds of differences there are, [fields, kinds], and the
        kind of every entry (of the first one: as if zeros stood before it). They are few, so that a table is walked
        through by one subtraction for each entry."""
        entries = np.stack(self.fields)
        differences = entries - np.pad(entries, ((0, 0), (1, 0)))[:, :-1]
        kinds, pattern = np.unique(differences, axis=1, return_inverse=True)
        return kinds, pattern.reshape(-1).astype(np.int64)

    def entry(self, place: int, scales: Sequence[int]) -> int:
        """An entry compressed by the powers of beta."""
        return sum(int(f[place]) * s for f, s in zip(self.fields, scales, strict=True)) % MODULUS

    def denominators(self, alpha: int, beta: int) -> Vector:
        """alpha - entry for every entry."""
        scales = powers(beta, len(self.fields))
        kinds, pattern = self.steps
        return Vector.walk(alpha - self.entry(0, scales), Vector.from_ints(scales).combine(kinds), pattern)


@dataclass(frozen=True)
class Lookup:
    """The columns (key, outputs...) of every row are an entry of sub-table `tag`."""

    tag: int
    columns: tuple[str, ...]

    def denominator(self, columns: Mapping[str, Any], alpha: int, beta: int) -> Any:
        """alpha - compressed entry; of vectors (prover) or of values (verifier)."""
        scale = beta
        total = columns[self.columns[0]] * scale
        for name in self.columns[1:]:
            scale = scale * beta % MODULUS
            total = total + columns[name] * scale
        return (alpha - self.tag) - total


@dataclass(frozen=True)
class LookupGroup:
    """Lookups that share one helper column."""

    helper: str
    lookups: tuple[Lookup, ...]

    @property
    def degree(self) -> int:
        return len(self.lookups) + 1

    @property
    def columns(self) -> set[str]:
        return {name for look in self.lookups for name in look.columns}

    def gate(self, columns: Mapping[str, Any], challenges: Challenges) -> Any:
        """(h + z) prod_l d_l - sum_l prod_{l' != l} d_l', zero on every row; z is what a row of zeros has."""
        first, *rest = (look.denominator(columns, challenges.alpha, challenges.beta) for look in self.lookups)
        product, total = first, 1  # d_1 ... d_k, and sum_l prod_{l' != l} d_l'
        for d in rest:
            product, total = product * d, d * total + product
        zero = sum(challenges.zeros[look.tag - 1] for look in self.lookups)
        return (columns[self.helper] + zero) * product - total

    def helper_values(self, columns: Mapping[str, Vector], challenges: Challenges) -> Vector:
        """The helper column: sum_l 1 / d_l, less what a row of zeros has."""
        total = Vector.zeros(len(next(iter(columns.values()))))
        for look in self.lookups:
            zero = challenges.zeros[look.tag - 1]
            total = total + look.denominator(columns, challenges.alpha, challenges.beta).inverses() - zero
        return total


@dataclass(frozen=True)
class Challenges:
    """alpha, beta, and 1 / (alpha - tag) for every sub-table: what a lookup of zeros adds to a helper."""

    alpha: int
    beta: int
    zeros: tuple[int, ...]

    @classmethod
    def of(cls, table: Table, alpha: int, beta: int) -> Challenges:
        """Raises ZeroDivisionError where alpha is a tag."""
        return cls(alpha, beta, tuple(inverses([alpha - tag for tag in table.tags])))


def block_of(tag: int) -> str:
    """The block of a sub-table's multiplicities."""
    return f"multiplicities {tag}"


def multiplicities(table: Table, groups: Sequence[LookupGroup], columns: Mapping[str, Ints]) -> Ints:
    """How much more often each entry is looked up than it would be by rows of zeros, [table.size] int64.

    Raises WitnessError for a key outside its table.
    """
    counts = np.zeros(table.size, dtype=np.int64)
    for look in (look for group in groups for look in group.lookups):
        keys, part = columns[look.columns[0]], table.parts[look.tag - 1]
        if keys.size and not part.first <= keys.min() <= keys.max() < part.first + part.size:
            raise WitnessError(f"column {look.columns[0]!r} leaves the range of its table")
        found = counts[table.entries(look.tag)]
        found += np.bincount(keys - part.first, minlength=part.size)
        found[-part.first] -= keys.size
    return counts
