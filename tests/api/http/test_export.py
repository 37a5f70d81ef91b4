"""Forecasts of export at the API: kept without the chain, checked as if they were on it; and what comes of a day."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete

from api.audit.surplus import audit_surplus
from api.config.settings import ApiSettings
from api.one_machine.community import LocalCommunity
from api.operator.chain_session import ChainSession, open_chain_session
from api.operator.database.tables import CommunityTotal, ExportForecast, ExportRound, ExportTotal, Forecast
from api.operator.membership import erase
from api.operator.publisher import ExportPublisher
from api.operator.surplus_days import FILE
from api.operator.surplus_publisher import SurplusPublisher, _keep_checked, surplus_of
from api.operator.trained_model import rounds_of
from api.protocol import surplus_file
from api.protocol.bundle import InferenceBundle, encode
from api.protocol.bundle_parts import to_hex
from api.protocol.surplus import SurplusDay, SurplusError
from fl.settings import FederationSettings
from fl.store import RoundReport
from rewards.settings import RewardSettings
from tests.api.conftest import app_of
from tests.api.sunny import DAY, Sunny, sunny_config
from tests.support.documented import DocumentedClient


class Street:
    """The sunny street with a server, whose model of export was trained by gateways."""

    def __init__(self, community: LocalCommunity, session: ChainSession, sunny: Sunny) -> None:
        self.community, self.session, self.surplus = community, session, sunny.surplus
        self.client: TestClient = DocumentedClient(app_of(community, session))
        self.model = sunny.models["export"]

    @property
    def bundle(self) -> InferenceBundle:
        return self.surplus.export.bundles[0]

    def send(self, bundle: InferenceBundle) -> tuple[int, str]:
        """Status, and the refusal's code or the household."""
        answer = self.client.post("/v1/export/forecasts", content=encode(bundle))
        return answer.status_code, answer.json().get("error") or answer.json()["household"]

    def save_round(self) -> None:
        """As a coordinator leaves the last one of a training."""
        store = rounds_of(self.community, "export")
        store.save(RoundReport(1, (), (), {}, 0.5, None, {}, 0, 0, 1.0), self.model.weights, {})
        (store.path(1) / "digest").write_text(self.model.digest.hex())
        store.mark_published(1)

    def publish_at(self, moment: int) -> None:
        with self.community.sessions.begin() as session:
            row = session.get(ExportRound, 1)
            assert row is not None
            row.published_at = moment


@pytest.fixture(scope="module")
def opened(sunny: Sunny, tmp_path_factory: pytest.TempPathFactory) -> Street:
    folder = shutil.copytree(sunny.community.folder, tmp_path_factory.mktemp("served") / "state", symlinks=True)
    config = sunny_config(folder).model_copy(
        update={
            "rewards": RewardSettings(clock="standing"),
            "federation": FederationSettings(num_clients=3, export=True, export_rounds=1),
            "api": ApiSettings(state_dir=folder, verifiers=1),
        }
    )
    community = LocalCommunity(config)
    street = Street(community, open_chain_session(community, DAY), sunny)
    street.save_round()
    ExportPublisher(community, street.session).look()
    return street


@pytest.fixture
def street(opened: Street) -> Iterator[Street]:
    chain = opened.session.chain
    snapshot, moment = chain.tester.take_snapshot(), chain.now
    with opened.community.sessions() as session:
        published = session.get_one(ExportRound, 1).published_at
    yield opened
    chain.tester.revert_to_snapshot(snapshot)
    chain.reset_clock(moment)
    opened.publish_at(published)
    with opened.community.sessions.begin() as session:
        for table in (ExportForecast, ExportTotal, CommunityTotal, Forecast):
            session.execute(delete(table))
    shutil.rmtree(opened.community.config.api.surplus_dir, ignore_errors=True)


