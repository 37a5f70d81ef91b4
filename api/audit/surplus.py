"""An auditor's check of a day's surplus hours, from its file alone: signatures, proofs, sums, hours.

Which meters are enrolled, and which models the community published, is known from elsewhere: both are named.
"""

from __future__ import annotations

from collections.abc import Iterator

from api.protocol import surplus_file
from api.protocol.finding import Finding
from api.protocol.surplus import SurplusDay, SurplusError, check, digest_text


def audit_surplus(data: bytes) -> Iterator[Finding]:
    """Check a day's file; each finding as it is made."""
    try:
        surplus = surplus_file.read(data)
        check(surplus)
    except SurplusError as problem:
        yield Finding.failed("The surplus hours do NOT follow from proven forecasts", str(problem))
        return
    load, export = surplus.load, surplus.export
    yield Finding(
        f"{len(load.bundles)} forecasts of load and {len(export.bundles)} of export are proven for day {surplus.day} "
        f"of {surplus.community!r}, each from a week that the member's meter signed as that quantity."
    )
    yield Finding("Both sums open the forecasts' commitments, and no member is twice in one.")
    yield Finding(_hours(surplus))
    yield Finding.noted(
        f"Compare the models with those that the community published: of load, round {load.round}, digest "
        f"{digest_text(load)}; of export, round {export.round}, digest {digest_text(export)}."
    )
    yield Finding.noted("Not checked: whether the meters are the enrolled ones; the file's own were believed.")


def _hours(surplus: SurplusDay) -> str:
    if not surplus.hours:
        return "The hours follow from the sums: no hour has a surplus."
    return f"The hours follow from the sums: {len(surplus.hours)} with a surplus, from the start of the day hour " + (
        ", ".join(map(str, surplus.hours)) + "."
    )
