"""Statements of a settlement: a member's says nothing of any other, and figures are those of the settlement."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from api.operator.report.pdf import Document
from api.operator.settlement_statement import Statements
from api.operator.statements import Tariff, community_cents
from api.protocol.period import SIDES
from api.protocol.settlement import Settlement
from data.day import DayClock
from tests.api.settled import settle_week

CLOCK = DayClock(8)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Settlement:
    folder: Path = tmp_path_factory.mktemp("statements")
    return settle_week("Elm Street", folder / "homes", folder / "settlements", CLOCK)


@pytest.fixture(scope="module")
def statements(settled: Settlement) -> Statements:
    names = {household: f"roof-{k}" for k, household in enumerate(settled.period.households)}
    return Statements(settled, Tariff(Decimal(11), 50), names, CLOCK)


def text_of(document: Document) -> str:
    cells = [cell for table in document.tables for row in table.rows for cell in row]
    return " ".join([document.title, document.subtitle, *(v for pair in document.headline for v in pair), *cells])


def test_the_assembly_sees_every_member_and_the_remainder(settled: Settlement, statements: Statements) -> None:
    document = statements.of_all(b"")
    (members,) = document.tables
    assert [row[0] for row in members.rows] == ["roof-0", "roof-1", "roof-2", "the community"]
    assert "2017-05-01 to 2017-05-07" in document.subtitle
    assert dict(document.headline)["Shared: the smaller of both, hour by hour"] == (
        f"{settled.period.shared_wh / 1000:,.3f} kWh"
    )
    paid = sum(int(cents.replace(",", "")) for row in members.rows for cents in row[4:6] if cents)
    assert paid == statements.tariff.paid_in(settled.period.shared_wh)
    assert members.rows[-1][4] == f"{community_cents(settled, statements.tariff):,}"


def test_a_members_statement_says_nothing_of_any_other(settled: Settlement, statements: Statements) -> None:
    for household in settled.period.households:
        text = text_of(statements.of_member(household))
        assert household in text and f"{settled.shares[household, 'import'].wh / 1000:,.3f} kWh" in text
        for other in set(settled.period.households) - {household}:
            assert other not in text and statements.names[other] not in text
            theirs = (settled.shares[other, side].wh for side in SIDES)
            assert not any(f"{wh / 1000:,.3f}" in text for wh in theirs if wh)


def test_a_late_share_is_not_a_share_of_nothing(settled: Settlement, statements: Statements) -> None:
    late = settled.period.households[0]
    shares = {key: share for key, share in settled.shares.items() if key != (late, "export")}
    again = Statements(Settlement(settled.period, shares), statements.tariff, statements.names, CLOCK)
    told = dict(again.of_member(late).headline)
    assert told["Shared, of what it fed in"] == "not proven yet" and told["Premium, cents"].endswith("so far")
    assert again.of_all(b"").tables[0].rows[0][-1] == "late"
