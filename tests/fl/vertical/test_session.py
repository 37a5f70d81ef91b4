"""A session through Flower's messages: the joined regression, split learning, parties that go away, what is seen."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from flwr.app import RecordDict
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from fl.vertical import psi
from fl.vertical.columns import home_columns
from fl.vertical.coordinator import PartnerAway, TooFewHomes
from fl.vertical.entered import Entered
from fl.vertical.errors import VerticalRefused
from fl.vertical.home import HomeLimits, HomeSide
from fl.vertical.partner import PartnerLimits
from fl.vertical.products import Shape, context, home_masks
from fl.vertical.terms import VerticalTerms
from tests.fl.vertical.session_fixture import Community, signed
from tests.fl.vertical.session_names import COLUMNS, DAYS, HOMES, LEARNT, PARTNER
from zkp.algebra.curve import curve

pytestmark = pytest.mark.slow

TEST_DAYS = np.arange(LEARNT, DAYS)


def joined(one: Community, homes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """What nobody has in one place: all columns of these homes, and their loads."""
    own = [home_columns(one.learnt(home)) for home in homes]
    theirs = [one.partner_columns(home) for home in homes]
    columns = np.concatenate([np.hstack(pair) for pair in zip(own, theirs, strict=True)])
    return columns, np.concatenate([one.learnt(home).target.reshape(-1) for home in homes])


@pytest.mark.parametrize("penalty", [0.5, 100.0])
def test_the_regression_is_that_of_the_joined_columns(penalty: float) -> None:
    one = Community()
    assert one.session.match() == HOMES
    ridge = one.session.regress(penalty)
    columns, target = joined(one, HOMES)
    scaler = StandardScaler().fit(columns)
    oracle = Ridge(alpha=penalty).fit(scaler.transform(columns), target)
    weight = oracle.coef_ / scaler.scale_
    np.testing.assert_allclose(np.concatenate([ridge.home, ridge.partner]), weight, rtol=0, atol=1e-9)
    predicted = columns @ np.concatenate([ridge.home, ridge.partner]) + ridge.intercept
    assert np.abs(predicted - oracle.predict(scaler.transform(columns))).max() < 1e-6  # Wh
    own = columns[:, : -len(COLUMNS)]
    alone = StandardScaler().fit(own)
    oracle = Ridge(alpha=penalty).fit(alone.transform(own), target)
    np.testing.assert_allclose(ridge.alone.weight, oracle.coef_ / alone.scale_, rtol=0, atol=1e-9)


def test_columns_that_know_the_future_make_the_forecasts_better_and_are_missed_when_the_partner_is_away() -> None:
    one = Community()
    one.session.match()
    one.session.regress()
    one.session.learn(60)
    assert one.session.forecast(TEST_DAYS) == HOMES
    for home in HOMES:
        side, truth = one.side(home), one.windows[home].between(LEARNT, DAYS).target
        errors = {name: np.abs(forecast[:, :24] - truth).mean() for name, forecast in side.forecasts.items()}
        errors |= {f"{n}_mean": np.abs(side.forecasts[n][:, 24:] - truth).mean() for n in ("split", "split_alone")}
        assert errors["ridge"] < 0.5 * errors["ridge_alone"], home
        assert errors["split"] < 0.9 * errors["split_alone"], home
        assert errors["split_mean"] < 0.9 * errors["split_alone_mean"], home
    one.gone[PARTNER] = "values"
    assert one.session.forecast(TEST_DAYS) == HOMES
    assert one.session.partner_away is not None and "no answer" in one.session.partner_away
    for home in HOMES:
        forecasts = one.side(home).forecasts
        np.testing.assert_array_equal(forecasts["ridge"], forecasts["ridge_alone"])
        np.testing.assert_array_equal(forecasts["split"], forecasts["split_alone"])


def test_homes_learn_on_without_a_partner_that_goes_away_and_with_it_when_it_is_back() -> None:
    one = Community()
    one.session.match()
    one.session.learn(2)
    before = {name: array.clone() for name, array in one.partner_now.part.state_dict().items()}
    one.gone[PARTNER] = "cut"
    one.session.learn(2)
    assert one.session.partner_away is not None and one.session.left_out == {}
    one.gone.clear()
    one.session.learn(2)
    assert one.session.partner_away is None
    assert any((array != before[name]).any() for name, array in one.partner_now.part.state_dict().items())


def test_a_partner_that_is_away_at_the_start_is_said() -> None:
    with pytest.raises(PartnerAway, match="charger does not answer `begin`: no answer in 1 s"):
        Community(gone={PARTNER: "begin"}).session.match()


@pytest.mark.parametrize("stage", ["begin", "match", "common", "rows", "difference", "share"])
def test_a_home_that_drops_out_leaves_the_others_their_regression(stage: str) -> None:
    one = Community(gone={"dee-hock-42": stage})
    one.session.match()
    ridge = one.session.regress(1.0)
    assert "no answer" in one.session.left_out["dee-hock-42"]
    columns, target = joined(one, HOMES[:3])
    scaler = StandardScaler().fit(columns)
    oracle = Ridge(alpha=1.0).fit(scaler.transform(columns), target)
    np.testing.assert_allclose(ridge.partner, (oracle.coef_ / scaler.scale_)[-2:], rtol=0, atol=1e-9)


def test_homes_that_are_no_customers_are_left_out_and_too_few_end_the_session() -> None:
    one = Community(customers=HOMES[:3])
    assert one.session.match() == HOMES[:3]
    assert one.session.left_out == {"dee-hock-42": "the partner has no record of it"}
    with pytest.raises(TooFewHomes, match="2 homes have records in common with the partner, 3 are needed"):
        Community(customers=HOMES[:2]).session.match()


def test_what_passes_through_the_coordinator_shows_neither_columns_nor_loads() -> None:
    one = Community()
    one.session.match()
    one.session.regress()
    one.session.learn(1)
    seen = b"\0".join(
        value for _, _, content in one.grid.received for value in content.config_records["vertical"]["values"]
    )
    for home in HOMES:
        windows = one.learnt(home)
        for array in (windows.target[0], windows.history[0], one.partner_columns(home)[:24].reshape(-1)):
            for width in (np.int64, np.float32, np.float64):
                assert array.astype(width).tobytes() not in seen
        assert home.encode() not in seen
    matches = {stage for _, stage, _ in one.grid.received}
    assert matches >= {"begin", "match", "double", "common", "rows", "difference", "share", "sum", "weights", "step"}


def test_a_single_homes_part_of_the_sum_is_uniform_to_the_coordinator() -> None:
    """The same home with the same columns, twice: nothing of the two parts agrees but by chance."""
    parts = []
    for nonce in (b"a" * 16, b"b" * 16):
        one = Community({"nonce": nonce})
        one.session.match()
        one.session.regress()
        record = next(c for name, stage, c in one.grid.received if (name, stage) == ("ada-lovelace", "share"))
        parts.append(np.frombuffer(record.config_records["vertical"]["values"][0], dtype="<u8"))
    assert (parts[0] == parts[1]).sum() == 0


def test_a_seed_that_is_dealt_twice_hides_as_well_as_another_one() -> None:
    """The partner would see the same home's columns under one mask, and learn how they differ."""
    shape, seen = Shape(6, 2, 1), []
    for keys in ((b"a" * 32, b"p" * 32), (b"b" * 32, b"p" * 32), (b"a" * 32, b"q" * 32)):
        mask, _ = home_masks(b"s" * 32, shape, context(b"terms", *keys))
        seen.append(mask.tobytes())
    assert len(set(seen)) == 3


