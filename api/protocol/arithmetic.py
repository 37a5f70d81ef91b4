"""What every prover and verifier loads first: the ceremony's points, and compiled arithmetic."""

from __future__ import annotations


def warm_up() -> None:
    """Load the ceremony's points and the compiled arithmetic, so that the first proof takes as long as the others."""
    from zkp.algebra.srs import ROW, load_setup
    from zkp.algebra.vector import Vector

    load_setup().powers(ROW)
    Vector.from_ints([1, 2]).inverses()
