"""Step 2, lookups: every looked-up value is in the table (logUp, Haböck, eprint 2022/1530; see
`zkp.argument.tables`).

After the columns and multiplicities are committed, alpha and beta are drawn and the helper columns committed. That
they are what they should be is left to the gates; here

    sum of all helpers' cells = sum_j m_j / (alpha - t_j)

is claimed. The table's side is a linear form with public weights, a sum of fractions that the verifier evaluates.

Soundness: an entry of degree 3 in beta for each lookup and table entry; for alpha the poles and roots of the
difference.
"""

from __future__ import annotations

from zkp.algebra.srs import Setup
from zkp.argument import rows
from zkp.argument.cells import Claim, Linear, Term
from zkp.argument.forms import FractionForm, run_of
from zkp.argument.relation import HELPERS, Relation
from zkp.argument.rows import Committed, Matrix
from zkp.argument.tables import Challenges, Table, block_of
from zkp.argument.transcript import ProverChannel, Transcript, VerifierChannel
from zkp.errors import InvalidProof


def prove(
    channel: ProverChannel, relation: Relation, matrix: Matrix, setup: Setup
) -> tuple[list[Claim], Challenges | None]:
    table = relation.table
    if table is None:
        return [], None
    seeds = _drawn(channel, table)
    for group, helper in zip(relation.groups, relation.helpers, strict=True):
        columns = {c.name: matrix.column(c)[: helper.used] for c in relation.columns if c.name in group.columns}
        matrix.put(helper.name, group.helper_values(columns, seeds))
    matrix.commit(HELPERS, channel, setup)
    return [_claim(relation, table, seeds)], seeds


def verify(channel: VerifierChannel, relation: Relation) -> tuple[list[Claim], Challenges | None, Committed]:
    """The claim, the challenges, and the commitments of the helpers' rows. Raises InvalidProof."""
    table = relation.table
    if table is None:
        return [], None, {}
    try:
        seeds = _drawn(channel, table)
    except ZeroDivisionError as error:  # probability 2^-252
        raise InvalidProof("a challenge fell on a table's tag") from error
    helpers = rows.receive(channel, relation, HELPERS)
    return [_claim(relation, table, seeds)], seeds, helpers


def _drawn(channel: Transcript, table: Table) -> Challenges:
    alpha, beta = channel.challenges("lookup/alpha and beta", 2)
    return Challenges.of(table, alpha, beta)


def _claim(relation: Relation, table: Table, seeds: Challenges) -> Claim:
    """sum of the helpers' cells - sum_j m_j / (alpha - t_j) = 0."""
    terms = [Term(helper.name, 1, run_of(0, helper.used)) for helper in relation.helpers]
    denominators = table.denominators(seeds.alpha, seeds.beta)
    for tag in table.tags:
        terms.append(Term(block_of(tag), -1, FractionForm(denominators[table.entries(tag)])))
    return Linear(tuple(terms)), 0
