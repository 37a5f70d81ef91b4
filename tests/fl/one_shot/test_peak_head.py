"""The head of the peak classes goes out to homes and is taken in carefully."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.errors import StatisticsRefused
from fl.one_shot.draws import DrawSettings
from fl.one_shot.fisher_mix import fisher_mix
from fl.one_shot.gaussian_heads import linear_discriminant, naive_bayes, quadratic_discriminant
from fl.one_shot.heads import LinearHead
from fl.one_shot.home import labelled_days
from fl.one_shot.moments import class_moments
from fl.one_shot.peak_head import PeakHead
from fl.one_shot.proto_hyper import proto_hyper
from fl.one_shot.sizes import PEAK_BOUND, PEAK_FEATURES
from fl.one_shot.statistics import class_statistics
from tests.fl.federation import made_up_windows

QUICK = DrawSettings(per_class=50, epochs=1)
FITS = {
    "naive_bayes": naive_bayes,
    "linear": linear_discriminant,
    "quadratic": quadratic_discriminant,
    "fisher_mix": lambda moments: fisher_mix(moments, QUICK),
    "proto_hyper": lambda moments: proto_hyper(moments, QUICK),
}
FEATURES_OF_DAYS, LABELS, _ = labelled_days(made_up_windows(("home-a",), 60))
LINEAR = PeakHead((0, 1, 2), LinearHead(np.ones((3, PEAK_FEATURES)), np.zeros(3)))


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS.keys())
def test_a_head_survives_its_arrays(fit: Any) -> None:
    moments = class_moments(class_statistics(FEATURES_OF_DAYS, LABELS, 3, PEAK_BOUND))
    head = PeakHead((0, 1, 2), fit(moments))
    again = PeakHead.from_arrays(head.to_arrays())
    assert np.array_equal(again.probabilities(FEATURES_OF_DAYS), head.probabilities(FEATURES_OF_DAYS))
    assert all(array.dtype != object for array in head.to_arrays().values())


def test_a_class_that_was_left_out_is_never_expected() -> None:
    head = PeakHead((0, 2), LinearHead(np.zeros((2, PEAK_FEATURES)), np.zeros(2)))
    assert PeakHead.from_arrays(head.to_arrays()).probabilities(FEATURES_OF_DAYS[:1]).tolist() == [[0.5, 0, 0.5]]


@pytest.mark.parametrize(
    "change",
    [
        {"kept": np.array([0, 1, 3])},
        {"kept": np.array([0, 1])},
        {"kept": np.array([1, 0, 2])},
        {"linear/weight": np.full((3, PEAK_FEATURES), np.nan)},
        {"linear/weight": np.ones((3, PEAK_FEATURES + 1))},
        {"linear/bias": np.array(["a", "b", "c"])},
        {"quadratic/bias": np.zeros(3)},
    ],
)
def test_what_is_no_head_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(StatisticsRefused, match="head"):
        PeakHead.from_arrays(LINEAR.to_arrays() | change)


@given(st.sampled_from(["kept", "linear/weight", "linear/bias"]))
def test_a_missing_part_is_refused(name: str) -> None:
    arrays = LINEAR.to_arrays()
    del arrays[name]
    with pytest.raises(StatisticsRefused, match="no head of peak classes"):
        PeakHead.from_arrays(arrays)
