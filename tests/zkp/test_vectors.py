"""Frozen proofs (tests/zkp/vectors.py says how they were made): those of the current version keep verifying, and come
out the same again; older ones are refused as what they are.
"""

import json
from pathlib import Path

import pytest

from tests.zkp.cases import CASES
from tests.zkp.vectors import FOLDER, MODULES, Frozen, current, read
from zkp.errors import InvalidProof, OlderFormat

CURRENT = list(current().values())
OLDER = sorted(set(FOLDER.glob("*.json")) - set(CURRENT))


@pytest.fixture(scope="module", params=CURRENT, ids=lambda p: p.stem)
def frozen(request: pytest.FixtureRequest) -> Frozen:
    path: Path = request.param
    return read(path)


@pytest.mark.parametrize("backend", ["arkworks", "py-ecc"])
def test_a_frozen_proof_keeps_verifying(frozen: Frozen, backend: str) -> None:
    MODULES[frozen.kind].verify(frozen.statement, frozen.proof, backend=backend)


def test_it_stands_for_the_version_in_its_name(frozen: Frozen) -> None:
    assert frozen.proof[3] == frozen.version


def test_the_same_randomness_makes_the_same_proof_again(frozen: Frozen) -> None:
    assert frozen.prove() == frozen.proof


def test_it_is_checked_not_merely_read(frozen: Frozen) -> None:
    first_point, second_point = frozen.proof[4:52], frozen.proof[-80:-32]
    begun, ended = frozen.proof[:4] + second_point, frozen.proof[:-80] + first_point
    for forged in (begun + frozen.proof[52:], ended + frozen.proof[-32:]):
        with pytest.raises(InvalidProof):
            MODULES[frozen.kind].verify(frozen.statement, forged)


@pytest.mark.parametrize("path", OLDER, ids=lambda p: p.stem)
def test_an_older_proof_is_refused_as_of_an_older_format(path: Path) -> None:
    content = json.loads(path.read_text(encoding="ascii"))
    case = CASES[content["kind"].replace("_", " ")]()
    with pytest.raises(OlderFormat, match="the release that made it"):
        case.verify(bytes.fromhex(content["proof"][2:]))


def test_there_are_proofs_of_every_kind_before_this_format() -> None:
    assert {path.stem for path in OLDER} >= {"inference-v3", "skill-v2", "green_share-v2"}
