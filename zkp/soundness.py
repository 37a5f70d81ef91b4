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
from zkp.argument.lookup import Table
from zkp.argument.relation import Relation
from zkp.argument.sumcheck import MaskShape

CHALLENGE_BITS = 256 - log2(3)
_PRODUCT_CLAIMS = 3  # total, left, right


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
    layout = relation.layout()
    shapes = relation.mask_shapes(layout)
    grid = 1 << relation.grid_bits
    products, links = _Counting(), _Counting()
    made, linked = relation.products(products.draw), relation.links(links.draw)
    claims = len(relation.gate_columns) + _PRODUCT_CLAIMS * len(made) + len(linked) + (relation.table is not None)

    out = [] if relation.table is None else _lookup_terms(relation, relation.table)
    out += [
        Term("gates, rho", "a point from one challenge: as many as rows, but one", grid - 1),
        Term("gates, chi", "gates but one", max(len(relation.gates) + len(relation.groups) - 1, 1)),
        _sumcheck_term("gates", shapes[0]),
    ]
    if made:
        each = "each draw a point of the grid, or powers of fewer things"
        out += [Term("products, draws", each, products.count * grid), _sumcheck_term("products", shapes[1])]
        out += [Term("products, eta", "products but one", len(made) - 1)] if len(made) > 1 else []
    far = max(grid, ROW)
    out += [
        Term("links, draws", "powers for fewer relations than cells; else points", layout.cells + links.count * far),
        Term("theta", "claims but one", max(claims - 1, 1)),
        _sumcheck_term("matrix", shapes[-1]),
        Term("masks", "one for each sumcheck's rho, one for Schnorr's challenge", len(shapes) + 1),
        Term("opening, row and q", "one; one at each of two points", 3),
        Term("opening, r", "a Laurent polynomial of degrees -4096 to 4096; 0, 1 and -1", 2 * ROW + 3),
        Term("opening, z", "a polynomial of degree 4097", ROW + 1),
        Term("combine, batch", "one each, for each proof of a batch", 2),
    ]
    return out


def _sumcheck_term(label: str, shape: MaskShape) -> Term:
    return Term(
        f"{label}, sumcheck", f"degree {shape.degree} in {shape.variables} rounds", shape.degree * shape.variables
    )


def _lookup_terms(relation: Relation, table: Table) -> list[Term]:
    lookups = sum(len(g.lookups) * len(g.selector.rows()) for g in relation.groups)
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
