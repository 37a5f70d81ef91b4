"""A day's surplus hours follow from proven forecasts of load and export; neither stands in the other's place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.audit.bundles import Objection, check_bound
from api.audit.surplus import audit_surplus
from api.gateway.own_surplus import SURPLUS, own_surplus
from api.one_machine.community import LocalCommunity
from api.one_machine.surplus import keep, surplus_day
from api.operator.database.tables import CommunityTotal
from api.operator.surplus_days import FILE, SurplusDays, keep_day
from api.protocol import surplus_file
from api.protocol.bundle import InferenceBundle, encode, parse, verify
from api.protocol.bundle_parts import from_hex
from api.protocol.explained import explain
from api.protocol.surplus import ForecastSum, SurplusDay, SurplusError, check, shown, surplus_hours
from data.errors import DamagedFile, DataError, MeterError, TableError
from data.quantity import QUANTITIES
from tests.api.sunny import DAY, Sunny, sunny_config
from zkp.errors import InvalidProof
from zkp.statements import inference
from zkp.statements.total import Total


@pytest.fixture
def surplus(sunny: Sunny) -> SurplusDay:
    return sunny.surplus


def of_export(surplus: SurplusDay) -> InferenceBundle:
    return surplus.export.bundles[0]


def relabelled(bundle: InferenceBundle) -> InferenceBundle:
    """The same proof, said to be of the other quantity."""
    return bundle.model_copy(update={"quantity": None if bundle.quantity else "export"})


def test_both_sums_are_those_of_the_homes_sealed_forecasts(sunny: Sunny, surplus: SurplusDay) -> None:
    for quantity in QUANTITIES:
        sealed = [home.sealed(DAY, quantity) for home in sunny.community.homes]
        means = np.array([one.values[24:] for one in sealed if one is not None]).sum(axis=0)
        assert surplus.of(quantity).hours == tuple(means) and len(surplus.of(quantity).bundles) == 3
    assert surplus.hours == surplus_hours(surplus.load.hours, surplus.export.hours)
    assert 0 < len(surplus.hours) < 24


def test_a_day_is_made_once(sunny: Sunny, surplus: SurplusDay) -> None:
    again = surplus_day(sunny.community, DAY, sunny.models)
    assert (again.load.bundles, again.export.bundles) == (surplus.load.bundles, surplus.export.bundles)
    assert again.export.total == surplus.export.total


def test_the_models_read_what_the_meter_signed_of_their_quantity(sunny: Sunny, surplus: SurplusDay) -> None:
    home = sunny.community.homes[0]
    for quantity in QUANTITIES:
        table = sunny.community.readings_of(quantity)
        own = table[
            (table["unique_id"] == home.name) & np.isin(sunny.community.clock.days_of(table["ds"]), [DAY - 1])
        ]
        _, opening = home.vault_of(quantity).get(home.wallet.address, DAY - 1)
        assert list(opening.readings) == own["y"].to_list()


# -- one quantity in the place of the other ------------------------------------------------------------------------
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_forecast_of_one_quantity_is_none_of_the_other(surplus: SurplusDay, quantity: Any) -> None:
    bundle = surplus.of(quantity).bundles[0]
    verify(bundle)
    with pytest.raises(MeterError, match="signed by"):
        verify(relabelled(bundle))


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_the_proof_itself_binds_the_quantity(surplus: SurplusDay, quantity: Any) -> None:
    """Also where the meter would sign the same week as both."""
    bundle = surplus.of(quantity).bundles[0]
    statement, proof = bundle.statement(), from_hex(bundle.proof)
    inference.verify(statement, proof)
    for other in {"load", "export", "heat"} - {quantity}:
        with pytest.raises(InvalidProof):
            inference.verify(replace(statement, quantity=other), proof)


def test_a_bundle_of_load_is_written_as_before_and_one_of_export_says_so(surplus: SurplusDay) -> None:
    load, export = surplus.load.bundles[0], of_export(surplus)
    assert b"quantity" not in encode(load) and b'"quantity":"export"' in encode(export)
    assert parse(encode(export)) == export and parse(encode(load)) == load
    for content in (b'"quantity":"load"', b'"quantity":null', b'"quantity":"heat"'):
        with pytest.raises(ValueError, match=r"quantity|canonical"):
            parse(encode(export).replace(b'"quantity":"export"', content))
    assert any("of export" in line for line in explain(export))
    assert not any("export" in line for line in explain(load))


def test_an_auditor_takes_no_forecast_of_export_for_the_registered_one(surplus: SurplusDay) -> None:
    bundle = of_export(surplus)
    with pytest.raises(Objection, match="of export, not of load"):
        check_bound(bundle, bundle.household, DAY, bundle.context.community, bundle.meter)


def test_forecasts_of_export_are_not_paid_for(sunny: Sunny) -> None:
    with pytest.raises(DataError, match="only those of load"):
        sunny.community.opened(sunny.community.homes[0], "export").claim(DAY, 1)


# -- whoever changes what a day is made of -------------------------------------------------------------------------
def with_sum(surplus: SurplusDay, quantity: str, **changed: Any) -> SurplusDay:
    return replace(surplus, **{quantity: replace(surplus.of(quantity), **changed)})  # type: ignore[arg-type]


def moved(total: Total) -> Total:
    """A watt-hour from one hour to the next: the day's energy stays."""
    values = list(total.values)
    values[24 + 11], values[24 + 12] = values[24 + 11] - 1, values[24 + 12] + 1
    return replace(total, values=tuple(values))


