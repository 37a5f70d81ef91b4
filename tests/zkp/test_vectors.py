"""Frozen proofs (tests/zkp/vectors.py says how they were made): they keep verifying, and come out the same again."""

from pathlib import Path

import pytest

from tests.zkp.vectors import FOLDER, MODULES, Frozen, read
from zkp.errors import InvalidProof

FILES = sorted(FOLDER.glob("*.json"))


@pytest.fixture(scope="module", params=FILES, ids=lambda p: p.stem)
def frozen(request: pytest.FixtureRequest) -> Frozen:
    path: Path = request.param
    return read(path)


def test_every_kind_has_a_vector_of_its_current_version() -> None:
    assert {p.stem for p in FILES} >= {f"{kind}-v{module.HEADER[-1]}" for kind, module in MODULES.items()}


@pytest.mark.parametrize("backend", ["arkworks", "py-ecc"])
def test_a_frozen_proof_keeps_verifying(frozen: Frozen, backend: str) -> None:
    MODULES[frozen.kind].verify(frozen.statement, frozen.proof, backend=backend)


def test_it_stands_for_the_version_in_its_name(frozen: Frozen) -> None:
    assert frozen.proof[3] == frozen.version


def test_the_same_randomness_makes_the_same_proof_again(frozen: Frozen) -> None:
    """Of the current version: older ones are verified, and made no more."""
    if frozen.version != MODULES[frozen.kind].HEADER[-1]:
        pytest.skip("an older version")
    assert frozen.prove() == frozen.proof


def test_it_is_checked_not_merely_read(frozen: Frozen) -> None:
    first_point = frozen.proof[4:52]
    forged = frozen.proof[:-48] + first_point
    with pytest.raises(InvalidProof):
        MODULES[frozen.kind].verify(frozen.statement, forged)
