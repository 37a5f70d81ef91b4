"""Both curve backends: the same laws, the same bytes, the same refusals."""

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.support.laws import examples
from zkp.algebra.curve import FIELD_MODULUS, IDENTITY, Curve, Point, canonical_scalars, curve
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import Setup, load_setup
from zkp.algebra.vector import RandomScalars, Vector
from zkp.errors import MalformedProof, SetupError

BACKENDS = ["arkworks", "py-ecc"]
GENERATOR = bytes.fromhex(
    "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
)
DOUBLE = bytes.fromhex(
    "a572cbea904d67468808c8eb50a9450c9721db309128012543902d0ac358a62ae28f75bb8f1c7c42c39a8c5529bf0f4e"
)
# Each example multiplies in pure Python with the reference backend.
few = examples(8, suppress_health_check=[HealthCheck.function_scoped_fixture])
scalars = st.one_of(
    st.sampled_from([0, 1, 2, MODULUS - 1, MODULUS - (1 << 32), (1 << 32) - 1, 1 << 32]),
    st.integers(0, MODULUS - 1),
)


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Curve:
    return curve(request.param)


@pytest.fixture(scope="module", params=BACKENDS)
def powers_of_tau(request: pytest.FixtureRequest) -> Setup:
    return load_setup(request.param)


def multiple(backend: Curve, k: int) -> Point:
    return backend.msm([backend.decode(GENERATOR)], [k])


def flagged(x: int, *, compressed: bool = True, infinity: bool = False, larger: bool = False) -> bytes:
    flags = compressed << 383 | infinity << 382 | larger << 381
    return (flags | x).to_bytes(48, "big")


def coordinate(data: bytes) -> int:
    return int.from_bytes(data, "big") & ((1 << 381) - 1)


# -- values of the standards -----------------------------------------------------------------------------------------


def test_the_generator_and_its_double_have_their_published_form(backend: Curve) -> None:
    assert backend.encode(multiple(backend, 1)) == GENERATOR
    assert backend.encode(multiple(backend, 2)) == DOUBLE
    assert backend.encode(backend.identity()) == IDENTITY


def test_the_group_has_order_r(backend: Curve) -> None:
    assert backend.encode(multiple(backend, MODULUS)) == IDENTITY
    assert backend.encode(multiple(backend, MODULUS - 1)) == backend.encode(backend.negate(multiple(backend, 1)))


# RFC 9380, appendix J.9.1 (BLS12381G1_XMD:SHA-256_SSWU_RO_): message, x of the hashed point.
HASHED = {
    b"": 0x052926ADD2207B76CA4FA57A8734416C8DC95E24501772C814278700EED6D1E4E8CF62D9C09DB0FAC349612B759E79A1,
    b"abc": 0x03567BC5EF9C690C2AB2ECDF6A96EF1C139CC0B2F284DCA0A9A7943388A49A3AEE664BA5379A7655D3C68900BE2F6903,
}


@pytest.mark.parametrize("message", list(HASHED))
def test_points_hashed_as_rfc_9380_says_are_read(backend: Curve, message: bytes) -> None:
    """The way the blinding base was made (tests/zkp/test_setup.py makes it again) gives the RFC's own values."""
    from py_ecc.bls.hash_to_curve import hash_to_G1
    from py_ecc.bls.point_compression import compress_G1

    tag = b"QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_"
    data = int(compress_G1(hash_to_G1(message, tag, hashlib.sha256))).to_bytes(48, "big")
    assert coordinate(data) == HASHED[message]
    assert backend.encode(backend.decode(data)) == data


# -- laws ------------------------------------------------------------------------------------------------------------


@few
@given(k=scalars.filter(bool))
def test_what_is_encoded_is_decoded_to_the_same_point(backend: Curve, k: int) -> None:
    data = backend.encode(multiple(backend, k))
    assert backend.encode(backend.decode(data)) == data
    assert backend.encode(backend.decode_trusted(data)) == data


@few
@given(a=scalars, b=scalars)
def test_addition_is_that_of_the_exponents(backend: Curve, a: int, b: int) -> None:
    left, right = multiple(backend, a), multiple(backend, b)
    assert backend.encode(backend.add(left, right)) == backend.encode(multiple(backend, a + b))
    assert backend.encode(backend.add(left, backend.negate(left))) == IDENTITY


@few
@given(values=st.lists(st.tuples(scalars, scalars), min_size=1, max_size=3))
def test_a_multi_scalar_multiplication_is_the_sum_of_its_terms(backend: Curve, values: list[tuple[int, int]]) -> None:
    points = [multiple(backend, k) for k, _ in values]
    weights = [s for _, s in values]
    expected = backend.encode(multiple(backend, sum(k * s for k, s in values)))
    assert backend.encode(backend.msm(points, weights)) == expected
    assert backend.encode(backend.msm(points, Vector.from_ints(weights))) == expected


def test_negative_scalars_and_points_to_spare_are_taken(backend: Curve) -> None:
    points = [multiple(backend, k) for k in (3, 5, 7)]
    assert backend.encode(backend.msm(points, [-4, 2])) == backend.encode(multiple(backend, -2))
    assert backend.encode(backend.msm(points, [])) == IDENTITY


