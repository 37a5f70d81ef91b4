"""The state of an older release is taken over: its model under a new round, its contracts put aside, nothing lost."""

from pathlib import Path

import pytest

from api.one_machine.community import LocalCommunity
from api.operator.community import OLD_CONTRACTS
from api.operator.migration import migrate
from api.operator.trained_model import OlderRound, digest_of, latest_model, model_shape
from fl.store import RoundReport, RoundStore
from fl.task import initial_weights
from rewards import bytecode_check
from rewards.errors import OutdatedContracts
from tests.api.conftest import small_config

REPORT = RoundReport(7, ("a",), ("a",), {}, 0.5, None, {}, 0, 0, 1.0)


@pytest.fixture
def community(tmp_path: Path) -> LocalCommunity:
    made = LocalCommunity(small_config(tmp_path))
    made.folder.mkdir(parents=True, exist_ok=True)
    return made


def saved_by_an_older_release(community: LocalCommunity) -> RoundStore:
    """Round 7 with the digest of another format beside it."""
    store = RoundStore(community.folder / "rounds")
    folder = store.save(REPORT, initial_weights(model_shape(community), seed=1), {})
    (folder / "digest").write_text("ab" * 32, encoding="ascii")
    (folder / "published").touch()
    return store


def test_an_older_round_is_not_taken_for_one_of_this_release(community: LocalCommunity) -> None:
    saved_by_an_older_release(community)
    with pytest.raises(OlderRound, match="wattproof migrate"):
        latest_model(community)


def test_its_model_becomes_the_next_round_and_the_old_one_stays(community: LocalCommunity) -> None:
    store = saved_by_an_older_release(community)
    said = migrate(community)
    assert said == ["The model of round 7 is now round 8, as this release proves it."]
    trained = latest_model(community)
    assert trained.round == 8 and (store.path(8) / "digest").read_text(encoding="ascii") == trained.digest.hex()
    before, after = store.load(7), store.load(8)
    assert all((before.weights[name] == after.weights[name]).all() for name in before.weights)
    assert after.published and (store.path(7) / "digest").read_text(encoding="ascii") == "ab" * 32


def with_median(folder: Path, share: float) -> LocalCommunity:
    base = small_config(folder)
    model = base.forecasting.model.model_copy(update={"median_share": share})
    forecasting = base.forecasting.model_copy(update={"model": model})
    return LocalCommunity(base.model_copy(update={"forecasting": forecasting}))


def test_a_community_goes_on_without_a_median_or_has_its_model_published_with_one(community: LocalCommunity) -> None:
    """A release before the median published round 7."""
    folder = community.folder
    without, upgraded = (with_median(folder, share) for share in (0, 0.25))
    store = RoundStore(without.folder / "rounds")
    saved = store.save(REPORT, initial_weights(model_shape(without), seed=1), {})
    (saved / "digest").write_text(digest_of(without, store.load(7).weights).hex(), encoding="ascii")
    (saved / "published").touch()
    assert latest_model(without).integer.shape.median == 0
    with pytest.raises(OlderRound, match=r"another forecasting\.model in the settings\. Set that back, or run"):
        latest_model(upgraded)
    assert migrate(upgraded) == ["The model of round 7 is now round 8, as this release proves it."]
    assert latest_model(upgraded).integer.shape.median == 4
    assert (store.path(7) / "digest").read_text(encoding="ascii") != latest_model(upgraded).digest.hex()


def test_a_second_run_does_nothing(community: LocalCommunity) -> None:
    saved_by_an_older_release(community)
    migrate(community)
    assert migrate(community) == []
    assert RoundStore(community.folder / "rounds").rounds() == [7, 8]


def test_contracts_of_which_any_program_is_another_releases_are_refused_and_put_aside(
    community: LocalCommunity, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = community.open_chain(20_000)
    known = community.open_contracts(chain)
    with monkeypatch.context() as during:
        during.setattr(bytecode_check, "green_program_code", lambda: b"of a later release")
        with pytest.raises(OutdatedContracts, match="wattproof migrate"):
            community.open_contracts(chain)
        chain.close()
        assert [OLD_CONTRACTS in sentence for sentence in migrate(community)] == [True]
    aside = community.folder / OLD_CONTRACTS
    assert aside.read_bytes() == known.addresses.to_json()
    chain = community.open_chain()
    assert community.open_contracts(chain).addresses != known.addresses
    chain.close()
    assert migrate(community) == []