def larger(total: Total) -> Total:
    return replace(total, values=(*total.values[:-1], total.values[-1] + 1))


def changed_bundle(of: ForecastSum, **changed: Any) -> tuple[InferenceBundle, ...]:
    return (of.bundles[0].model_copy(update=changed), *of.bundles[1:])


Attack = Callable[[SurplusDay], SurplusDay]
ATTACKS: dict[str, tuple[Attack, str]] = {
    "a watt-hour more": (lambda s: with_sum(s, "export", total=larger(s.export.total)), "does not open"),
    "a personal head, which nobody has pinned": (
        lambda s: with_sum(s, "export", bundles=changed_bundle(s.export, personal=["0x" + "c0" + "00" * 47])),
        "made with a personal head: none is pinned",
    ),
    "a watt-hour in another hour": (lambda s: with_sum(s, "export", total=moved(s.export.total)), "does not open"),
    "a home twice": (
        lambda s: with_sum(s, "export", bundles=(*s.export.bundles, s.export.bundles[0])), "twice in"
    ),
    "a home left out": (lambda s: with_sum(s, "load", bundles=s.load.bundles[1:]), "a sum of fewer than 3"),
    "export in the sum of load": (
        lambda s: with_sum(s, "load", bundles=s.export.bundles), "one of export, in the sum of load"
    ),
    "load in the sum of export": (
        lambda s: with_sum(s, "export", bundles=s.load.bundles), "one of load, in the sum of export"
    ),
    "the sums exchanged": (lambda s: replace(s, load=s.export, export=s.load), "in the sum of"),
    "load said to be export": (
        lambda s: with_sum(s, "export", bundles=tuple(map(relabelled, s.load.bundles)), total=s.load.total), "signed"
    ),
    "another day": (lambda s: replace(s, day=DAY + 7), "is of day 17316"),
    "another community": (lambda s: replace(s, community="Cloudy Street"), "NOT bound"),
    "another model": (
        lambda s: with_sum(s, "export", bundles=changed_bundle(s.export, weights=s.load.bundles[0].weights)),
        "another model",
    ),
    "another weather": (
        lambda s: with_sum(s, "export", bundles=changed_bundle(s.export, exogenous=[0] * 33)), "other public features"
    ),
    "another meter": (
        lambda s: with_sum(s, "export", bundles=changed_bundle(s.export, meter=s.export.bundles[1].meter)),
        "one meter in its forecast of load",
    ),
    "another proof": (
        lambda s: with_sum(s, "export", bundles=changed_bundle(s.export, proof=s.export.bundles[1].proof)),
        "NOT valid",
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_named(surplus: SurplusDay, attack: str) -> None:
    check(surplus)
    changed, why = ATTACKS[attack]
    with pytest.raises(SurplusError, match=why):
        check(changed(surplus))


@pytest.mark.process
def test_the_model_of_load_in_the_place_of_exports_is_refused(sunny: Sunny, tmp_path: Path) -> None:
    """Every proof holds, of forecasts of export that the model of load has made."""
    folder = shutil.copytree(sunny.community.folder, tmp_path / "state", symlinks=True)
    shutil.rmtree(folder / "export" / "proofs")
    for sealed in folder.glob("homes/*/export-forecast-*.json"):
        sealed.unlink()
    community, model = LocalCommunity(sunny_config(folder)), sunny.models["load"]
    with pytest.raises(SurplusError, match="one and the same model made the forecasts of load and of export"):
        surplus_day(community, DAY, {"load": model, "export": model})


def test_export_without_the_load_beside_it_is_refused(surplus: SurplusDay) -> None:
    """Its own load would take up a part of what counts as surplus."""
    stranger = surplus.export.bundles[0].model_copy(
        update={"context": surplus.export.bundles[0].context.model_copy(update={"household": "0x" + "12" * 20})}
    )
    bundles = (*surplus.export.bundles, stranger)
    commitments = ForecastSum(bundles, surplus.export.total)
    with pytest.raises(SurplusError, match="does not open"):
        check(replace(surplus, export=commitments))
    fewer = with_sum(surplus, "load", bundles=(*surplus.load.bundles[1:], stranger.model_copy(update={
        "quantity": None, **{name: getattr(surplus.load.bundles[0], name) for name in (
            "weights", "steps", "exogenous", "forecast", "history", "proof")}
    })))  # fmt: skip
    with pytest.raises(SurplusError, match="its load is not in that of load"):
        check(fewer)


# -- the file -----------------------------------------------------------------------------------------------------
def test_the_file_is_audited_from_outside(surplus: SurplusDay) -> None:
    data = surplus_file.written(surplus)
    assert surplus_file.read(data) == surplus
    findings = list(audit_surplus(data))
    assert not any(finding.is_bad for finding in findings)
    assert "3 forecasts of load and 3 of export are proven" in findings[0].what


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: c.update(hours=c["hours"][1:]), "do not follow"),
        (lambda c: c.update(day=DAY + 1), "is of day"),
        (lambda c: c["export"].update(blinding="0x" + "00" * 32), "does not open"),
        (lambda c: c["export"]["values_wh"].pop(), "export.values_wh"),
        (lambda c: c.update(more=1), "more"),
        (lambda c: c["load"]["forecasts"].clear(), "load.forecasts"),
        (lambda c: c["load"]["forecasts"][0].pop("proof"), "proof"),
    ],
)
def test_a_changed_file_is_no_surplus(
    surplus: SurplusDay, change: Callable[[dict[str, Any]], None], why: str
) -> None:
    content = json.loads(surplus_file.written(surplus))
    change(content)
    (finding,) = audit_surplus(json.dumps(content).encode())
    assert finding.is_bad and why in (finding.problem or "")


