"""Hedged randomness: a source that repeats itself, or is known, gives nothing away."""

from zkp.algebra.field import MODULUS
from zkp.algebra.hedging import hedged


def stuck(count: int) -> list[int]:
    """A broken source: always the same."""
    return [7] * count


def test_a_broken_source_draws_other_scalars_for_other_secrets_and_statements() -> None:
    drawn = [
        hedged(stuck, statement, secrets)(3)
        for statement, secrets in [(b"s", [b"a"]), (b"s", [b"b"]), (b"t", [b"a"]), (b"s", [b"a", b""]), (b"sa", [])]
    ]
    assert len({v for values in drawn for v in values}) == 15


def test_the_same_source_statement_and_secrets_draw_the_same() -> None:
    assert hedged(stuck, b"s", [b"a"])(4) == hedged(stuck, b"s", [b"a"])(4)


def test_another_source_draws_others() -> None:
    assert not set(hedged(stuck, b"s", [b"a"])(4)) & set(hedged(lambda n: [8] * n, b"s", [b"a"])(4))


def test_no_scalar_is_drawn_twice_and_all_are_reduced() -> None:
    draw = hedged(stuck, b"s", [b"a"])
    drawn = [v for count in (1, 2, 40) for v in draw(count)]
    assert len(set(drawn)) == 43
    assert all(0 <= v < MODULUS for v in drawn)
