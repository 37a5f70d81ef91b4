"""A household's meter is replaced: each signed day counts by the meter that was there on that day, and by no other.

The proofs are of the commitments, which stay: what the other meter signs is a commitment that it did not make.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from api.audit.day import audit
from api.audit.source import ChainRegistries, Registries
from api.http import admission
from api.operator.database.members import meters_of
from api.operator.database.tables import AssignedMeter
from api.operator.paid_claims import kept_claim
from api.operator.settlement import Settlement
from api.protocol.bundle import ClaimBundle, GreenBundle, InferenceBundle, encode, examine, parse
from api.protocol.bundle_parts import HistoryDayPart, SignedDayPart, from_hex, to_hex
from api.protocol.meters import Assignment
from data.meter import DOMAIN, TYPES
from tests.api.conftest import DAY, Village
from tests.api.http.test_forecasts import refusal, registered, submit
from zkp.errors import MalformedProof

SINCE = DAY - 3
KEY = b"\x5a" * 32
NEW = str(Account.from_key(KEY).address)
_P = TypeVar("_P", SignedDayPart, HistoryDayPart)
Forged = Callable[[InferenceBundle], InferenceBundle]


def signed_anew(part: _P, household: str, meter: str | None = None) -> _P:
    """A day whose commitment the new meter signs. `meter`: as the part names it."""
    content = {"household": household, "day": part.day, "commitment": from_hex(part.commitment)}
    signature = Account.sign_message(encode_typed_data(DOMAIN, TYPES["load"], content), KEY).signature
    return part.model_copy(update={"signature": to_hex(bytes(signature)), "meter": meter})


def replaced(bundle: InferenceBundle, since: int = SINCE) -> InferenceBundle:
    """The week as two meters have signed it, the new one from a day on."""
    old = bundle.meter
    history = [
        signed_anew(part, bundle.household) if part.day >= since else part.model_copy(update={"meter": old})
        for part in bundle.history
    ]
    return bundle.model_copy(update={"meter": NEW, "history": history})


def assign(village: Village, since: int = SINCE) -> None:
    """As the registry has it: the old meter, and from a day on the new one."""
    home = village.homes[0]
    with village.community.sessions.begin() as session:
        for first_day, meter in ((0, home.meter.address), (since, NEW)):
            session.merge(AssignedMeter(household=home.wallet.address, first_day=first_day, meter=meter))


def test_a_week_that_two_meters_have_signed_is_taken_and_says_so(village_on: Village) -> None:
    home = village_on.homes[0]
    assign(village_on)
    bundle = replaced(village_on.bundle(home))
    assert submit(village_on, bundle, home).status_code == 201
    assert registered(village_on, home).hex() == bundle.forecast[2:]
    download = village_on.client.get(f"/forecasts/{home.wallet.address}/{DAY}/proof")
    assert parse(download.content) == bundle
    signed, *_ = examine(bundle)
    assert not signed.is_bad and signed.what.startswith(
        f"Signed by meters {home.meter.address} and {NEW}: the 7 days"
    )
    (told,) = [h for h in village_on.client.get("/households").json() if h["address"] == home.wallet.address]
    assert [one["first_day"] for one in told["meters"]] == [0, SINCE] and told["meters"][1]["meter"] == NEW


def test_a_week_of_one_meter_is_written_as_before(village: Village) -> None:
    assert b'"meter":"' in (data := encode(village.bundle(village.homes[0]))) and data.count(b'"meter"') == 1


FORGERIES: dict[str, tuple[Forged, str]] = {
    "the old meter's days go on": (lambda b: b, f"on day {SINCE}"),
    "the old meter signs one day more": (lambda b: replaced(b, SINCE + 1), f"on day {SINCE}"),
    "the new meter signs a day before": (lambda b: replaced(b, SINCE - 1), f"on day {SINCE - 1}"),
    "the new meter signs all days": (lambda b: replaced(b, 0), f"on day {DAY - 7}"),
}


@pytest.mark.parametrize("forged", FORGERIES)
def test_a_meter_counts_on_none_of_the_other_ones_days(village_on: Village, forged: str) -> None:
    home = village_on.homes[0]
    assign(village_on)
    forge, where = FORGERIES[forged]
    answer = submit(village_on, forge(village_on.bundle(home)), home)
    assert refusal(answer) == (422, "wrong-meter") and where in answer.json()["message"]
    assert registered(village_on, home) == b""


def test_a_day_that_names_the_right_meter_has_to_be_signed_by_it(village: Village) -> None:
    home = village.homes[0]
    assign(village)
    bundle = village.bundle(home)
    named = [
        part if part.day >= SINCE else part.model_copy(update={"meter": bundle.meter}) for part in bundle.history
    ]
    lie = bundle.model_copy(update={"meter": NEW, "history": named})  # the old meter's signatures under the new name
    assert refusal(submit(village, lie, home)) == (422, "wrong-meter")
    assert registered(village, home) == b""


def test_a_bundle_has_one_spelling(village: Village) -> None:
    home = village.homes[0]
    assign(village)
    bundle = replaced(village.bundle(home))
    repeated = [part.model_copy(update={"meter": part.meter or NEW}) for part in bundle.history]
    assert refusal(submit(village, bundle.model_copy(update={"history": repeated}), home)) == (
        422,
        "invalid-statement",
    )
    with pytest.raises(MalformedProof, match="canonical"):
        parse(encode(bundle).replace(b'"signature"', b'"meter":null,"signature"', 1))


@pytest.fixture
def exchanged(village: Village) -> Village:
    """The meter authority assigns another meter from the day on, while the server runs."""
    registry = village.chain_session.contracts.forecast_registry.functions
    household = village.homes[0].wallet.address
    village.chain_session.chain.send(village.community.operator, registry.assign_meter(household, NEW, DAY))
    Settlement(village.community, village.chain_session).look()
    with village.community.sessions() as session:
        known = meters_of(session, household)
    assert known == (Assignment(0, village.homes[0].meter.address), Assignment(DAY, NEW))
    return village


def answered(village: Village, path: str) -> bytes | None:
    """What an auditor is told."""
    answer = village.client.get(path if path == "/health" else f"/v1{path}")
    return answer.content if answer.is_success else None


@pytest.mark.slow
def test_claim_and_green_share_of_the_new_meters_first_day_are_taken_and_hold_in_an_audit(
    exchanged: Village, green_hours: tuple[int, ...], claim: ClaimBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    village, household = exchanged, claim.household
    past = [part.model_copy(update={"meter": claim.meter}) for part in claim.benchmarks]
    actual = signed_anew(claim.actual, household)
    mixed = claim.model_copy(update={"meter": NEW, "actual": actual, "benchmarks": past})
    forgeries = claim, mixed.model_copy(update={"benchmarks": [signed_anew(p, household) for p in past]})
    for forged in forgeries:
        assert refusal(village.client.post("/claims", content=encode(forged))) == (422, "wrong-meter")
    monkeypatch.setattr(admission, "_check_household", lambda *_: None)
    for forged in forgeries:  # the contract looks by itself, whatever the server does
        assert refusal(village.client.post("/claims", content=encode(forged))) == (422, "wrong-meter")
    monkeypatch.undo()
    assert village.client.post("/claims", content=encode(mixed)).status_code == 201
    assert kept_claim(village.community, household, DAY) == encode(mixed)

    share = village.community.opened(village.homes[0]).green_share(DAY, green_hours)
    assert isinstance(share, GreenBundle)
    assert refusal(village.client.post("/v1/green-shares", content=encode(share))) == (422, "wrong-meter")
    by_new = share.model_copy(update={"meter": NEW, "actual": signed_anew(share.actual, household)})
    assert village.client.post("/v1/green-shares", content=encode(by_new)).status_code == 201

    on_chain: Registries = ChainRegistries(village.chain_session.contracts)
    for registries in (None, on_chain):
        found = list(audit(lambda path: answered(village, path), DAY, "Test village", registries))
        assert not [f for f in found if f.kind == "failed"]
        told = " ".join(f.what for f in found)  # (nobody has opened this day's totals)
        assert "1 of 1 claims match" in told and "1 of 1 green shares match" in told
