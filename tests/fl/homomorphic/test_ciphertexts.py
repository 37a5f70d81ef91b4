"""BFV: numbers come back exactly, sums too; what is no ciphertext or no key is refused."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.homomorphic import ciphertexts
from fl.homomorphic.ciphertexts import MODULUS, SLOTS, BlindSum, ExtraMissing, SecretKey, chunks_of
from fl.homomorphic.member import MOST_MEMBERS
from fl.secagg.fixed_point import FRACTION_BITS, LARGEST_WEIGHT
from fl.secagg.session import MaskingRefused
from tests.support.laws import examples


@pytest.fixture(scope="module")
def key() -> SecretKey:
    return SecretKey.new()


LARGEST = 8 * 2**FRACTION_BITS * LARGEST_WEIGHT


@examples(10)
@given(rows=st.lists(st.lists(st.integers(-LARGEST, LARGEST), min_size=3, max_size=3), min_size=1, max_size=6))
def test_the_sum_of_ciphertexts_decrypts_to_the_sum(key: SecretKey, rows: list[list[int]]) -> None:
    total = BlindSum(1)
    for row in rows:
        total.add(key.encrypt(row))
    assert key.decrypt(total.to_bytes())[:3] == [sum(column) % MODULUS for column in zip(*rows, strict=True)]


def test_the_largest_sum_that_is_allowed_is_exact(key: SecretKey) -> None:
    """Doubled eleven times: 2,048 ciphertexts, more than a sum may have. Noise and modulus have room."""
    total, entered = key.encrypt([LARGEST, -LARGEST, 1]), 1
    while entered < MOST_MEMBERS:
        twice = BlindSum(1)
        twice.add(total)
        twice.add(total)
        total, entered = twice.to_bytes(), 2 * entered
    assert key.decrypt(total)[:3] == [entered * LARGEST % MODULUS, -entered * LARGEST % MODULUS, entered]
    assert MOST_MEMBERS * LARGEST <= MODULUS // 2


def test_long_vectors_take_several_ciphertexts_each_full(key: SecretKey) -> None:
    values = list(range(SLOTS + 5))
    sent = key.encrypt(values)
    assert len(sent) == chunks_of(len(values)) == 2
    assert key.decrypt(sent)[: len(values)] == values


def test_the_same_numbers_never_look_the_same(key: SecretKey) -> None:
    assert key.encrypt([1, 2])[0] != key.encrypt([1, 2])[0]


def test_a_key_reads_back_and_another_key_reads_nothing(key: SecretKey) -> None:
    again = SecretKey.from_bytes(key.to_bytes())
    sent = key.encrypt([7])
    assert again.decrypt(sent)[0] == 7
    assert SecretKey.new().decrypt(sent)[:3] != [7, 0, 0]
    assert "SecretKey object" in repr(key)


def test_what_is_no_ciphertext_is_refused_and_leaves_the_sum_as_it_was(key: SecretKey) -> None:
    good, total = key.encrypt([5])[0], BlindSum(1)
    total.add([good])
    for bad in (b"", b"rubbish", good[:-10], good[:1000], bytes(5000), bytes(10**6), "text", None):
        with pytest.raises(MaskingRefused, match="ciphertext"):
            total.add([bad])  # type: ignore[list-item]
    with pytest.raises(MaskingRefused, match="2 ciphertexts where the vector takes 1"):
        total.add([good, good])
    assert key.decrypt(total.to_bytes())[0] == 5


def test_a_key_of_other_parameters_is_refused(key: SecretKey) -> None:
    import tenseal

    weak = tenseal.context(tenseal.SCHEME_TYPE.BFV, 4096, 1032193, encryption_type=tenseal.ENCRYPTION_TYPE.SYMMETRIC)
    sent = weak.serialize(save_public_key=False, save_secret_key=True, save_galois_keys=False, save_relin_keys=False)
    with pytest.raises(MaskingRefused, match="of other parameters"):
        SecretKey.from_bytes(sent)
    for bad in (b"", b"rubbish", key.to_bytes()[:-9], bytes(10**6)):
        with pytest.raises(MaskingRefused, match="secret key"):
            SecretKey.from_bytes(bad)


def test_without_the_extra_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tenseal", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'wattproof\[he\]'.* or set scheme: masks"):
        ciphertexts.require()
