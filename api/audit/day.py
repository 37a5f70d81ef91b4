"""An auditor's check of a whole day: every proof in one batch, paid claims, green shares, totals, calibration.

Everything needed can be downloaded. The server can withhold, not forge: its answers are checked here, against the
chain's registries if the auditor has a node, otherwise against the server's own lists (the last finding says so).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from eth_hash.auto import keccak
from eth_utils.address import is_checksum_address

from api.audit.bundles import Objection, agreeing, check_bound, counted, downloaded, finding, proven, withheld
from api.audit.claims import audit_claims
from api.audit.green import audit_green
from api.audit.source import AuditError, Fetch, Paid, Registries, days_there_are, read, read_all
from api.config.settings import CommunitySettings
from api.protocol import calls
from api.protocol.bundle import InferenceBundle
from api.protocol.bundle_parts import from_hex, to_hex
from api.protocol.calibration import LONGEST_HOLE, PastDay, calibrated
from api.protocol.finding import Finding
from api.protocol.meters import Assignment, Meters, meter_on
from api.protocol.schemas import (
    BandPublic,
    CalibratedPublic,
    CalibrationInputs,
    DayForecast,
    DayMeasured,
    ForecastPublic,
    HouseholdPublic,
)
from data.day import LAST_DAY
from data.meter import SignedDay, verify_signed_day
from rewards.signing import NO_HEAD
from zkp.statements.total import Total, verify, verify_measured

_MEASURED_DAYS = 3  # a day starts at the community's UTC hour, ends a day later, and its sum takes a day at most
_ROUNDING_WH = 1  # the last digit of a floating-point solution may differ between machines


@dataclass(frozen=True)
class ServerRegistries:
    """The server's own lists, in place of the chain's."""

    source = "in the server's own lists"

    meters: Meters
    digests: dict[int, str]
    forecasts: dict[str, ForecastPublic]

    def meter_of(self, household: str) -> str:
        return self.meter_at(household, LAST_DAY)

    def meter_at(self, household: str, day: int) -> str:
        return meter_on(self.meters, household, day) or "0x" + "00" * 20

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

    def registered_on(self, day: int) -> frozenset[str] | None:
        """Unknown: the server may leave some out."""
        return None

    def rewarded_on(self, day: int) -> Paid | None:
        """Unknown: the server may leave some out."""
        return None

    def green_hours_of(self, day: int) -> tuple[int, ...] | None:
        """Unknown: the server may have changed them."""
        return None

    def greens_on(self, day: int) -> Paid | None:
        """Unknown: the server may leave some out."""
        return None


def audit(
    fetch: Fetch, day: int, community: str, registries: Registries | None = None, now: float | None = None
) -> Iterator[Finding]:
    """Check a day's records; yields each finding as it is made. Raises AuditError if they cannot be obtained.

    Args:
        community: the name that every proof must be bound to.
        registries: the chain's; without them the server's own lists are used instead.
        now: UTC seconds; what should be there once the day is over depends on it. This machine's time by default.
    """
    listed = read_all(fetch, calls.forecasts(day)) or []
    enrolled = read_all(fetch, calls.households()) or []
    records = registries or _server_registries(fetch, listed, enrolled)
    registered = records.registered_on(day)
    if not listed and not registered:
        nor = ", nor has the chain" if registries else ""
        raise AuditError(f"the server has no forecasts of day {day}{nor}; {days_there_are(fetch)}")
    households = [f.household for f in listed]
    yield from _left_out(day, registered, households, records)
    if registered is None:
        yield from withheld(fetch, "forecasts", day, [h.address for h in enrolled], households)
    found = yield from downloaded(fetch, "forecasts", day, households, InferenceBundle)
    bundles = yield from proven(found)
    yield counted(
        len(bundles), len(listed), "forecasts have a valid proof, on days signed by the meter.",
        "forecasts have no valid proof on days signed by the meter",
    )  # fmt: skip
    identifier = to_hex(CommunitySettings(name=community).identifier)
    yield from _about_bundles(bundles, day, identifier, records)
    yield from audit_claims(fetch, day, identifier, records, households)
    yield from audit_green(fetch, day, identifier, records, households)
    yield from _totals(fetch, day, bundles, records, time.time() if now is None else now)


def _left_out(
    day: int, registered: frozenset[str] | None, listed: Sequence[str], records: Registries
) -> Iterator[Finding]:
    """What the chain has registered and the server does not list."""
    if registered is None:
        return
    absent = sorted(registered - set(listed))
    for household in absent:
        if int(records.meter_of(household), 16) == 0:
            yield Finding.noted(f"{household} has left the community since, and its forecast is no longer listed.")
        else:
            yield Finding.missing(
                f"{household}: missing in the server's list of the forecasts",
                f"the household registered one for day {day} on the chain",
            )
    if registered and not absent:
        yield Finding(f"The server lists all {len(registered)} forecasts that are registered on the chain.")


def _totals(
    fetch: Fetch, day: int, bundles: dict[str, InferenceBundle], records: Registries, now: float
) -> Iterator[Finding]:
    """The opened totals, forecast and measured, and the calibrated forecast."""
    measured = read(fetch, calls.day_measured(day))
    if measured is None:
        yield _unmeasured(day, now)
    forecast = read(fetch, calls.day_forecast(day))
    if forecast is None:
        yield Finding.missing(f"The community's forecast of day {day} is missing", "the server has none")
        return
    known = {household: from_hex(bundle.forecast) for household, bundle in bundles.items()}
    yield finding(
        f"The community's forecast is the sum of {len(forecast.households)} of these commitments.",
        "The community's forecast is NOT the sum of these commitments",
        lambda: _check_forecast(forecast, day, known),
    )
    if measured is not None:
        yield finding(
            "The measured total is the sum of what the same households' meters signed.",
            "The measured total is NOT the sum of what the same households' meters signed",
            lambda: _check_measured(measured, day, set(forecast.households), records),
        )
    if forecast.calibrated is not None:
        yield _calibration(fetch, forecast, {b.weights.horizon for b in bundles.values()}, records)
    else:
        yield Finding.noted(f"There is no calibrated forecast: {forecast.not_calibrated}.")


def _unmeasured(day: int, now: float) -> Finding:
    if now < (day + _MEASURED_DAYS) * 86_400:
        return Finding.noted(f"The measured total of day {day} is not open yet: the day has just ended, or has not.")
    return Finding.missing(
        f"The measured total of day {day} is missing",
        "the day ended long ago; either its gateways never finished the sum, or the server withholds it",
    )


def _server_registries(
    fetch: Fetch, listed: list[ForecastPublic], enrolled: list[HouseholdPublic]
) -> ServerRegistries:
    rounds = read_all(fetch, calls.rounds()) or []
    return ServerRegistries(
        {h.address: tuple(Assignment(m.first_day, m.meter) for m in h.meters) or h.meter for h in enrolled},
        {r.number: r.digest for r in rounds},
        {f.household: f for f in listed},
    )


def _about_bundles(
    bundles: dict[str, InferenceBundle], day: int, community: str, records: Registries
) -> Iterator[Finding]:
    """Whether the proofs are about this day, these households, the registered model, and the same weather."""
    features = {keccak(repr((b.steps, b.exogenous)).encode()) for b in bundles.values()}
    if len(features) == 1:
        yield Finding("All proofs use the same weather and calendar.")
    elif features:
        yield Finding.failed(
            "The proofs use different weather or calendars", f"there are {len(features)} different ones"
        )
    good = yield from agreeing(
        "proof", {h: partial(_check_registered, h, b, day, community, records) for h, b in bundles.items()}
    )
    yield counted(
        good, len(bundles),
        f"forecasts match this community, day and registration {records.source}: meter, model, head, commitment.",
        f"forecasts do not match this community, day or registration {records.source}",
    )  # fmt: skip


def _check_registered(household: str, bundle: InferenceBundle, day: int, community: str, records: Registries) -> None:
    context = bundle.context
    check_bound(bundle, household, day, community, records.meter_at)
    if records.digest_of(context.round) != bundle.weights.parsed().digest():
        raise Objection(f"the proof's weights are not those registered for round {context.round}")
    if records.forecast_of(household, day) != (from_hex(bundle.forecast), context.round, bundle.proof_hash):
        raise Objection("the registered forecast, round or proof is a different one")
    if records.head_in_force(household, context.round, day) != bundle.head_digest:
        raise Objection("the proof is not made with the personal head that the household has pinned")


def _check_forecast(forecast: DayForecast, day: int, commitments: dict[str, bytes]) -> None:
    _check_day(forecast, day)
    households = set(forecast.households)
    if not households or len(households) != len(forecast.households):
        raise Objection("a total must list households, each of them once")
    if missing := households - commitments.keys():
        raise Objection(f"no valid proof was found for {', '.join(sorted(missing))}")
    verify(
        [commitments[h] for h in forecast.households],
        _total([*forecast.typical_wh, *forecast.values_wh], forecast.blinding),
    )


def _check_day(answer: DayForecast | DayMeasured | CalibrationInputs, day: int) -> None:
    if answer.day != day:
        raise Objection(f"what the server gives as day {day} is of another day, {answer.day}")


def _check_measured(measured: DayMeasured, day: int, households: set[str], records: Registries) -> None:
    _check_day(measured, day)
    signed = [SignedDay.from_json(s.model_dump()) for s in measured.signed_days]
    if [s.day for s in signed] != [day] * len(households) or {s.household for s in signed} != households:
        raise Objection("the signed days are not one of each household in the forecast's total")
    for one in signed:
        verify_signed_day(one, records.meter_at(one.household, day))
    verify_measured(day, [s.commitment for s in signed], _total(measured.values_wh, measured.blinding))


def _total(values: list[int], blinding: str) -> Total:
    try:
        return Total(tuple(values), int(blinding, 16))
    except ValueError:
        raise Objection("the blinding is not a hexadecimal number") from None


def _calibration(fetch: Fetch, forecast: DayForecast, horizons: set[int], records: Registries) -> Finding:
    """`horizons`: of the models that the day's forecasts are proven with."""
    inputs = read(fetch, calls.calibration(forecast.day))
    if inputs is None:
        return Finding.missing(
            "The calibrated forecast can't be repeated", "the server withholds the totals that it is derived from"
        )
    past = [PastDay(p.day, tuple(p.forecast_wh), tuple(p.measured_wh), p.totals == "proven") for p in inputs.past]
    proven = sum(one.proven for one in past)

    def check() -> None:
        _check_day(inputs, forecast.day)
        if horizons - {inputs.horizon_days}:
            raise Objection("the totals are those of another horizon than the proofs")
        _check_all_used(fetch, past, forecast.day - inputs.horizon_days)
        for one in past:
            if one.proven:
                _check_past(fetch, one, records)
        _check_calibrated(forecast, past, inputs.horizon_days)

    return finding(
        f"The calibrated forecast follows from the totals of {len(past)} days: {proven} opened against commitments, "
        f"{len(past) - proven} only computed, which nobody can check.",
        "The calibrated forecast does NOT follow from the totals of past days",
        check,
    )