def test_a_second_sum_of_a_session_is_refused() -> None:
    one = Community()
    one.session.match()
    one.session.regress()
    with pytest.raises(TooFewHomes, match="the partner refuses what came from it"):
        one.session.regress()
    with pytest.raises(VerticalRefused, match="two of them would tell their difference"):
        one.partner_now.sum({})


def test_a_home_is_in_no_second_sum_of_the_same_days_also_over_restarts(tmp_path: Path) -> None:
    """All homes in one session, all but one in the next: the difference would be that one's."""
    path = tmp_path / "entered.json"
    Entered(path).enter(44, fresh_days=28)
    one = Community()
    one.entered["ada-lovelace"] = Entered(path)
    one.session.match()
    one.session.regress()
    assert "0 days that are new since the last sum with this partner" in one.session.left_out["ada-lovelace"]
    Entered(path).enter(44 + 28, fresh_days=28)
    with pytest.raises(VerticalRefused, match="has 27 days that are new since the last sum"):
        Entered(path).enter(44 + 55, fresh_days=28)
    path.write_text("{}")
    with pytest.raises(VerticalRefused, match="is damaged"):
        Entered(path)


def test_a_home_learns_each_step_once_and_no_more_than_it_allows() -> None:
    """The partner would learn of the labels from gradients at values of its choice."""
    one = Community(limits=HomeLimits((PARTNER,), most_steps=2))
    one.session.match()
    one.session.learn(2)
    with pytest.raises(VerticalRefused, match="in order, each once, and 2 at most"):
        one.side("ada-lovelace").step(2, None)
    with pytest.raises(TooFewHomes, match="0 homes are left"):
        one.session.learn(2)


