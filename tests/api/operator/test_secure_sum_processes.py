"""Both totals of a day by four agents and a server as processes, with files of their own; two are killed midway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.deployed_fixture import DAY, DAY_S, HOMES, CommunityFixture
from tests.api.http_fixture import SERVER
from tests.support.waiting import until

pytestmark = pytest.mark.process


@pytest.fixture
def street(tmp_path: Path) -> Iterator[CommunityFixture]:
    made = CommunityFixture(tmp_path)
    yield made
    made.kill_all()


def test_agents_open_both_totals_of_a_day_though_server_and_one_of_them_are_killed_in_the_sum(
    street: CommunityFixture,
) -> None:
    street.start(SERVER)
    street.wait_for("/health", status="ok")
    street.set_clock(60)
    street.start(*HOMES)
    until(lambda: len(street.ask(f"/forecasts/{DAY}")) == len(HOMES), street.logs)
    assert street.ask(f"/sums/{DAY}/forecast")["error"] == "too-early"
    street.set_clock(3700)
    until(lambda: "phase" in street.ask(f"/sums/{DAY}/forecast"), street.logs)
    street.kill(SERVER, HOMES[0])
    street.start(SERVER, HOMES[0])
    street.wait_for(f"/sums/{DAY}/forecast", phase="open")
    told = street.ask(f"/days/{DAY}/forecast")
    assert (len(told["households"]), told["values_wh"]) == (len(HOMES), street.forecast())
    measured = street.measure()
    street.set_clock(DAY_S + 60)
    street.wait_for(f"/sums/{DAY}/measured", phase="open")
    assert street.ask(f"/days/{DAY}/measured")["values_wh"] == measured.tolist()
