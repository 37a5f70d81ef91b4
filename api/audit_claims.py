"""An auditor's check of a day's paid claims: each skill proof, and that it is about what was registered."""

from __future__ import annotations

from collections.abc import Iterator

from eth_hash.auto import keccak

from api.audit_bundles import Objection, downloaded, finding, proven
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
    good = 0
    for household, bundle in bundles.items():
        result = finding(
            f"{household}: claim and registries agree.",
            lambda b=bundle, c=listed[household]: _check(b, c, day, community, records),  # type: ignore[misc]
        )
        good += result.problem is None
        if result.problem is not None:
            yield result
    yield Finding(f"{good} of {len(bundles)} claims are of this day's registered forecasts, and were paid.")


def _check(bundle: ClaimBundle, listed: ClaimPublic, day: int, community: str, records: Registries) -> None:
    context, household = bundle.context, bundle.household
    if (household, context.day) != (listed.household, day):
        raise Objection(f"the proof is of {household}'s day {context.day}")
    if context.community != community:
        raise Objection("the proof is bound to another community")
    if records.meter_of(household) != bundle.meter:
        raise Objection(f"the household's meter is {records.meter_of(household)}, the claim's {bundle.meter}")
    commitment, round_number, _ = records.forecast_of(household, day)
    if (commitment, round_number) != (from_hex(bundle.forecast), context.round):
        raise Objection("the registered forecast or its round is another one")
    if (listed.tier, listed.proof_hash) != (bundle.tier, to_hex(keccak(from_hex(bundle.proof)))):
        raise Objection("the server tells of another tier or proof")
    if not records.was_paid(household, day):
        raise Objection("the chain has paid no claim of that day")
