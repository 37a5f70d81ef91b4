"""The ceremony's file and the blinding base: nothing of them is taken on trust."""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from zkp.algebra import srs as module
from zkp.algebra.curve import Point, curve
from zkp.algebra.srs import (
    BLINDING_BASE,
    BLINDING_MESSAGE,
    BLINDING_TAG,
    CEREMONY_SHA256,
    ROW,
    Setup,
    ceremony_file,
    load_setup,
    parse_ceremony,
)
from zkp.errors import SetupError

BACKENDS = ["arkworks", "py-ecc"]


@pytest.fixture(scope="module")
def raw() -> bytes:
    return ceremony_file().read_bytes()


def test_the_installed_file_is_the_pinned_one(raw: bytes) -> None:
    assert hashlib.sha256(raw).hexdigest() == CEREMONY_SHA256
    g1, g2 = parse_ceremony(raw)
    assert (len(g1), len(g2)) == (ROW, 65)
    assert len(set(g1)) == ROW and {len(p) for p in g1} == {48} and {len(p) for p in g2} == {96}


@pytest.mark.parametrize("place", [0, 5000, -2])
def test_a_file_with_one_byte_changed_is_refused(raw: bytes, place: int) -> None:
    tampered = bytearray(raw)
    tampered[place] ^= 1
    with pytest.raises(SetupError, match="SHA-256"):
        parse_ceremony(bytes(tampered))


@pytest.mark.parametrize("change", [lambda r: r + b"\n", lambda r: r[:-1], lambda r: b""])
def test_a_longer_or_shorter_file_is_refused(raw: bytes, change: object) -> None:
    with pytest.raises(SetupError, match="SHA-256"):
        parse_ceremony(change(raw))  # type: ignore[operator]


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FILE", "nowhere.txt")
    with pytest.raises(SetupError, match=r"missing: .*nowhere\.txt"):
        ceremony_file()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PACKAGE", "no_such_package_here")
    with pytest.raises(SetupError, match="eth-account"):
        ceremony_file()


def test_a_tampered_file_is_not_loaded(raw: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tampered = tmp_path / "setup.txt"
    tampered.write_bytes(raw.replace(b"a", b"b", 1))
    monkeypatch.setattr(module, "ceremony_file", lambda: tampered)
    with pytest.raises(SetupError):
        module._load.__wrapped__("arkworks")


# -- the powers ------------------------------------------------------------------------------------------------------


def test_all_powers_are_of_one_tau() -> None:
    load_setup().check_powers()


@pytest.mark.parametrize("places", [(0, 1), (17, 4000), (ROW - 2, ROW - 1)])
def test_powers_out_of_order_are_noticed(places: tuple[int, int]) -> None:
    honest = load_setup()
    g1 = list(honest._g1)
    a, b = places
    g1[a], g1[b] = g1[b], g1[a]
    with pytest.raises(SetupError, match="one tau"):
        Setup(honest.curve, g1, honest._g2).check_powers()


def test_every_power_is_in_the_subgroup() -> None:
    """They are decoded unchecked when used, for their hash is pinned: here all are checked once."""
    setup = load_setup()
    for data in setup._g1:
        setup.curve.decode(data)


@pytest.mark.parametrize("backend", BACKENDS)
def test_powers_are_decoded_as_they_stand_in_the_file(raw: bytes, backend: str) -> None:
    setup, (g1, _) = load_setup(backend), parse_ceremony(raw)
    assert [setup.curve.encode(p) for p in setup.powers(8)[:8]] == g1[:8]


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("counts", [[ROW] * 4, [16, ROW, 1, 300]])
def test_threads_that_first_ask_for_powers_at_once_all_get_the_ceremonys(raw: bytes, counts: list[int]) -> None:
    g1, g2 = parse_ceremony(raw)
    fresh, together = Setup(load_setup().curve, g1, g2), Barrier(len(counts))

    def ask(count: int) -> Sequence[Point]:
        together.wait()
        return fresh.powers(count)

    with ThreadPoolExecutor(len(counts)) as pool:
        found = list(pool.map(ask, counts))
    for count, powers in zip([*counts, ROW], [*found, fresh.powers(ROW)], strict=True):
        assert len(powers) >= count
        assert [fresh.curve.encode(point) for point in powers] == g1[: len(powers)]


def test_there_is_one_setup_for_each_backend_however_it_is_asked_for() -> None:
    default = load_setup()
    assert default is load_setup("") is load_setup(default.curve.name) is load_setup(backend=default.curve.name)
    assert default.curve is curve() is curve("") is curve(default.curve.name)
    with ThreadPoolExecutor(4) as pool:
        module._load.cache_clear()
        assert len({id(setup) for setup in pool.map(load_setup, [""] * 4)}) == 1


# -- the blinding base -----------------------------------------------------------------------------------------------


def test_the_blinding_base_is_hashed_to_the_curve_from_its_name() -> None:
    from py_ecc.bls.hash_to_curve import hash_to_G1
    from py_ecc.bls.point_compression import compress_G1

    point = hash_to_G1(BLINDING_MESSAGE, BLINDING_TAG, hashlib.sha256)
    assert int(compress_G1(point)).to_bytes(48, "big") == BLINDING_BASE


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_blinding_base_is_no_power_of_the_ceremony(backend: str) -> None:
    setup = load_setup(backend)
    assert setup.curve.encode(setup.blinder) == BLINDING_BASE
    assert BLINDING_BASE not in setup._g1