def _check_all_used(fetch: Fetch, past: Sequence[PastDay], last: int) -> None:
    """No day until `last` whose totals are opened is left out, or only computed: that would choose the errors."""
    days = [one.day for one in past]
    if days != sorted(set(days)):
        raise Objection("the past days are not in their order, each of them once")
    first, used = min(days, default=0) - LONGEST_HOLE - 1, {one.day for one in past if one.proven}
    for day in read_all(fetch, calls.days()) or []:
        if first <= day <= last and day not in used and _is_opened(fetch, day):
            raise Objection(f"the totals of day {day} are opened, and are not among those that it is derived from")


def _is_opened(fetch: Fetch, day: int) -> bool:
    """Whether the server opens both totals of a day, of the same households; not by an older release."""
    forecast, measured = read(fetch, calls.day_forecast(day)), read(fetch, calls.day_measured(day))
    if forecast is None or measured is None or not forecast.typical_wh:
        return False
    return {signed.household for signed in measured.signed_days} == set(forecast.households)


def _check_past(fetch: Fetch, past: PastDay, records: Registries) -> None:
    """A past day's totals open what was registered and signed; its proofs are left to an audit of that day."""
    forecast = read(fetch, calls.day_forecast(past.day))
    measured = read(fetch, calls.day_measured(past.day))
    if forecast is None or measured is None:
        raise Objection(f"the server does not open the totals of day {past.day}")
    if (tuple(forecast.values_wh), tuple(measured.values_wh)) != (past.forecast, past.measured):
        raise Objection(f"the totals of day {past.day} are not those that the server opens")
    listed = read_all(fetch, calls.forecasts(past.day)) or []
    if isinstance(records, ServerRegistries):
        records = ServerRegistries(records.meters, records.digests, {f.household: f for f in listed})
    try:
        if strange := [h for h in forecast.households if not is_checksum_address(h)]:
            raise Objection(f"{strange[0]!r} is not a household's address")
        known = {h: records.forecast_of(h, past.day)[0] for h in forecast.households}
        _check_forecast(forecast, past.day, known)
        _check_measured(measured, past.day, set(forecast.households), records)
    except ValueError as problem:
        raise Objection(f"day {past.day}: {problem}") from None


def _check_calibrated(forecast: DayForecast, past: list[PastDay], horizon: int) -> None:
    stated = forecast.calibrated
    assert stated is not None
    again = CalibratedPublic.of(calibrated(past, forecast.day, forecast.values_wh, horizon))
    for name, (mine, theirs) in {
        "forecast": (again.values_wh, stated.values_wh),
        "50 % band": (_edges(again.band_50), _edges(stated.band_50)),
        "90 % band": (_edges(again.band_90), _edges(stated.band_90)),
    }.items():
        if len(mine) != len(theirs) or np.abs(np.subtract(mine, theirs)).max(initial=0) > _ROUNDING_WH:
            raise Objection(f"the calibrated {name} is a different one")


def _edges(band: BandPublic | None) -> list[int]:
    return [] if band is None else [*band.low_wh, *band.high_wh]
