"""The argument: a relation holds, in zero knowledge. Six steps, each in a module of its own:

 1. rows      commit the trace, the lookups' multiplicities and one random cell (a pad) for every number sent
 2. lookup    alpha, beta; commit the helper columns
 3. gates     one sumcheck: gates and lookups hold on every row of the grid
 4. products  one sumcheck: an inner product that stands for all matrix products
 5. cells     everything claimed so far, and the relation's own constraints, is linear in the cells: one claim of all
 6. opening   one pairing equation for that claim

So nothing is checked on the way: numbers are sent, claims about cells follow from them, and the pairing equation at
the end settles all claims at once. `prove` and `check` recite the same steps.

Zero knowledge: every scalar sent carries a pad, every commitment a blinding; the simulator draws all of them and
solves the last equation for one (docs/protocol.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from zkp.algebra.field import SCALAR_BYTES, powers
from zkp.algebra.group import GroupEquation, combine
from zkp.algebra.hedging import hedged
from zkp.algebra.srs import Setup
from zkp.algebra.vector import RandomScalars
from zkp.argument import gates, lookup, opening, products, rows
from zkp.argument.cells import Claim, combined
from zkp.argument.relation import FIRST, Relation, Witness
from zkp.argument.transcript import ProverChannel, Transcript, VerifierChannel
from zkp.errors import InvalidProof

Leftover = tuple[GroupEquation, int]
"""A pairing equation that remains to be checked, and a challenge that weighs it among others."""


def begin(channel: Transcript, relation: Relation) -> None:
    """Everything public goes before the first challenge."""
    channel.absorb("header", relation.header)
    channel.absorb("parameters", relation.parameters)
    channel.absorb("statement", relation.statement)


def prove(relation: Relation, witness: Witness, setup: Setup, random: RandomScalars) -> bytes:
    """Prove the relation. `random` gives a seed, which is hedged with the witness. Raises WitnessError."""
    layout, channel = relation.layout, ProverChannel(relation.protocol, setup.curve)
    begin(channel, relation)
    scalars = hedged(random, relation.statement, witness.secrets())
    matrix = rows.Matrix(layout, scalars)
    matrix.fill(relation, witness)
    matrix.commit(FIRST, channel, setup)  # 1
    claims, seeds = lookup.prove(channel, relation, matrix, setup)  # 2
    claims += gates.prove(channel, relation, matrix, seeds)  # 3
    claims += products.prove(channel, relation, matrix, witness)  # 4
    linear, value = _all(channel, relation, claims)  # 5
    opening.prove(channel, setup, matrix.rows(), linear.weights(layout), matrix.blindings, value, scalars)  # 6
    return channel.proof()


def check(relation: Relation, channel: VerifierChannel) -> Leftover:
    """Check what comes through the channel, a proof or the symbols of a recording (`zkp.batch.recording`)."""
    layout = relation.layout
    begin(channel, relation)
    committed = rows.given(relation) | rows.receive(channel, relation, FIRST)  # 1
    claims, seeds, helpers = lookup.verify(channel, relation)  # 2
    claims += gates.verify(channel, relation, seeds)  # 3
    claims += products.verify(channel, relation)  # 4
    linear, value = _all(channel, relation, claims)  # 5
    equation = opening.verify(channel, committed | helpers, lambda rho: linear.at(layout, rho), value)  # 6
    channel.finish()
    return equation, channel.challenge("batch")


def _all(channel: Transcript, relation: Relation, claims: list[Claim]) -> Claim:
    """Step 5: the relation's constraints join what was claimed, and a random combination stands for all."""
    constraints = relation.constraints(lambda: channel.challenge("constraints"))
    return combined([*claims, *((linear, 0) for linear in constraints)], channel.challenge("cells/theta"))


def verify(relation: Relation, proof: bytes, setup: Setup) -> Leftover:
    """Check everything but the pairing equation that is left. Raises MalformedProof or InvalidProof."""
    return check(relation, VerifierChannel(relation.protocol, setup.curve, proof))


def accept(result: Leftover, setup: Setup) -> None:
    """Check the one equation that is left of a proof. Raises InvalidProof."""
    if not settle([result], setup):
        raise InvalidProof("the commitments do not open to the values of the proof")


def fold(results: Sequence[Leftover]) -> Leftover:
    """The random combination of left-over equations, and a weight that stands for all of them in a further one."""
    factors, weight = fold_weights([weight for _, weight in results])
    return combine(zip((e for e, _ in results), factors, strict=True)), weight


def fold_weights(weights: Sequence[int]) -> tuple[list[int], int]:
    """A factor for each left-over equation, from the weights that stand for them; and one that stands for the sum."""
    chain = Transcript("batch")
    for weight in weights:
        chain.absorb("proof", weight.to_bytes(SCALAR_BYTES, "big"))
    return powers(chain.challenge("weight"), len(weights)), chain.challenge("batch")


def settle(results: Sequence[Leftover], setup: Setup) -> bool:
    """Whether all left-over equations hold, by one pairing check of their random combination."""
    return fold(results)[0].holds(setup)
