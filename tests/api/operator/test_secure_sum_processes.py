"""The sums of a day by three agents and a server as processes, with files of their own; two are killed midway.

The homes feed in as well: a coordinator trains a model of export over their agents, forecasts of it are proven and
summed, and with those of load make surplus hours, which a gateway checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.audit.surplus import audit_surplus
from api.gateway.own_surplus import own_surplus
from api.operator.export_models import REGISTRY
from bench.deployed import COORDINATOR
from fl.deployment.kept_model import kept_round
from tests.api.deployed_fixture import DAY, DAY_S, CommunityFixture
from tests.api.http_fixture import SERVER

pytestmark = pytest.mark.process
HOMES = [f"elm-{number}" for number in range(1, 4)]


@pytest.fixture
def street(tmp_path: Path) -> Iterator[CommunityFixture]:
    made = CommunityFixture(tmp_path, homes=HOMES, export=True)
    yield made
    made.kill_all()


def test_agents_open_the_sums_of_a_day_though_server_and_one_of_them_are_killed_and_it_has_its_surplus_hours(
    street: CommunityFixture,
) -> None:
    street.start(SERVER)
    street.wait_for("/health", status="ok")
    street.start(COORDINATOR, *HOMES)
    street.until(lambda: len(street.ask("/v1/export/rounds") or []) == 1)
    assert (street.folder / SERVER / "state" / REGISTRY).exists(), (
        "the model of export is on the chain before the day"
    )
    street.set_clock(60)
    street.until(lambda: len(street.ask(f"/forecasts/{DAY}")) == len(HOMES))
    street.until(lambda: street.logs().count('"submitted", "home"') >= 2 * len(HOMES))
    assert street.ask(f"/sums/{DAY}/forecast")["error"] == "too-early"
    street.set_clock(3700)
    street.until(lambda: "phase" in street.ask(f"/sums/{DAY}/forecast"))
    street.kill(SERVER, HOMES[0])
    street.start(SERVER, HOMES[0])
    street.wait_for(f"/sums/{DAY}/forecast", phase="open")
    told = street.ask(f"/days/{DAY}/forecast")
    assert (len(told["households"]), told["values_wh"]) == (len(HOMES), street.forecast())

    street.wait_for(f"/sums/{DAY}/export", phase="open")
    street.until(lambda: street.ask("/v1/surplus") == [DAY])
    hours = street.ask(f"/v1/surplus/{DAY}")
    assert (hours["load_wh"], hours["export_wh"]) == (street.forecast(), street.forecast("export"))
    assert hours["hours"] == [h for h in range(24) if hours["export_wh"][h] > hours["load_wh"][h]]
    assert kept_round(street.folder / HOMES[0] / "state" / "export" / "model") == hours["export_round"] == 1
    file = street.folder / SERVER / "state" / "surplus" / str(DAY) / "surplus.json"
    assert not any(finding.is_bad for finding in audit_surplus(file.read_bytes()))
    street.kill(HOMES[1])
    street.start(HOMES[1])  # gateways look every quarter of an hour, and when they start
    street.until(lambda: own_surplus(street.home(HOMES[1]).folder))

    measured = street.measure()
    street.set_clock(DAY_S + 60)
    street.wait_for(f"/sums/{DAY}/measured", phase="open")
    assert street.ask(f"/days/{DAY}/measured")["values_wh"] == measured.tolist()
