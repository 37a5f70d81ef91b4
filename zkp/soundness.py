"""How likely a false statement passes: every challenge's bad values, counted from the relation.

A challenge is a Keccak-256 value modulo r: no value of it has a probability above 3 / 2^256. A term below is a number
of bad values; its error is 3 * count / 2^256. The sum bounds the interactive argument (Schwartz 1980, Zippel 1979;
each bound is that of the paper which the building block cites). Who hashes q times to find good challenges gains at
most a factor q, for each round has its own error (round-by-round soundness, Canetti et al. 2019).

What is not in here is computational: binding of the commitments (docs/protocol.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from zkp.algebra.srs import ROW
from zkp.argument.relation import Relation
from zkp.argument.tables import Table

CHALLENGE_BITS = 256 - log2(3)
_PRODUCT_CLAIMS = 4  # total, left, right, mask


@dataclass(frozen=True)
class Term:
    """Bad values of some challenges, and why there are so many."""

    where: str
    why: str
    count: int

    @property
    def bits(self) -> float:
        return CHALLENGE_BITS - log2(self.count)


def terms(relation: Relation) -> list[Term]:
    """Every term for a relation, in the protocol's order."""
    layout, gates = relation.layout, len(relation.gates) + len(relation.groups)
    constraints = _Counting()
    claims = 2 + len(relation.constraints(constraints.draw))
    claims += _PRODUCT_CLAIMS * (relation.product is not None) + (relation.table is not None)
    cells = layout.rows * layout.length

    out = [] if relation.table is None else _lookup_terms(relation, relation.table)
    out += [
        Term("gates, chi", "gates but one", max(gates - 1, 1)),
        Term("gates, weights", "a point from one challenge: as many as rows, but one", relation.grid - 1),
        _rounds("gates", relation.degree, relation.grid_bits),
        Term("gates, columns", "columns but one", max(len(relation.gate_columns) - 1, 1)),
    ]
    if relation.product is not None:
        draws = _Counting()
        relation.product(draws.draw)
        each = "each draw powers for fewer things than cells"
        out += [Term("product, draws", each, draws.count * cells), _rounds("product", 2, relation.product_bits)]
    each = "each draw powers for fewer equations than two for each cell"
    out += [Term("constraints, draws", each, 2 * constraints.count * cells)] if constraints.count else []
    out += [
        Term("cells, theta", "claims but one", max(claims - 1, 1)),
        Term("opening, point", "a polynomial of degree 2 (N + 1), N = 4095", 2 * ROW),
        Term("batch", "one for each proof of a batch", 1),
    ]
    return out


def _rounds(label: str, degree: int, variables: int) -> Term:
    return Term(f"{label}, rounds", f"degree {degree} in {variables} rounds", degree * variables)


def _lookup_terms(relation: Relation, table: Table) -> list[Term]:
    lookups = sum(len(g.lookups) * h.used for g, h in zip(relation.groups, relation.helpers, strict=True))
    return [
        Term("lookups, beta", "a wrong value meets an entry: degree 3, for each pair", 3 * lookups * table.size),
        Term("lookups, alpha", "a pole, or a root of the difference of both sides", 2 * (lookups + table.size)),
    ]


class _Counting:
    """Counts the challenges that a relation draws."""

    def __init__(self) -> None:
        self.count = 0

    def draw(self) -> int:
        self.count += 1
        return self.count + 1


def bits(relation: Relation) -> float:
    """-log2 of the whole error."""
    return CHALLENGE_BITS - log2(sum(t.count for t in terms(relation)))