def test_many_rows_give_what_each_gives_alone(backend: Curve, scalars: RandomScalars) -> None:
    points = [multiple(backend, k) for k in (1, 2, 3)]
    rows = [Vector.from_ints(scalars(3)) for _ in range(3)]
    together = [backend.encode(p) for p in backend.msm_many([(points, row) for row in rows])]
    assert together == [backend.encode(backend.msm(points, row)) for row in rows]


def test_both_backends_give_the_same_bytes(scalars: RandomScalars) -> None:
    mixed = [0, 1, 5, MODULUS - 7, (1 << 32) - 1, 1 << 32, *scalars(2)]
    results = []
    for name in BACKENDS:
        setup = load_setup(name)
        results.append(setup.curve.encode(setup.curve.msm(setup.powers(len(mixed)), mixed)))
    assert results[0] == results[1]


def test_the_pairing_tells_equal_products_from_unequal_ones(powers_of_tau: Setup) -> None:
    backend, (one, tau, square) = powers_of_tau.curve, powers_of_tau.powers(3)[:3]
    g2, tau_g2 = powers_of_tau.g2, powers_of_tau.tau_g2
    assert backend.pairing_check([(tau, g2), (backend.negate(one), tau_g2)])
    assert not backend.pairing_check([(square, g2), (backend.negate(one), tau_g2)])
    assert not backend.pairing_check([(one, g2)])


# -- what comes from outside -----------------------------------------------------------------------------------------


def first_x(*, on_curve: bool) -> int:
    """The first x >= 1 for which x^3 + 4 is a square, or is none; a point found so has about the cofactor's order."""
    return next(x for x in range(1, 99) if (pow(x**3 + 4, FIELD_MODULUS // 2, FIELD_MODULUS) == 1) == on_curve)


def small_x_in_subgroup(backend: Curve) -> bytes:
    """A point of the subgroup whose coordinate leaves room for the modulus in 381 bits."""
    encodings = (backend.encode(multiple(backend, k)) for k in range(2, 60))
    return next(d for d in encodings if coordinate(d) + FIELD_MODULUS < 1 << 381)


def not_canonical(backend: Curve) -> bytes:
    data = small_x_in_subgroup(backend)
    return (int.from_bytes(data, "big") + FIELD_MODULUS).to_bytes(48, "big")


BAD_POINTS: dict[str, tuple[Callable[[Curve], bytes], str]] = {
    "too short": (lambda c: GENERATOR[:-1], "48 bytes"),
    "too long": (lambda c: GENERATOR + b"\0", "48 bytes"),
    "empty": (lambda c: b"", "48 bytes"),
    "not compressed": (lambda c: bytes([GENERATOR[0] & 0x7F]) + GENERATOR[1:], "compressed"),
    "identity": (lambda c: IDENTITY, "identity"),
    "identity with a sign": (lambda c: flagged(0, infinity=True, larger=True), "identity"),
    "infinity flag on a point": (lambda c: bytes([GENERATOR[0] | 0x40]) + GENERATOR[1:], "identity"),
    "coordinate = the modulus": (lambda c: flagged(FIELD_MODULUS), "canonical"),
    "coordinate + the modulus": (not_canonical, "canonical"),
    "largest coordinate": (lambda c: flagged((1 << 381) - 1), "canonical"),
    "not on the curve": (lambda c: flagged(first_x(on_curve=False)), "not on the curve"),
    "wrong subgroup": (lambda c: flagged(first_x(on_curve=True)), "subgroup"),
    "a point of order three": (lambda c: flagged(0), "subgroup"),
}


@pytest.mark.parametrize("kind", list(BAD_POINTS))
def test_a_bad_point_is_malformed(backend: Curve, kind: str) -> None:
    make, why = BAD_POINTS[kind]
    with pytest.raises(MalformedProof, match=why):
        backend.decode(make(backend))


def test_the_sign_flag_chooses_between_a_point_and_its_negative(backend: Curve) -> None:
    flipped = bytes([GENERATOR[0] ^ 0x20]) + GENERATOR[1:]
    assert backend.encode(backend.negate(backend.decode(flipped))) == GENERATOR


@given(data=st.binary(min_size=48, max_size=48))
@examples(30)
def test_both_backends_judge_any_bytes_alike(data: bytes) -> None:
    data = bytes([data[0] & 0x9F | 0x80]) + data[1:]  # so that flags alone do not decide

    def judged(name: str) -> bytes | None:
        try:
            return curve(name).encode(curve(name).decode(data))
        except MalformedProof:
            return None

    assert judged("arkworks") == judged("py-ecc")


# -- scalars, and the choice of a backend ----------------------------------------------------------------------------


@given(st.lists(st.integers(0, MODULUS - 1), max_size=4))
def test_canonical_scalars_are_read(values: list[int]) -> None:
    assert canonical_scalars(b"".join(v.to_bytes(32, "big") for v in values)) == values


@pytest.mark.parametrize("value", [MODULUS, MODULUS + 1, (1 << 256) - 1])
def test_a_scalar_has_one_form_only(value: int) -> None:
    with pytest.raises(MalformedProof, match="not canonical"):
        canonical_scalars((1).to_bytes(32, "big") + value.to_bytes(32, "big"))


def test_an_unknown_backend_is_named_with_the_known_ones() -> None:
    with pytest.raises(SetupError, match="arkworks, py-ecc"):
        curve("sage")
