"""An auditor's check of a day's paid claims: each skill proof, its statement, and whether all are listed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from eth_hash.auto import keccak

from api.audit.bundles import Objection, agreeing, check_bound, counted, downloaded, proven, withheld
from api.audit.source import Fetch, Registries, read_all
from api.protocol import calls
from api.protocol.bundle import ClaimBundle
from api.protocol.bundle_parts import from_hex, to_hex
from api.protocol.finding import Finding
from api.protocol.schemas import ClaimPublic


def audit_claims(
    fetch: Fetch, day: int, community: str, records: Registries, households: Iterable[str]
) -> Iterator[Finding]:
    """Findings about the day's claims. Raises AuditError.

    `community`: the identifier in hexadecimal that every proof must be bound to. `households`: those that may have
    claims.
    """
    answer = read_all(fetch, calls.claims(day))
    listed = {claim.household: claim for claim in answer or []}
    paid = records.rewarded_on(day)
    if paid is not None:
        yield from _left_out(day, paid, listed)
    else:
        if answer is None:
            yield Finding.missing(f"The claims of day {day} are missing", "the server has no list of them")
        yield from withheld(fetch, "claims", day, households, listed)
    if not listed:
        if not paid:
            known = "and the chain has paid none" if paid is not None else "which only the chain can confirm"
            yield Finding.noted(f"The server lists no paid claim of day {day}, {known}.")
        return
    found = yield from downloaded(fetch, "claims", day, listed, ClaimBundle)
    bundles = yield from proven(found)
    yield counted(
        len(bundles), len(listed), "claims have a valid proof of skill, on days signed by the meter.",
        "claims have no valid proof of skill on days signed by the meter",
    )  # fmt: skip
    good = yield from agreeing(
        "claim", {h: partial(_check, b, listed[h], day, community, records) for h, b in bundles.items()}
    )
    yield counted(
        good, len(bundles), f"claims match the day's registered forecasts and rewards {records.source}.",
        f"claims do not match the day's registered forecasts and rewards {records.source}",
    )  # fmt: skip


def _left_out(day: int, paid: Iterable[str], listed: Iterable[str]) -> Iterator[Finding]:
    for household in sorted(set(paid) - set(listed)):
        yield Finding.missing(
            f"{household}: missing in the server's list of the claims",
            f"the chain has paid this household for day {day}",
        )


def _check(bundle: ClaimBundle, listed: ClaimPublic, day: int, community: str, records: Registries) -> None:
    context, household = bundle.context, listed.household
    check_bound(bundle, household, day, community, records.meter_at)
    commitment, round_number, _ = records.forecast_of(household, day)
    if (commitment, round_number) != (from_hex(bundle.forecast), context.round):
        raise Objection("the registered forecast or round is a different one")
    digest = keccak(from_hex(bundle.proof))
    if (listed.buckets, listed.proof_hash) != (bundle.buckets, to_hex(digest)):
        raise Objection("the server reports another number of buckets or proof")
    paid = records.rewarded_on(day)
    if paid is not None and paid.get(household) != (bundle.buckets, digest):
        raise Objection(
            "the chain has paid no claim of that day"
            if household not in paid
            else "the chain has paid for another number of buckets or proof"
        )
