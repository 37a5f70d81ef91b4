"""A week settled by three gateways and a server as processes: sums, shares, root; one gateway is killed.

By the quarter of an hour, which is the longer way through every process; by the hour each part is tested beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from api.audit.settlement import audit_settlement
from api.gateway.own_shares import own_shares
from api.operator.settlement_root import REGISTRY
from data.table import QUARTER, read_table
from tests.api.deployed_fixture import DAY, CommunityFixture
from tests.api.http_fixture import SERVER
from tests.support.commands import output

pytestmark = pytest.mark.process
DAYS = 7
HOMES = [f"elm-{number}" for number in range(1, 4)]
PERIOD = "2026-02-09..2026-02-15"


@pytest.fixture
def street(tmp_path: Path) -> Iterator[CommunityFixture]:
    made = CommunityFixture(
        tmp_path,
        {"gateways": True, "fewest_days": DAYS, "late_meter_hours": 0, "interval_minutes": 15},
        days=DAYS,
        homes=HOMES,
    )
    yield made
    made.kill_all()


def test_gateways_settle_a_week_though_one_of_them_is_killed_before_it_has_proven(street: CommunityFixture) -> None:
    server, settings = street.folder / SERVER, str(street.folder / SERVER / "settings.yaml")
    street.start(SERVER)
    street.wait_for("/health", status="ok")
    street.start(*HOMES)
    street.until(lambda: len(street.ask("/households")) == len(HOMES))
    street.set_clock(60)
    for day in range(DAY - DAYS, DAY):
        street.wait_for(f"/sums/{day}/shared", phase="open")
    street.kill(HOMES[0])
    told = " ".join(output("settle", PERIOD, "-c", settings).split())
    assert told.endswith("Awaited: elm-1, elm-2, elm-3.")
    street.until(lambda: [one["missing"] for one in street.ask("/v1/shared-energy/open")] == [2])
    street.start(HOMES[0])
    street.until(lambda: [one["is_closed"] for one in street.ask("/v1/shared-energy/open") or []] == [True])
    period = street.ask(f"/v1/shared-energy/{PERIOD}")
    tables = [read_table(street.folder / home / "quarters.csv", QUARTER) for home in HOMES]
    taken, fed_in = (sum(np.array(table[column], dtype=np.int64) for table in tables) for column in ("y", "export"))
    assert period["interval_minutes"] == 15
    assert period["shared_wh"] == int(np.minimum(taken, fed_in).sum()) > 0
    file = server / "state" / "settlements" / PERIOD / "settlement.json"
    assert not [finding for finding in audit_settlement(file.read_bytes(), fewest_days=DAYS) if finding.is_bad]
    content = json.loads(file.read_bytes())
    assert len(content["shares"]) == 2 * len(HOMES) and content["root"] == period["root"]
    assert (server / "state" / REGISTRY).exists(), "its root is on the chain"
    shares = [own for home in HOMES for own in own_shares(street.folder / home / "state" / "homes" / home)]
    assert sorted(own.share_wh for own in shares) == sorted(share["share_wh"] for share in content["shares"])
    receipts = [street.folder / home / "state" / "shares" / str(DAY - 1) / "receipts" for home in HOMES]
    street.until(lambda: all(folder.is_dir() for folder in receipts))
    assert "Settled; written to" in output("settle", PERIOD, "-c", settings)
    assert (file.parent / "period.png").exists()
