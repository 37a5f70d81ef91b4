"""Shared energy split class by class over the network: a total of each class, none of which tells of few homes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from api.config.settlement_settings import SettlementSettings
from api.gateway.home import Home
from api.gateway.metered_home import MeteredHome
from api.gateway.secure_sum.contribution import by_class
from api.gateway.secure_sum.state import SecureSumFolder
from api.one_machine.settlement import meters_of
from api.operator.database.tables import SharedDay
from api.operator.running_sum import RunningSum, SecureSumRefused
from api.operator.shared_days import kept_record
from api.protocol.period import Key, Period, check
from api.protocol.secure_sum import REGISTER, STAGES
from data.day import DayClock
from data.table import long_table
from tests.api.summed_street import PHASE_S, Street, summed_street

pytestmark = pytest.mark.slow

CLOCK, DAY = DayClock(0), 20_500
CLASSES = {f"elm-{k}": 1 + k // 3 for k in range(6)}
"""Three homes of the first class, three of the second."""


def metered(folder: Path, home: str) -> MeteredHome:
    ds = pd.date_range(CLOCK.start_of(DAY), periods=24, freq="h", unit="ns")
    rng = np.random.default_rng(int(home[-1]))
    fed_in = pd.Series(rng.integers(0, 900, 24), dtype="Int64")
    table = long_table(home, ds, rng.integers(100, 900, 24), export=fed_in)
    return MeteredHome(Home(home, folder / "homes" / home), table, CLOCK)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("classes")
    homes = [metered(folder, home) for home in CLASSES]
    with summed_street(folder, "Two classes", homes, DAY, {"key": "priority", "numbers": CLASSES}) as street:
        yield street


@pytest.fixture
def street(built: Street) -> Iterator[Street]:
    """Before anything of a sum."""
    yield built
    built.clear()


def test_each_class_has_a_total_of_its_own_and_the_day_can_be_settled(street: Street) -> None:
    for _ in STAGES:
        street.run()
    assert street.row().phase == "open", street.row().reason
    with street.community.sessions() as session:
        record = kept_record(session.get_one(SharedDay, DAY))
    for number, total in enumerate(record.blocks[0].imports, 1):
        mine = [home.readings["y"].to_numpy() for home in street.homes if CLASSES[home.home.name] == number]
        assert list(total.values) == sum(mine).tolist()  # type: ignore[union-attr]
    key = Key("priority", {home.household: CLASSES[home.home.name] for home in street.homes})
    checked = check(Period("Two classes", key, (record,)), meters_of(street.homes), fewest_days=1)
    shares = [checked.statement(home.household, "import").numbers[0] for home in street.homes]
    assert shares[0] == shares[1] != shares[3], "coefficients of the classes"


def test_a_gateway_enters_no_sum_that_counts_a_home_into_another_class(street: Street) -> None:
    """The server would choose coefficients by it; each home counts by its own settings."""
    other = CLASSES | {"elm-0": 2}
    for _ in STAGES:
        street.run("elm-0", "elm-5", classes=other)
        street.run("elm-1", classes={})
    assert street.row().phase == "keys"
    for home in ("elm-0", "elm-1", "elm-5"):
        assert SecureSumFolder(street.folder / "sums", home).get("shared", DAY) is None


def test_a_class_of_which_two_are_left_ends_the_sum(street: Street) -> None:
    for _ in range(3):
        street.run()
    street.run(*[home for home in CLASSES if home != "elm-4"])
    assert street.row().phase == "mask"
    street.now += PHASE_S + 1
    state = street.server.state(DAY, "shared")
    assert state.phase == "failed" and "a class has 2 gateways" in state.reason


def test_a_server_that_opens_the_total_of_two_all_the_same_has_nobody_that_agrees(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunningSum, "_check_classes", lambda self: None)
    for _ in range(3):
        street.run()
    there = [home for home in CLASSES if home != "elm-4"]
    street.run(*there)
    street.now += PHASE_S + 1
    assert street.server.state(DAY, "shared").phase == "agree"
    street.run(*there)
    assert street.row().phase == "agree"
    for home in there:
        part = SecureSumFolder(street.folder / "sums", home).get("shared", DAY)
        assert part is not None and part.ended == "refused"


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        (CLASSES | {"elm-3": 1}, "2 gateways of class 2"),
        ({home: number for home, number in CLASSES.items() if home != "elm-2"}, "no class of elm-2"),
    ],
)
def test_no_sum_begins_with_a_small_class_or_a_home_without_one(
    street: Street, numbers: dict[str, int], why: str
) -> None:
    rules = SettlementSettings(gateways=True, key="priority", numbers=numbers)
    street.community.config = street.config.model_copy(update={"settlement": rules})
    with pytest.raises(SecureSumRefused, match=why):
        street.server.state(DAY, "shared")


def test_classes_have_no_gap() -> None:
    with pytest.raises(ValueError, match="without a gap"):
        SettlementSettings(key="priority", numbers={"elm-0": 1, "elm-1": 3})


def test_a_home_enters_its_import_in_its_own_class_alone() -> None:
    vector = (*range(1, REGISTER + 1), *range(100, 100 + REGISTER))
    assert by_class(vector, 1, 1) == vector
    assert by_class(vector, 2, 3) == (*(0,) * REGISTER, *vector[:REGISTER], *(0,) * REGISTER, *vector[REGISTER:])
