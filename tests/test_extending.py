"""The examples of docs/extending.md, installed as a package of somebody else's and chosen by name."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from data.day import DayClock
from data.plug_ins import BASELINES, PlugInMissing, plug_in
from data.sources.settings import LiveSettings
from data.sources.source import source_named
from fl.aggregation.strategy import Update
from fl.protection import coordinator_protection
from fl.settings import FederationSettings
from forecasting.evaluation import Forecaster, Split, walk_forward
from zkp.algebra.curve import curve
from zkp.errors import SetupError

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A distribution made of the page's own blocks, found as pip would have it found."""
    folder = tmp_path_factory.mktemp("site")
    blocks = re.findall(r"```(python|toml)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (folder / "my_wattproof.py").write_text("\n\n".join(text for kind, text in blocks if kind == "python"))
    points = tomllib.loads(next(text for kind, text in blocks if kind == "toml"))["project"]["entry-points"]
    made = folder / "my_wattproof-1.0.dist-info"
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: my-wattproof\nVersion: 1.0\n")
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in points.items()]
    (made / "entry_points.txt").write_text("\n".join(lines))
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield
    sys.path.remove(str(folder))
    sys.modules.pop("my_wattproof", None)


def test_a_strategy_is_chosen_by_name_and_combines(tmp_path: Path) -> None:
    settings = FederationSettings.model_validate({"strategy": {"combine": "median"}})
    combine = coordinator_protection(settings, tmp_path).combine
    start = {"w": np.zeros(2, dtype=np.float32)}
    updates = [Update(name, {"w": np.array([k, -k], dtype=np.float32)}, 1, {}) for k, name in enumerate("abz")]
    np.testing.assert_array_equal(combine(updates, start)["w"], np.array([1, -1], dtype=np.float32))


@pytest.mark.parametrize(
    "beside",
    [
        {"secure_aggregation": {"enabled": True}, "evaluate_every": 0},
        {"robust": {"rule": "median"}},
        {"privacy": {"mode": "central", "noise_multiplier": 1.0, "delta": 1e-5}},
    ],
    ids=lambda part: next(iter(part)),
)
def test_a_strategy_is_refused_where_something_else_decides(beside: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=r"strategy\.combine: median"):
        FederationSettings.model_validate({"strategy": {"combine": "median"}} | beside)


def test_a_name_that_nobody_brings_is_refused_with_those_there_are() -> None:
    with pytest.raises(PlugInMissing, match=r"'mode' .*there are: median_14_days"):
        plug_in(BASELINES, "mode")


def test_a_baseline_forecasts_in_the_walk_forward() -> None:
    clock = DayClock(0)
    hours = pd.date_range("2026-01-01", periods=24 * 9, freq="h", tz="UTC", unit="ns")
    values = np.arange(len(hours)) // 24 * 100
    readings = pd.DataFrame({"unique_id": "ada", "ds": hours, "y": values, "filled": False})
    forecaster: Forecaster = plug_in(BASELINES, "median_14_days")(clock)
    day = clock.day_of(hours[-1])
    table = walk_forward([forecaster], readings, pd.DataFrame({"ds": hours}), clock, Split(day, day, day + 1))
    assert (table["median_14_days"] == 350).all()
    assert len(table) == 24


def test_a_source_gives_each_hour_from_the_moment_that_is_asked_for() -> None:
    source = source_named(LiveSettings.model_validate({"source": "constant"}))
    hours = list(source.poll(None))
    assert len(hours) == 24
    assert list(source.poll(hours[20].start)) == hours[20:]  # type: ignore[union-attr]


def test_a_curve_of_another_package_checks_pairings() -> None:
    counting = curve("counting")
    assert counting is curve("counting")
    assert counting.pairing_check([])
    with pytest.raises(SetupError, match="counting"):
        curve("unknown")
