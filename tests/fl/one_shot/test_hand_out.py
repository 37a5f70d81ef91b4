"""The head of the peak classes reaches homes when a training ends, and tells them the class of their next peak."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fl.client_mods import client_mods
from fl.errors import StatisticsRefused
from fl.exchange import gather_updates
from fl.one_shot.hand_out import newest_peak_head
from fl.one_shot.heads import LinearHead
from fl.one_shot.peak_file import keep_peak_head, kept_peak_head
from fl.one_shot.peak_forecast import forecast_peak
from fl.one_shot.peak_head import PeakHead
from fl.one_shot.rounds import one_shot_rounds
from fl.one_shot.sizes import PEAK_FEATURES
from fl.rounds import Rounds
from fl.store import RoundStore
from tests.fl.guarded import HOMES
from tests.fl.one_shot.test_gather import SHAPE, START, WINDOWS, learners, settings
from tests.fl.watched_grid import WatchedGrid


class Keeping(WatchedGrid):
    """Homes that keep what is handed out, each in a folder."""

    folder: Path

    def keep_in(self, folder: Path) -> None:
        from fl.client_app import make_client_app

        mods = client_mods(settings())
        for node, (learner, _) in self._apps.items():
            own = folder / learner.home
            app = make_client_app(
                lambda _, learner=learner: learner,
                mods,
                keep_peaks=lambda arrays, own=own: keep_peak_head(own, arrays),
            )
            self._apps[node] = (learner, app)


@pytest.mark.parametrize("then", ["one-shot", "rounds after it"])
def test_homes_get_the_head_when_a_training_ends(tmp_path: Path, then: str) -> None:
    grid = Keeping(learners())  # type: ignore[arg-type]
    grid.keep_in(tmp_path)
    store, own = RoundStore(tmp_path / "rounds"), settings(rounds=2)
    one_shot_rounds(own, store, SHAPE, hand_out=then == "one-shot").run_once(grid, START)
    if then == "rounds after it":
        assert kept_peak_head(tmp_path / "ada") is None
        Rounds(own, store, gather=gather_updates, hand_out=True, hand_out_also=lambda: newest_peak_head(store)).run(
            grid, START
        )
    for home in HOMES:
        head = kept_peak_head(tmp_path / home)
        assert head is not None
        mine = WINDOWS.of_home(home)
        ahead = replace(mine.between(39, 40), target=np.full((1, 24), -1))
        forecast = forecast_peak(mine.between(0, 39), ahead, head)
        assert forecast.day == 39 and sum(forecast.probabilities) == pytest.approx(1)
        assert 0 < forecast.lower_wh < forecast.upper_wh
        assert forecast.expected in ("low", "middle", "high")


def test_a_training_without_peak_classes_hands_out_none(tmp_path: Path) -> None:
    assert newest_peak_head(RoundStore(tmp_path)) == {}


def test_what_is_no_head_is_not_kept(tmp_path: Path) -> None:
    head = PeakHead((0, 1, 2), LinearHead(np.ones((3, PEAK_FEATURES)), np.zeros(3)))
    keep_peak_head(tmp_path, head.to_arrays())
    with pytest.raises(StatisticsRefused, match="no head"):
        keep_peak_head(tmp_path, {"kept": np.array([1])})
    assert kept_peak_head(tmp_path) is not None
    (tmp_path / "peak_head.npz").write_bytes(b"damaged")
    with pytest.raises(StatisticsRefused, match=r"peak_head.npz is damaged .*: delete it"):
        kept_peak_head(tmp_path)


def test_the_class_does_not_depend_on_the_day_itself_or_later_ones() -> None:
    mine = WINDOWS.of_home("ada")
    head = PeakHead((0, 1, 2), LinearHead(np.random.default_rng(1).normal(size=(3, PEAK_FEATURES)), np.zeros(3)))
    ahead = mine.between(30, 31)
    unknown = replace(ahead, target=np.full((1, 24), -1))
    assert forecast_peak(mine, unknown, head) == forecast_peak(mine.between(0, 30), ahead, head)