def test_a_day_is_kept_for_the_server_and_every_home(sunny: Sunny, surplus: SurplusDay) -> None:
    community = sunny.community
    keep(community, surplus)
    days = SurplusDays(community.config.api.surplus_dir, community.clock)
    told = days.of(DAY)
    assert told == shown(surplus, community.clock) and days.days() == [DAY]
    assert told is not None and sorted(told.best_hours) == told.hours == list(surplus.hours)
    left = [told.export_wh[hour] - told.load_wh[hour] for hour in told.best_hours]
    assert left == sorted(left, reverse=True) and left[-1] > 0
    for home in community.homes:
        assert own_surplus(home.folder) == told
    (path,) = {path for path in [days.file(DAY)] if path is not None}
    assert {file.name for file in path.parent.iterdir()} == {FILE, "surplus.png", "surplus-dark.png"}
    for damaged in ("{", "", path.read_text().replace('"day": 17316', '"day": 17309')):
        (path.parent.with_name("17315")).mkdir(exist_ok=True)
        (path.parent.with_name("17315") / FILE).write_text(damaged)
        with pytest.raises(DamagedFile, match="17315"):
            days.of(DAY - 1)
    shutil.rmtree(path.parent.with_name("17315"))
    (community.homes[0].folder / SURPLUS).write_text("{")
    with pytest.raises(DamagedFile, match="surplus hours"):
        own_surplus(community.homes[0].folder)
    shutil.rmtree(community.config.api.surplus_dir)


# -- homes without export -----------------------------------------------------------------------------------------
def test_readings_without_export_have_no_surplus_hours(tmp_path: Path) -> None:
    community = LocalCommunity(sunny_config(tmp_path, pv=False))
    with pytest.raises(TableError, match="no column export"):
        community.readings_of("export")


def total_of(surplus: SurplusDay, households: list[str]) -> CommunityTotal:
    total = surplus.load.total
    return CommunityTotal(day=DAY, values=list(total.values), blinding=hex(total.blinding), households=households)


def test_the_opened_total_of_load_is_the_sum_of_load(sunny: Sunny, surplus: SurplusDay) -> None:
    """A second sum, of other homes, would show the difference: a home's own forecast."""
    exporting = {"export": sunny.models["export"]}
    with pytest.raises(SurplusError, match="run `wattproof forecast 17316` first"):
        surplus_day(sunny.community, DAY, exporting)
    for households, why in ((surplus.load.households, ""), (["0x" + "12" * 20], "its proof is not here")):
        with sunny.community.sessions.begin() as database:
            database.merge(total_of(surplus, households))
        if why:
            with pytest.raises(SurplusError, match=why):
                surplus_day(sunny.community, DAY, exporting)
        else:
            assert surplus_day(sunny.community, DAY, exporting).load == surplus.load
    with sunny.community.sessions.begin() as database:
        database.delete(database.get(CommunityTotal, DAY))
    assert all(home.sealed(DAY + 1) is None for home in sunny.community.homes)


def test_a_kept_day_is_not_opened_again_for_other_homes(sunny: Sunny, surplus: SurplusDay) -> None:
    folder = sunny.community.config.api.surplus_dir
    keep_day(folder, surplus, sunny.community.clock)
    assert surplus_day(without_export(sunny, "home-01"), DAY, sunny.models) == surplus
    (folder / str(DAY) / FILE).write_text("{")
    with pytest.raises(DamagedFile, match=r"Restore it from your backup\b(?!.*move it away)"):
        surplus_day(sunny.community, DAY, sunny.models)
    shutil.rmtree(folder)


def without_export(sunny: Sunny, home: str) -> LocalCommunity:
    """The street, with a home whose meter has no other register."""
    community = LocalCommunity(sunny.community.config)
    table = community.readings.copy()
    table.loc[table["unique_id"] == home, "export"] = None
    community.__dict__["_data"] = replace(sunny.community._data, readings=table)
    return community


def test_too_few_homes_with_export_open_no_sum(sunny: Sunny) -> None:
    with pytest.raises(SurplusError, match="2 forecasts of export"):
        surplus_day(without_export(sunny, "home-01"), DAY, sunny.models)
