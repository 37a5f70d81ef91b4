"""An auditor's check of a whole day: every proof in one batch, paid claims, both totals, the calibrated forecast.

All that is needed can be downloaded. The server can withhold, not forge: what it says is checked here, against the
chain's registries where the auditor has a node, against the server's own lists where not (the last finding says so).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from eth_hash.auto import keccak
from eth_utils.address import is_checksum_address

from api.audit_bundles import Objection, agreeing, check_bound, downloaded, finding, proven
from api.audit_claims import audit_claims
from api.audit_source import AuditError, Fetch, Registries, read
from api.bundle import Finding, InferenceBundle, from_hex, to_hex
from api.calibrated import PastDay, calibrated
from api.routes.days import BandPublic, CalibratedPublic, CalibrationInputs, DayForecast, DayMeasured
from api.routes.forecasts import ForecastPublic
from api.routes.households import HouseholdPublic
from api.routes.rounds import RoundPublic
from api.settings import CommunitySettings
from data.meter import SignedDay, verify_signed_day
from rewards.signing import NO_HEAD
from zkp.statements.total import Total, verify, verify_measured

_ROUNDING_WH = 1  # the last digit of a floating-point solution may differ between machines


@dataclass(frozen=True)
class ServerRegistries:
    """The server's own lists, in place of the chain's."""

    meters: dict[str, str]
    digests: dict[int, str]
    forecasts: dict[str, ForecastPublic]

    def meter_of(self, household: str) -> str:
        return self.meters.get(household, "0x" + "00" * 20)

    def digest_of(self, round_number: int) -> bytes:
        return from_hex(self.digests.get(round_number, "0x" + "00" * 32))

    def forecast_of(self, household: str, day: int) -> tuple[bytes, int, bytes]:
        known = self.forecasts.get(household)
        if known is None or known.day != day:
            return b"", 0, bytes(32)
        return from_hex(known.commitment), known.round, from_hex(known.proof_hash)

    def head_in_force(self, household: str, round_number: int, day: int) -> bytes:
        known = self.forecasts.get(household)
        return NO_HEAD if known is None else from_hex(known.head)

    def was_paid(self, household: str, day: int) -> bool:
        """The server lists no other claims."""
        return True


def audit(fetch: Fetch, day: int, community: str, registries: Registries | None = None) -> Iterator[Finding]:
    """Check a day's records; each finding as it is made. Raises AuditError where they can't be had.

    `community`: the name that every proof must be bound to.
    """
    listed = read(fetch, f"/forecasts/{day}", list[ForecastPublic])
    if not listed:
        raise AuditError(f"the server has no forecasts of day {day}")
    records = registries or _server_registries(fetch, listed)
    found = yield from downloaded(fetch, "forecasts", day, [f.household for f in listed], InferenceBundle)
    bundles, held = yield from proven(found)
    yield Finding(f"{held} proofs hold, with their meters' signatures.")
    identifier = to_hex(CommunitySettings(name=community).identifier)
    yield from _about_bundles(bundles, day, identifier, records)
    yield from audit_claims(fetch, day, identifier, records)
    forecast = read(fetch, f"/days/{day}/forecast", DayForecast)
    if forecast is None:
        yield Finding(f"The community's total of day {day}.", "the server has none")
        return
    known = {household: from_hex(bundle.forecast) for household, bundle in bundles.items()}
    yield finding(
        f"The community's forecast is the sum of {len(forecast.households)} of these commitments.",
        lambda: _check_forecast(forecast, known),
    )
    measured = read(fetch, f"/days/{day}/measured", DayMeasured)
    if measured is not None:
        yield finding(
            "The measured total is the sum of what the same households' meters signed.",
            lambda: _check_measured(measured, day, set(forecast.households), records),
        )
    if forecast.calibrated is not None:
        yield _calibration(fetch, forecast, records)
    else:
        yield Finding(f"There is no calibrated forecast: {forecast.not_calibrated}.")


def _server_registries(fetch: Fetch, listed: list[ForecastPublic]) -> ServerRegistries:
    households = read(fetch, "/households", list[HouseholdPublic]) or []
    rounds = read(fetch, "/rounds", list[RoundPublic]) or []
    return ServerRegistries(
        {h.address: h.meter for h in households},
        {r.number: r.digest for r in rounds},
        {f.household: f for f in listed},
    )


def _about_bundles(
    bundles: dict[str, InferenceBundle], day: int, community: str, records: Registries
) -> Iterator[Finding]:
    """Whether the proofs speak of this day, these households, the registered model, one and the same weather."""
    features = {keccak(repr((b.steps, b.exogenous)).encode()) for b in bundles.values()}
    if len(features) > 1:
        yield Finding("All homes saw the same weather and calendar.", f"there are {len(features)} different ones")
    good = yield from agreeing(
        "proof", {h: partial(_check_registered, h, b, day, community, records) for h, b in bundles.items()}
    )
    yield Finding(f"{good} are of this community and day, and as registered: meter, model, head, forecast.")


def _check_registered(household: str, bundle: InferenceBundle, day: int, community: str, records: Registries) -> None:
    context = bundle.context
    check_bound(bundle, household, day, community, records.meter_of(household))
    if records.digest_of(context.round) != bundle.weights.parsed().digest():
        raise Objection(f"the proof's weights are not those registered for round {context.round}")
    if records.forecast_of(household, day) != (from_hex(bundle.forecast), context.round, bundle.proof_hash):
        raise Objection("the registered forecast, round or proof is another one")
    if records.head_in_force(household, context.round, day) != bundle.head_digest:
        raise Objection("the proof is not made with the personal head that the household has pinned")


def _check_forecast(forecast: DayForecast, commitments: dict[str, bytes]) -> None:
    households = set(forecast.households)
    if not households or len(households) != len(forecast.households):
        raise Objection("a total is of households, each of them once")
    if missing := households - commitments.keys():
        raise Objection(f"no proof that holds was found of {', '.join(sorted(missing))}")
    verify([commitments[h] for h in forecast.households], _total(forecast.values_wh, forecast.blinding))


def _check_measured(measured: DayMeasured, day: int, households: set[str], records: Registries) -> None:
    signed = [SignedDay.from_json(s.model_dump()) for s in measured.signed_days]
    if [s.day for s in signed] != [day] * len(households) or {s.household for s in signed} != households:
        raise Objection("the signed days are not one of each household in the forecast's total")
    for one in signed:
        verify_signed_day(one, records.meter_of(one.household))
    verify_measured(day, [s.commitment for s in signed], _total(measured.values_wh, measured.blinding))


def _total(values: list[int], blinding: str) -> Total:
    try:
        return Total(tuple(values), int(blinding, 16))
    except ValueError:
        raise Objection("the blinding is not a hexadecimal number") from None


def _calibration(fetch: Fetch, forecast: DayForecast, records: Registries) -> Finding:
    inputs = read(fetch, f"/days/{forecast.day}/calibration", CalibrationInputs)
    if inputs is None:
        return Finding("The calibrated forecast can be repeated.", "the server withholds what it follows from")
    past = [PastDay(p.day, tuple(p.forecast_wh), tuple(p.measured_wh), p.totals == "proven") for p in inputs.past]
    proven = sum(one.proven for one in past)

    def check() -> None:
        for one in past:
            if one.proven:
                _check_past(fetch, one, records)
        _check_calibrated(forecast, past)

    return finding(
        f"The calibrated forecast follows from the totals of {len(past)} days: {proven} opened against commitments, "
        f"{len(past) - proven} only computed, which nobody can check.",
        check,
    )


def _check_past(fetch: Fetch, past: PastDay, records: Registries) -> None:
    """A past day's totals open what was registered and signed; its proofs are another audit's matter."""
    forecast = read(fetch, f"/days/{past.day}/forecast", DayForecast)
    measured = read(fetch, f"/days/{past.day}/measured", DayMeasured)
    if forecast is None or measured is None:
        raise Objection(f"the server does not open the totals of day {past.day}")
    if (tuple(forecast.values_wh), tuple(measured.values_wh)) != (past.forecast, past.measured):
        raise Objection(f"the totals of day {past.day} are not those that it opens")
    listed = read(fetch, f"/forecasts/{past.day}", list[ForecastPublic]) or []
    if isinstance(records, ServerRegistries):
        records = ServerRegistries(records.meters, records.digests, {f.household: f for f in listed})
    try:
        if strange := [h for h in forecast.households if not is_checksum_address(h)]:
            raise Objection(f"{strange[0]!r} is not a household's address")
        known = {h: records.forecast_of(h, past.day)[0] for h in forecast.households}
        _check_forecast(forecast, known)
        _check_measured(measured, past.day, set(forecast.households), records)
    except ValueError as problem:
        raise Objection(f"day {past.day}: {problem}") from None


def _check_calibrated(forecast: DayForecast, past: list[PastDay]) -> None:
    told = forecast.calibrated
    assert told is not None
    again = CalibratedPublic.of(calibrated(past, forecast.day, forecast.values_wh))
    for name, (mine, theirs) in {
        "forecast": (again.values_wh, told.values_wh),
        "50 % band": (_edges(again.band_50), _edges(told.band_50)),
        "90 % band": (_edges(again.band_90), _edges(told.band_90)),
    }.items():
        if len(mine) != len(theirs) or np.abs(np.subtract(mine, theirs)).max(initial=0) > _ROUNDING_WH:
            raise Objection(f"the calibrated {name} is another one")


def _edges(band: BandPublic | None) -> list[int]:
    return [] if band is None else [*band.low_wh, *band.high_wh]