def test_the_model_that_gateways_have_trained_is_published_once_and_served(street: Street) -> None:
    ExportPublisher(street.community, street.session).look()
    listed = street.client.get("/v1/export/rounds").json()
    assert listed == [{"number": 1, "digest": to_hex(street.model.digest)}]
    assert street.client.get("/v1/rounds").json() == [], "it is none of load"
    served = street.client.get("/v1/export/rounds/1/weights")
    assert served.content == (rounds_of(street.community, "export").path(1) / "weights.npz").read_bytes()
    for number in (2, 77):
        assert street.client.get(f"/v1/export/rounds/{number}/weights").json()["error"] == "no-model"


def test_a_forecast_of_export_is_taken_once_and_the_first_one_stays(street: Street) -> None:
    household = street.bundle.household
    assert street.send(street.bundle) == (201, household)
    assert street.send(street.bundle) == (200, household), "a repeat gets the first answer"
    other = street.bundle.model_copy(update={"forecast": street.surplus.export.bundles[1].forecast})
    assert street.send(other) == (409, "duplicate-forecast")
    with street.community.sessions() as session:
        kept = session.get_one(ExportForecast, (household, DAY))
        assert (kept.round, kept.commitment, kept.bundle) == (1, street.bundle.forecast, encode(street.bundle))


def changed(bundle: InferenceBundle, **context: Any) -> InferenceBundle:
    return bundle.model_copy(update={"context": bundle.context.model_copy(update=context)})


def test_what_is_no_proven_forecast_of_a_household_here_is_refused(street: Street) -> None:
    """Each for its own reason, before anything is kept."""
    bundle, load = street.bundle, street.surplus.load.bundles[0]
    second = street.surplus.export.bundles[1]
    attacks = {
        "other-quantity": load,
        "other-community": changed(bundle, community="0x" + "00" * 32),
        "unknown-household": changed(bundle, household="0x" + "1" * 40),
        "wrong-meter": bundle.model_copy(update={"meter": second.meter}),
        "unknown-round": changed(bundle, round=7),
        "wrong-model": bundle.model_copy(update={"weights": load.weights}),
        "wrong-features": bundle.model_copy(update={"exogenous": load.exogenous}),
        "wrong-head": bundle.model_copy(update={"personal": [bundle.forecast]}),
        "invalid-proof": bundle.model_copy(update={"forecast": second.forecast}),
    }
    for code, attack in attacks.items():
        assert street.send(attack)[1] == code
    assert street.client.post("/v1/export/forecasts", content=b"{}").json()["error"] == "malformed-proof"
    relabelled = load.model_copy(
        update={"quantity": "export"}
    )  # the model of load, and what the meter signed as load
    assert street.send(relabelled)[1] == "wrong-model"
    with street.community.sessions() as session:
        assert session.get(ExportForecast, (bundle.household, DAY)) is None


