"""Private matching: it finds the common ids with either backend, and takes nothing but points of the subgroup."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.vertical import psi
from fl.vertical.errors import VerticalRefused
from fl.vertical.psi import Matching
from tests.support.laws import examples
from zkp.algebra.curve import IDENTITY, Curve, curve

FAST = curve("arkworks")


def matches(home: Matching, partner: Matching) -> list[tuple[int, int]]:
    doubled = partner.doubled(home.blinded())
    return home.common(doubled, partner.blinded())


@examples(10)
@given(own=st.sets(st.binary(max_size=8), min_size=1, max_size=5), other=st.sets(st.binary(max_size=8), min_size=1))
def test_exactly_the_common_ids_are_found(own: set[bytes], other: set[bytes]) -> None:
    ids, theirs = sorted(own), sorted(other)[:6]
    home, partner = Matching(ids, FAST), Matching(theirs, FAST)
    found = {(ids[mine], theirs[partner.order[place]]) for mine, place in matches(home, partner)}
    assert found == {(value, value) for value in own & set(theirs)}


def test_the_two_backends_match_with_each_other() -> None:
    slow = curve("py-ecc")
    assert slow.encode(slow.hash_to_curve(b"id", b"tag")) == FAST.encode(FAST.hash_to_curve(b"id", b"tag"))
    home, partner = Matching([b"ada-lovelace"], slow), Matching([b"bob-noyce-1", b"ada-lovelace"], FAST)
    ((_, place),) = matches(home, partner)
    assert partner.order[place] == 1


@pytest.mark.parametrize("backend", [FAST, curve("py-ecc")], ids=["arkworks", "py-ecc"])
def test_hashing_to_the_curve_follows_the_rfc(backend: Curve) -> None:
    """RFC 9380, appendix J.9.1, the message of no bytes."""
    tag = b"QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_"
    x = "052926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1"
    encoded = backend.encode(backend.hash_to_curve(b"", tag))
    assert bytes([encoded[0] & 0x1F]) + encoded[1:] == bytes.fromhex(x)


def outside_the_subgroup() -> bytes:
    """A point of the curve whose order is not the group's."""
    from py_ecc.bls.point_compression import compress_G1
    from py_ecc.optimized_bls12_381 import FQ, b, field_modulus, is_on_curve

    x = 1
    while True:
        y2 = (x**3 + 4) % field_modulus
        y = pow(y2, (field_modulus + 1) // 4, field_modulus)
        if y * y % field_modulus == y2:
            point = (FQ(x), FQ(y), FQ(1))
            assert is_on_curve(point, b)
            return int(compress_G1(point)).to_bytes(48, "big")
        x += 1


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (IDENTITY, "identity"),
        (b"\x9f" + b"\xff" * 47, "not canonical"),
        (b"\x00" * 48, "compressed"),
        (b"short", "48 bytes"),
        (outside_the_subgroup(), "subgroup"),
    ],
)
def test_what_is_no_point_of_the_subgroup_is_refused(bad: bytes, why: str) -> None:
    matching = Matching([b"ada-lovelace"], FAST)
    with pytest.raises(VerticalRefused, match=why):
        matching.doubled([bad])
    with pytest.raises(VerticalRefused, match=why):
        matching.common([bad], matching.blinded())


def test_a_home_shows_that_a_position_is_its_own_and_can_claim_no_other() -> None:
    home, partner = (
        Matching([b"ada-lovelace"], FAST),
        Matching([b"bob-noyce-1", b"ada-lovelace", b"cyd-charisse"], FAST),
    )
    ((_, place),) = matches(home, partner)
    (point,) = home.blinded()
    assert partner.is_of(place, point, home.secret())
    for other in {0, 1, 2} - {place}:
        assert not partner.is_of(other, point, home.secret())
    for wrong in (b"", bytes(32), b"\xff" * 32, Matching([b"ada-lovelace"], FAST).secret()):
        assert not partner.is_of(place, point, wrong)
    for nowhere in (-1, 3):
        assert not partner.is_of(nowhere, point, home.secret())


def test_sizes_are_capped_and_repeats_refused() -> None:
    matching = Matching([b"ada-lovelace"], FAST)
    point = matching.blinded()[0]
    with pytest.raises(VerticalRefused, match="1 to 10000 ids"):
        matching.doubled([])
    with pytest.raises(VerticalRefused, match="not 10001"):
        matching.doubled([point] * 10_001)
    with pytest.raises(VerticalRefused, match="twice"):
        matching.doubled([point, point])
    with pytest.raises(VerticalRefused, match="twice"):
        Matching([b"ada-lovelace", b"ada-lovelace"], FAST)
    with pytest.raises(VerticalRefused, match="2 points came back of 1"):
        matching.common([point, point], [point])
    for data in (b"x", bytes(48 * 10_002)):
        with pytest.raises(VerticalRefused, match="are not at most"):
            psi.from_bytes(data)


def test_the_same_ids_never_look_the_same_and_their_order_says_nothing() -> None:
    ids = [bytes([number]) for number in range(20)]
    one, other = Matching(ids, FAST), Matching(ids, FAST)
    assert not set(one.blinded()) & set(other.blinded())
    assert one.order != list(range(20)) or other.order != list(range(20))
