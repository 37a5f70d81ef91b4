"""What whoever proves or checks loads first: the ceremony, and compiled arithmetic."""

from __future__ import annotations


def warm_up() -> None:
    """Load the ceremony and the compiled arithmetic, so that the first proof is timed like the others."""
    from zkp.algebra.srs import ROW, load_setup
    from zkp.algebra.vector import Vector

    load_setup().powers(ROW)
    Vector.from_ints([1, 2]).inverses()