def test_strangers_reach_no_queue_of_proofs(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may know a household's address and meter, and the days that were in a file of surplus hours before."""

    def checked(bundle: object) -> None:
        raise AssertionError("the proof was checked")

    checker = street.client.app.state.work.checker  # type: ignore[attr-defined]
    monkeypatch.setattr(checker, "check", checked)
    *known, newest = street.bundle.history
    made_up = newest.model_copy(update={"signature": known[0].signature})
    assert street.send(street.bundle.model_copy(update={"history": [*known, made_up]})) == (422, "wrong-meter")


def test_forecasts_are_taken_until_the_deadline_of_the_day(street: Street) -> None:
    grace = street.community.config.rewards.grace_seconds
    street.session.chain.advance_to(street.community.start_of(DAY) + grace + 1)
    assert street.send(street.bundle) == (409, "late-forecast")


def test_a_model_counts_for_the_days_that_begin_after_it_was_published(street: Street) -> None:
    start = street.community.start_of(DAY)
    street.publish_at(start)
    assert street.send(street.bundle) == (409, "late-round"), "it could be chosen for what it forecasts"
    street.publish_at(start - 2)
    with street.community.sessions.begin() as session:
        session.add(ExportRound(number=2, digest=to_hex(b"\x02" * 32), published_at=start - 1))
    try:
        assert street.send(street.bundle) == (409, "old-round")
    finally:
        with street.community.sessions.begin() as session:
            session.delete(session.get_one(ExportRound, 2))


# -- what comes of a day -------------------------------------------------------------------------------------------
def keep_sums(street: Street, surplus: SurplusDay) -> None:
    """As gateways have opened them."""
    with street.community.sessions.begin() as session:
        for one in surplus.load.bundles:
            session.add(
                Forecast(
                    household=one.household, day=DAY, round=1, head=to_hex(one.head_digest), commitment=one.forecast,
                    proof_hash=to_hex(one.proof_hash), bundle=encode(one),
                )
            )  # fmt: skip
        for one in surplus.export.bundles:
            session.add(
                ExportForecast(
                    household=one.household, day=DAY, round=1, commitment=one.forecast,
                    proof_hash=to_hex(one.proof_hash), bundle=encode(one),
                )
            )  # fmt: skip
        for table, of in ((CommunityTotal, surplus.load), (ExportTotal, surplus.export)):
            values, blinding = list(of.total.values), hex(of.total.blinding)
            session.add(table(day=DAY, values=values, blinding=blinding, households=of.households))


def test_surplus_hours_follow_from_both_sums_and_hold_in_an_audit(street: Street) -> None:
    keep_sums(street, street.surplus)
    found = surplus_of(street.community, DAY)
    assert found == street.surplus
    folder = street.community.config.api.surplus_dir
    assert _keep_checked(None, surplus_file.written(found), folder, street.community.clock) == ""
    data = street.client.get(f"/v1/surplus/{DAY}/surplus.json").content
    assert not any(finding.is_bad for finding in audit_surplus(data))
    assert street.client.get(f"/v1/surplus/{DAY}").json()["hours"] == list(street.surplus.hours)


def test_what_does_not_check_out_is_not_published(street: Street) -> None:
    total = street.surplus.export.total
    larger = replace(total, values=(*total.values[:-1], total.values[-1] + 1))
    keep_sums(street, replace(street.surplus, export=replace(street.surplus.export, total=larger)))
    folder = street.community.config.api.surplus_dir
    data = surplus_file.written(surplus_of(street.community, DAY))
    assert "does not open" in _keep_checked(None, data, folder, street.community.clock)
    assert not (folder / str(DAY) / FILE).exists()


def test_a_household_that_has_left_takes_its_forecast_along_and_the_day_has_no_hours(
    street: Street, caplog: pytest.LogCaptureFixture
) -> None:
    keep_sums(street, street.surplus)
    gone = street.bundle.household
    with street.community.sessions() as session:  # rolled back: the street stays
        erase(session, gone)
        session.flush()
        assert session.get(ExportForecast, (gone, DAY)) is None
        session.rollback()
    with street.community.sessions.begin() as session:
        session.delete(session.get_one(ExportForecast, (gone, DAY)))
    with pytest.raises(SurplusError, match=f"{gone} is in a sum of day {DAY}, and its proof is no longer here"):
        surplus_of(street.community, DAY)
    publisher = SurplusPublisher(street.community)
    publisher.look()
    publisher.look()
    said = [record for record in caplog.records if record.msg == "no surplus hours"]
    assert len(said) == 1, "it is said once"


def test_a_day_that_is_there_stays_as_it_is(street: Street, kept_surplus: Path) -> None:
    shutil.copytree(kept_surplus, street.community.config.api.surplus_dir)
    file = street.community.config.api.surplus_dir / str(DAY) / FILE
    before = file.read_bytes()
    total = street.surplus.export.total
    keep_sums(street, replace(street.surplus, export=replace(street.surplus.export, total=total)))
    SurplusPublisher(street.community).look()
    assert file.read_bytes() == before and json.loads(before)["day"] == DAY
