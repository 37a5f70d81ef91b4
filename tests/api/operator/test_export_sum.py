"""The total of forecasts of export by gateways: of homes whose load is in the day's, one of a day, never of few."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from sqlalchemy import delete

from api.gateway.secure_sum.state import SecureSumFolder
from api.operator.database.tables import ExportForecast, ExportTotal, MaskedSum, MaskedSumMessage
from api.protocol.bundle_parts import to_hex
from api.protocol.secure_sum import NONCE_BYTES, STAGES
from tests.api.community_fixture import DAY, PHASE_S, CommunityFixture, build, open_fixture
from tests.support.shared import built_once
from zkp.algebra import commitment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> CommunityFixture:
    return open_fixture(built_once(tmp_path_factory, "street", build))


@pytest.fixture
def street(built: CommunityFixture) -> Iterator[CommunityFixture]:
    with built.once_closed():
        yield built


def open_load(street: CommunityFixture) -> None:
    """Until every gateway knows that the day's total of load is open."""
    while not all(_knows(street, name) for name in street.names):
        street.run()


def _knows(street: CommunityFixture, name: str) -> bool:
    part = SecureSumFolder(street.folder / "sums", name).get("forecast", DAY)
    return part is not None and part.ended == "open"


def run_until(street: CommunityFixture, stage: str) -> None:
    while street.phase("export") != stage:
        street.run()


def opened(street: CommunityFixture) -> ExportTotal:
    run_until(street, "open")
    with street.community.sessions() as session:
        return session.get_one(ExportTotal, DAY)


def expected(street: CommunityFixture, names: list[str]) -> list[int]:
    sealed = [home.sealed(DAY, "export") for home in street.community.homes if home.name in names]
    return [sum(hour) for hour in zip(*(one.values for one in sealed if one is not None), strict=True)]


def reasons(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(str(record.__dict__.get("reason", "")) for record in caplog.records)


def test_a_part_of_the_homes_opens_the_total_of_what_it_feeds_in(street: CommunityFixture) -> None:
    """The home without a roof answers nothing, and needs to know nothing of it."""
    roofs = street.names[:3]
    street.forecast_export(*roofs)
    assert street.get(f"/sums/{DAY}/export")["error"] == "no-sum", "before that of load there is none"
    open_load(street)
    assert street.get(f"/sums/{DAY}/export")["members"] == roofs
    total = opened(street)
    assert total.values == expected(street, roofs) != expected(street, street.names[:2])
    assert total.households == sorted(home.wallet.address for home in street.community.homes if home.name in roofs)
    assert {message.home for message in street.received() if message.home not in roofs} == {street.names[3]}
    street.run()
    assert [street.part(name, "export").ended for name in roofs] == ["open"] * 3


def test_a_part_of_two_is_no_sum(street: CommunityFixture) -> None:
    street.forecast_export(*street.names[:2])
    open_load(street)
    told = street.get(f"/sums/{DAY}/export")
    assert told["error"] == "no-sum" and "2 gateways could enter" in told["message"]


def test_a_gateway_enters_no_part_smaller_than_its_minimum(
    street: CommunityFixture, caplog: pytest.LogCaptureFixture
) -> None:
    """Four are in the total of load, three of them in that of export; one of these wants more company."""
    street.forecast_export(*street.names[:3])
    open_load(street)
    careful = street.names[0]
    street.run(careful, fewest_in_total=4)
    assert street.counted(careful, "refused", "export") == 1 and "fewest_in_total" in reasons(caplog)
    assert street.get(f"/sums/{DAY}/export")["waiting_for"] == street.names[:3]


def test_a_home_that_is_not_in_the_total_of_load_is_in_none_of_export(
    street: CommunityFixture, caplog: pytest.LogCaptureFixture
) -> None:
    """Else its own load would be missing beside what it feeds in; the server leaves it out, and gateways refuse one
    that does not."""
    others = street.names[1:]
    street.forecast_export(*street.names)
    while street.phase() != "mask":
        street.run()
    street.run(*others)
    street.now += PHASE_S + 1
    while not all(_knows(street, name) for name in others):
        street.run(*others)
    assert street.get(f"/sums/{DAY}/export")["members"] == others
    with street.community.sessions.begin() as session:
        session.get_one(MaskedSum, (DAY, "export")).members = session.get_one(MaskedSum, (DAY, "forecast")).members
    street.run()
    assert street.phase("export") == "keys" and not [m for m in street.received() if _of_export(street, m.home)]
    assert "may cover homes in the day's total of load only" in reasons(caplog)


def _of_export(street: CommunityFixture, home: str) -> bool:
    with street.community.sessions() as session:
        return session.get(MaskedSumMessage, (DAY, "export", "keys", home)) is not None


def test_a_second_sum_of_a_day_with_other_members_gets_nothing(
    street: CommunityFixture, caplog: pytest.LogCaptureFixture
) -> None:
    """The difference of both would be a home's own forecast."""
    street.forecast_export(*street.names)
    open_load(street)
    run_until(street, "agree")
    with street.community.sessions.begin() as session:
        first = session.get_one(MaskedSum, (DAY, "export"))
        members = {name: first.members[name] for name in street.names[1:]}
        session.execute(delete(MaskedSumMessage).where(MaskedSumMessage.kind == "export"))
        session.delete(first)
        session.flush()
        session.add(
            MaskedSum(
                day=DAY, kind="export", nonce=secrets.token_hex(NONCE_BYTES), members=members, phase="keys",
                until=street.now + PHASE_S,
            )
        )  # fmt: skip
    for _ in STAGES:
        street.run()
    assert street.phase("export") == "keys" and street.get(f"/sums/{DAY}/export")["waiting_for"] == street.names[1:]
    assert "this home's masked values are in another one" in reasons(caplog)


def test_a_sum_that_does_not_open_the_forecasts_that_are_kept_is_no_total(street: CommunityFixture) -> None:
    """A home that enters something else than it has committed itself to spoils the sum, and nothing is published."""
    street.forecast_export(*street.names)
    open_load(street)
    other = to_hex(commitment.commit_forecast((7,) * commitment.FORECAST_VALUES, 7))
    with street.community.sessions.begin() as session:
        row = session.get_one(ExportForecast, (street.community.homes[0].wallet.address, DAY))
        row.commitment = other
    while street.phase("export") not in ("open", "failed"):
        street.run()
    assert street.phase("export") == "failed"
    with street.community.sessions() as session:
        assert session.get(ExportTotal, DAY) is None


def test_vectors_of_one_kind_are_worth_nothing_in_the_other(street: CommunityFixture) -> None:
    """The kind is in the label, and so in every signature: what was said in the sum of load is refused here."""
    street.forecast_export(*street.names)
    open_load(street)
    of_load = [message for message in street.received() if message.stage == "keys"]
    assert {street.say(message, "export") for message in of_load} == {"forged-message"}
