"""The parts of the skill verifier on the chain, compiled from the verifier that everybody runs.

Three contracts: the program (`zkp.evm.compiler`), the ceremony's points as code that is data, and
`skill_verifier.vy`, which calls the one and looks into the other.
"""

from __future__ import annotations

from functools import cache

from zkp.algebra.curve import G1_BYTES
from zkp.algebra.srs import BLINDING_BASE, load_setup
from zkp.batch.programs import green_program, skill_program
from zkp.batch.recording import SentPoint
from zkp.evm import assembler as evm_code
from zkp.evm import compiler as evm
from zkp.evm import points as evm_points
from zkp.statements import skill

_SCALAR = bytes(32)  # in the place of each scalar of a sum


@cache
def program_code() -> bytes:
    """Code of the contract that does the verifier's hashing and field arithmetic."""
    return evm.compiled(skill_program())


@cache
def green_program_code() -> bytes:
    """The same of the verifier of green shares, whose equation has as many powers of tau."""
    return evm.compiled(green_program())


@cache
def ceremony_code() -> bytes:
    """The powers of tau and the blinding base, each with room for its scalar; G2 and -tau G2."""
    setup, count = load_setup(), len(skill_program().left.powers)
    powers = [setup.curve.encode(p) for p in setup.powers(count)[:count]]
    terms = [evm_points.g1(point) + _SCALAR for point in (*powers, BLINDING_BASE)]
    g2, tau_g2 = setup.compressed_g2
    return b"".join(terms) + evm_points.g2(g2) + evm_points.g2(tau_g2, negative=True)


def ordinates(statement: skill.Statement, proof: bytes) -> bytes:
    """What a caller brings along with a proof: y of every point, in the order in which the equation takes them, but
    of the benchmarks' days, the sum of which is a term, at the end. Raises MalformedProof.
    """
    data = statement.encode() + proof[len(skill.HEADER) :]
    given = [statement.forecast, statement.actual, b""]
    sent = [
        data[slot.first : slot.first + G1_BYTES] if isinstance(slot, SentPoint) else given[slot.number]
        for slot in skill_program().left.slots
    ]
    return b"".join(evm_points.ordinate(point) for point in (*filter(None, sent), *statement.benchmarks))


def creation_codes() -> tuple[bytes, bytes]:
    """What deploys the program and the ceremony's points."""
    return evm_code.creation(program_code()), evm_code.creation(ceremony_code())
