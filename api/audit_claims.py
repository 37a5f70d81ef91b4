"""An auditor's check of a day's paid claims: each skill proof, and that it is about what was registered."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from eth_hash.auto import keccak

from api.audit_bundles import Objection, agreeing, check_bound, downloaded, proven
from api.audit_source import Fetch, Registries, read
from api.bundle import ClaimBundle, Finding, from_hex, to_hex
from api.routes.claims import ClaimPublic


def audit_claims(fetch: Fetch, day: int, community: str, records: Registries) -> Iterator[Finding]:
    """Findings about the day's claims; none where the server lists none. Raises AuditError.

    `community`: the identifier in hexadecimal that every proof must be bound to.
    """
    listed = {claim.household: claim for claim in read(fetch, f"/claims/{day}", list[ClaimPublic]) or []}
    if not listed:
        return
    found = yield from downloaded(fetch, "claims", day, listed, ClaimBundle)
    bundles, held = yield from proven(found)
    yield Finding(f"{held} proofs of skill hold, with their meters' signatures.")
    good = yield from agreeing(
        "claim", {h: partial(_check, b, listed[h], day, community, records) for h, b in bundles.items()}
    )
    yield Finding(f"{good} claims are of this day's registered forecasts, and were paid.")


def _check(bundle: ClaimBundle, listed: ClaimPublic, day: int, community: str, records: Registries) -> None:
    context, household = bundle.context, listed.household
    check_bound(bundle, household, day, community, records.meter_of(household))
    commitment, round_number, _ = records.forecast_of(household, day)
    if (commitment, round_number) != (from_hex(bundle.forecast), context.round):
        raise Objection("the registered forecast or its round is another one")
    if (listed.tier, listed.proof_hash) != (bundle.tier, to_hex(keccak(from_hex(bundle.proof)))):
        raise Objection("the server tells of another tier or proof")
    if not records.was_paid(household, day):
        raise Objection("the chain has paid no claim of that day")
