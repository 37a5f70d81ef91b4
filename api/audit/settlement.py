"""An auditor's check of a settled period, from its file alone: signatures, totals, every share, conservation.

Whose meters count is all that has to be known from elsewhere: from the chain's registry, or the community's settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from eth_utils.address import is_checksum_address

from api.protocol import settlement_file
from api.protocol.finding import Finding
from api.protocol.meters import Meters, meter_on
from api.protocol.period import FEWEST_HOMES, SIDES, CheckedPeriod, Period, PeriodError, check
from api.protocol.settlement import Settlement, verify_share
from zkp.errors import ProofError

_SIDE = {"import": "of those who took", "export": "of those who fed in"}


def audit_settlement(
    data: bytes,
    meter_at: Callable[[str, int], str] | None = None,
    fewest_days: int = 1,
    root_of: Callable[[int, int], bytes | None] | None = None,
) -> Iterator[Finding]:
    """Check a settlement's file; each finding as it is made.

    Args:
        meter_at: the address of the meter at a household on a day; without it the file's own are believed.
        fewest_days: of the shortest period that the community settles.
        root_of: what the chain has as the root of a period, from its first to its last day.
    """
    try:
        settlement, meters = settlement_file.read(data)
    except PeriodError as problem:
        yield Finding.failed("The file is NOT a settlement whose sums follow from its parts", str(problem))
        return
    of = settlement.period
    by = "" if of.interval == 60 else ", by the quarter of an hour"
    yield Finding(
        f"The file is a settlement of {of.community!r}, days {of.first} to {of.last}{by}, and its sums follow."
    )
    yield _enrolled(of, meters, meter_at)
    try:
        checked = check(of, meters, fewest_homes=FEWEST_HOMES, fewest_days=fewest_days)
    except PeriodError as problem:
        yield Finding.failed(
            "The period's totals are NOT those of days that the members' meters signed", str(problem)
        )
        return
    signed = sum(len(record.households) for record in of.days)
    yield Finding(
        f"The totals of all {len(of.days)} days are the sums of what meters signed: {signed} days of "
        f"{len(of.households)} members, import and export."
    )
    if absent := of.absent:
        yield Finding.noted(
            f"Nothing is settled of {len(absent)} days without totals: {', '.join(map(str, absent))}."
        )
    yield from _shares(checked, settlement)
    yield from _conserved(settlement)
    if root_of is not None:
        yield _published(settlement, root_of(of.first, of.last))


def _published(settlement: Settlement, published: bytes | None) -> Finding:
    if published is None:
        return Finding.missing("The root of all shares is NOT on the chain", "no root of the period was published")
    if published != settlement.root:
        return Finding.failed(
            "The root of all shares is NOT the one on the chain",
            f"the file's is 0x{settlement.root.hex()}, the chain's 0x{published.hex()}",
        )
    return Finding("The root of all shares is the one on the chain.")


def _enrolled(of: Period, meters: Meters, meter_at: Callable[[str, int], str] | None) -> Finding:
    """Each day's meters: one that was replaced counts until the day before the next one's first."""
    if meter_at is None:
        return Finding.noted("Not checked: whether the meters are the enrolled ones; the file's own were believed.")
    for record in of.days:
        for household in record.households:
            named = meter_on(meters, household, record.day)
            if not is_checksum_address(household):
                return Finding.failed(f"{household}: its meter is NOT the enrolled one", "the file names no address")
            if (known := meter_at(household, record.day)) != named:
                return Finding.failed(
                    f"{household}: its meter is NOT the enrolled one",
                    f"the file names {named} on day {record.day}, the registry {known}",
                )
    return Finding(f"The meters of all {len(of.households)} members are the enrolled ones, on each of their days.")


def _shares(checked: CheckedPeriod, settlement: Settlement) -> Iterator[Finding]:
    held = 0
    for (household, side), share in sorted(settlement.shares.items()):
        try:
            verify_share(checked, household, side, share)
            held += 1
        except (PeriodError, ProofError) as problem:
            yield Finding.failed(f"{household}: its share of {share.wh} Wh ({side}) is NOT proven", str(problem))
    if held == len(settlement.shares):
        yield Finding(f"All {held} shares are proven: each follows from the member's signed days and the public key.")
    for household in settlement.late:
        yield Finding.noted(f"{household} has not proved all of its shares yet; its part is in the remainder.")


def _conserved(settlement: Settlement) -> Iterator[Finding]:
    """That shares and remainder come to what was shared follows from how the file is read; the remainder may not be
    negative."""
    shared_wh = settlement.period.shared_wh
    for side in SIDES:
        given, left = settlement.given(side), settlement.remainder(side)
        if left < 0:
            yield Finding.failed(
                f"Shares {_SIDE[side]} come to MORE than was shared", f"{given:,} Wh of {shared_wh:,} Wh"
            )
        else:
            yield Finding(
                f"Shares {_SIDE[side]} ({given:,} Wh) and remainder ({left:,} Wh) are the {shared_wh:,} Wh shared."
            )
