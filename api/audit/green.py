"""An auditor's check of a day's green shares: the hours as registered, each proof, and whether all are listed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from eth_hash.auto import keccak

from api.audit.bundles import Objection, agreeing, check_bound, counted, downloaded, proven, withheld
from api.audit.source import Fetch, Registries, read, read_all
from api.protocol import calls
from api.protocol.bundle import GreenBundle
from api.protocol.bundle_parts import from_hex, to_hex
from api.protocol.finding import Finding
from api.protocol.schemas import GreenSharePublic
from rewards.green_rule import base_of, is_wide

_LISTED = "green-shares"


def audit_green(
    fetch: Fetch, day: int, community: str, records: Registries, households: Iterable[str]
) -> Iterator[Finding]:
    """Findings about the day's green shares; none where the day has no green hours, and nobody says otherwise.

    `community`: the identifier in hexadecimal that every proof must be bound to. `households`: those that may have
    shares. Raises AuditError.
    """
    told, listed = read(fetch, calls.green_hours(day)), read_all(fetch, calls.green_shares(day)) or []
    registered, paid = records.green_hours_of(day), records.greens_on(day)
    weights = None if told is None else tuple(told.weights)
    if weights is None and not registered and not listed and not paid:
        return
    yield _hours(day, weights, registered, records.source)
    shares = {share.household: share for share in listed}
    for household in sorted(set(paid or ()) - set(shares)):
        yield Finding.missing(
            f"{household}: missing in the server's list of the green shares",
            f"the chain has taken its claim for day {day}",
        )
    if paid is None:
        yield from withheld(fetch, _LISTED, day, households, shares)
    if not shares:
        yield Finding.noted(f"The server lists no green share of day {day}.")
        return
    bundles = yield from proven((yield from downloaded(fetch, _LISTED, day, shares, GreenBundle)))
    yield counted(
        len(bundles), len(shares), "green shares have a valid proof, of a day that the meter signed.",
        "green shares have no valid proof of a day that the meter signed",
    )  # fmt: skip
    expected = registered or weights
    good = yield from agreeing("green share", {
        h: partial(_check, b, shares[h], day, community, records, expected) for h, b in bundles.items()
    })  # fmt: skip
    yield counted(
        good, len(bundles), f"green shares match the day's green hours and the claims {records.source}.",
        f"green shares do not match the day's green hours and the claims {records.source}",
    )  # fmt: skip


def _hours(day: int, told: tuple[int, ...] | None, registered: tuple[int, ...] | None, source: str) -> Finding:
    """Whether the hours are those that were registered, which the contract takes before the day starts alone."""
    if registered is not None and told != (registered or None):
        return Finding.failed(
            f"The green hours of day {day} are NOT those registered {source}", "the server reports others"
        )
    if told is None or not is_wide(told):
        return Finding.failed(f"The green hours of day {day} are no day's", "too few hours weigh a quarter or more")
    where = "as registered on the chain before it started" if registered else "as the server says"
    return Finding(f"The green hours of day {day} are {where}: a constant load is {base_of(told)} % green.")


def _check(
    bundle: GreenBundle, listed: GreenSharePublic, day: int, community: str, records: Registries,
    weights: tuple[int, ...] | None,
) -> None:  # fmt: skip
    household = listed.household
    check_bound(bundle, household, day, community, records.meter_at)
    if tuple(bundle.weights) != weights:
        raise Objection("the proof weighs the hours otherwise than they are registered")
    if bundle.tier <= base_of(bundle.weights):
        raise Objection("it is no greener than a load that is the same in every hour")
    digest = keccak(from_hex(bundle.proof))
    if (listed.tier, listed.proof_hash) != (bundle.tier, to_hex(digest)):
        raise Objection("the server reports another percentage or proof")
    paid = records.greens_on(day)
    if paid is not None and paid.get(household) != (bundle.tier, digest):
        raise Objection(
            "the chain has taken no such claim of that day"
            if household not in paid
            else "the chain has taken another percentage or proof"
        )