def test_a_home_gets_the_record_of_no_other_household() -> None:
    """It claims another position than its own, of those that it was told."""
    one = Community()
    matching = HomeSide.common

    def claim(side: HomeSide, sealed: bytes) -> tuple[bool, bytes]:
        points = side._matching
        common = points.common
        points.common = lambda own, theirs: [(0, (common(own, theirs)[0][1] + 1) % len(theirs))]  # type: ignore[method-assign]
        return matching(side, sealed)

    ada = one.home_side

    def make(home: str, terms: VerticalTerms) -> HomeSide:
        side = ada(home, terms)
        if home == "ada-lovelace":
            side.common = partial(claim, side)  # type: ignore[method-assign]
        return side

    one.homes["ada-lovelace"].sessions.make = partial(make, "ada-lovelace")
    assert one.session.match() == HOMES[1:]
    assert "does not show that the record is its own" in one.partner_now.left_out["ada-lovelace"]


def test_a_home_is_matched_once_for_a_second_channel_would_repeat_its_numbers() -> None:
    """The coordinator's attack: what a home seals under a number twice shows X - A, whose A the coordinator dealt."""
    one = Community()
    one.session.match()
    side, key = one.side("ada-lovelace"), one.partner_now.begin()
    for _ in range(2):
        with pytest.raises(VerticalRefused, match="answers `match` once"):
            side.match(key)
    assert int.from_bytes(side.ask(np.array([LEARNT], dtype=np.int64))[:8], "big") > 2  # numbers go on


def test_a_partner_tries_no_second_list_of_ids_and_changes_no_days_later() -> None:
    one = Community()
    one.session.match()
    side, theirs = one.side("ada-lovelace"), one.partner_now
    channel, point = theirs._homes["ada-lovelace"].channel, theirs._homes["ada-lovelace"].point
    other = psi.Matching([signed(f"guess {number}").to_bytes() for number in range(2)], curve())
    guesses = psi.to_bytes([*other.doubled([point]), *other.blinded()])
    with pytest.raises(VerticalRefused, match="answers `common` once"):
        side.common(channel.seal("doubled", guesses))
    days = np.zeros(len(side._learnt), dtype=np.uint8)
    with pytest.raises(VerticalRefused, match="answers `rows` once"):
        side.rows(channel.seal("days", days.tobytes()))


def test_a_session_begins_once() -> None:
    one = Community()
    one.session.match()
    one.session.left_out.clear()
    with pytest.raises(PartnerAway, match="begun before"):
        one.session.match()


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (HomeLimits(("installer",)), "this home learns with"),
        (HomeLimits((PARTNER,), fewest_homes=4), "asks for 4 homes in a sum"),
        (HomeLimits((PARTNER,), least_gradient_noise=0.1), "gradient noise of 0.1 at least"),
    ],
)
def test_a_home_has_its_own_conditions(limits: HomeLimits, reason: str) -> None:
    with pytest.raises(TooFewHomes, match=reason):
        Community(limits=limits).session.match()


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (PartnerLimits(fewest_homes=4), "asks for 4 homes"),
        (PartnerLimits(largest_cut=1), "gives at most 1 values an hour"),
        (PartnerLimits(least_cut_noise=0.1), "with noise of 0.1 at least"),
    ],
)
def test_and_so_has_a_partner(limits: PartnerLimits, reason: str) -> None:
    with pytest.raises(PartnerAway, match=reason):
        Community(partner_limits=limits).session.match()


def test_a_coordinator_in_between_is_found_out() -> None:
    """It gives the homes a key of its own in the partner's place."""

    def swap(name: str, stage: str, content: RecordDict) -> None:
        if (name, stage) == (PARTNER, "begin"):
            content.config_records["vertical"]["values"] = [b"k" * 32 + b"s" * 96]

    with pytest.raises(TooFewHomes, match="not signed by the identity in the roster"):
        Community(meddle=swap).session.match()


def test_a_message_changed_on_the_way_costs_its_home_only() -> None:
    def spoil(name: str, stage: str, content: RecordDict) -> None:
        if (name, stage) == ("bob-noyce-1", "match"):
            record = content.config_records["vertical"]
            record["values"] = [value[:-1] + bytes([value[-1] ^ 1]) for value in record["values"]]

    one = Community(meddle=spoil)
    assert one.session.match() == ("ada-lovelace", "cyd-charisse", "dee-hock-42")


def test_too_few_hours_for_the_columns_are_refused() -> None:
    with pytest.raises(TooFewHomes, match="48 hours in common are too few for 19 columns"):
        Community({"end_day": 2}).session.match()
