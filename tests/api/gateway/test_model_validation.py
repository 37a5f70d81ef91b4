"""A model from outside: kept when it is the registered one, refused whatever else it is, and the old one stays."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from api.gateway.model_validation import ModelRefused, keep_offered
from fl.deployment.kept_model import kept_model_path, kept_round, load_kept_model
from forecasting.shape import ModelShape
from tests.api.http_fixture import MODEL, save_round
from tests.support.laws import examples

pytestmark = pytest.mark.slow

SHAPE = ModelShape.of(MODEL)


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[bytes, bytes]]:
    """Two rounds: content and digest."""
    folder = tmp_path_factory.mktemp("coordinator")
    for number in (1, 2):
        save_round(folder, number, seed=number)
    paths = {number: folder / "rounds" / f"{number:04d}" for number in (1, 2)}
    return {
        n: ((p / "weights.npz").read_bytes(), bytes.fromhex((p / "digest").read_text())) for n, p in paths.items()
    }


def test_the_registered_model_takes_the_place_of_the_old_one(
    tmp_path: Path, offered: dict[int, tuple[bytes, bytes]]
) -> None:
    for number in (1, 2):
        content, digest = offered[number]
        keep_offered(tmp_path, number, digest, content, SHAPE)
        kept, model = load_kept_model(tmp_path)
        assert kept == number == kept_round(tmp_path) and len(list(tmp_path.iterdir())) == 2
        assert model.shape.hidden == 8


def test_another_rounds_model_is_refused_and_both_digests_are_named(
    tmp_path: Path, offered: dict[int, tuple[bytes, bytes]]
) -> None:
    keep_offered(tmp_path, 1, offered[1][1], offered[1][0], SHAPE)
    with pytest.raises(ModelRefused, match=f"(?s){offered[1][1].hex()}.*{offered[2][1].hex()}"):
        keep_offered(tmp_path, 2, offered[2][1], offered[1][0], SHAPE)
    assert kept_round(tmp_path) == 1


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_is_refused_and_the_old_model_stays(
    tmp_path: Path, offered: dict[int, tuple[bytes, bytes]], data: st.DataObject
) -> None:
    (first, digest), (content, other) = offered[1], offered[2]
    keep_offered(tmp_path, 1, digest, first, SHAPE)
    before = kept_model_path(tmp_path)
    assert before is not None
    content_before = before.read_bytes()
    broken = bytearray(content)
    match data.draw(st.sampled_from(["cut", "flip", "junk"])):
        case "cut":
            broken = broken[: data.draw(st.integers(0, len(content) - 1))]
        case "flip":
            for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
                broken[place] ^= data.draw(st.integers(1, 255))
        case "junk":
            broken = bytearray(data.draw(st.binary(max_size=200)))
    try:
        keep_offered(tmp_path, 2, other, bytes(broken), SHAPE)
    except ModelRefused:
        assert kept_model_path(tmp_path) == before and before.read_bytes() == content_before
    else:  # a byte that says nothing, such as a time stamp of the archive
        assert load_kept_model(tmp_path)[1].weights.head.shape[0] == 48


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("head.npy", bytes(64 << 20))
    with pytest.raises(ModelRefused, match="unpacks to"):
        keep_offered(tmp_path, 1, b"\x01" * 32, bomb.getvalue(), SHAPE)


def test_a_model_that_runs_code_when_opened_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    content = io.BytesIO()
    np.savez(content, shape=np.array([Evil()], dtype=object), allow_pickle=True)
    with pytest.raises(ModelRefused):
        keep_offered(tmp_path / "model", 1, b"\x01" * 32, content.getvalue(), SHAPE)
    assert not (tmp_path / "ran").exists()
