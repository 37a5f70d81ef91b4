"""An auditor's check of a day's surplus hours, from its file alone: signatures, proofs, sums, hours.

Which meters are enrolled, and which models the community published before the day, the chain's registries say;
without them the file's own are believed, which is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from api.protocol import surplus_file
from api.protocol.finding import Finding
from api.protocol.surplus import SurplusDay, SurplusError, check, digest_text
from data.quantity import QUANTITIES, Quantity


@dataclass(frozen=True)
class PublishedModel:
    """A round's model as a registry has it. `is_before`: whether it was published before the day started."""

    digest: bytes
    is_before: bool


MeterAt = Callable[[str, int], str]
"""(household, day) -> the address of its enrolled meter."""
ModelOf = Callable[[Quantity, int, int], PublishedModel | None]
"""(quantity, round, day) -> what is published; None where nothing is, or where it is not known where."""


def audit_surplus(data: bytes, meter_at: MeterAt | None = None, model_of: ModelOf | None = None) -> Iterator[Finding]:
    """Check a day's file; each finding as it is made. Without `meter_at` and `model_of` the file's are believed."""
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
    yield _enrolled(surplus, meter_at)
    for quantity in QUANTITIES:
        yield _model(surplus, quantity, model_of)


def _hours(surplus: SurplusDay) -> str:
    if not surplus.hours:
        return "The hours follow from the sums: no hour has a surplus."
    return f"The hours follow from the sums: {len(surplus.hours)} with a surplus, from the start of the day hour " + (
        ", ".join(map(str, surplus.hours)) + "."
    )


def _enrolled(surplus: SurplusDay, meter_at: MeterAt | None) -> Finding:
    if meter_at is None:
        return Finding.noted("Not checked: whether the meters are the enrolled ones; the file's own were believed.")
    for bundle in surplus.load.bundles:  # those of export have the same
        for day, signer in bundle.signers.items():
            if (known := meter_at(bundle.household, day)) != signer:
                return Finding.failed(
                    f"{bundle.household}: its meter is NOT the enrolled one",
                    f"of day {day} the file names {signer}, the registry {known}",
                )
    return Finding(f"The meters of all {len(surplus.load.bundles)} members are the enrolled ones.")


def _model(surplus: SurplusDay, quantity: Quantity, model_of: ModelOf | None) -> Finding:
    of = surplus.of(quantity)
    what = f"the model of {quantity}, round {of.round}, digest {digest_text(of)}"
    if model_of is None:
        return Finding.noted(f"Not checked: whether the community published {what}.")
    known = model_of(quantity, of.round, surplus.day)
    if known is None or not any(known.digest):
        return Finding.missing(f"NOT published, or in a registry that was not named: {what}", "compare it elsewhere")
    if known.digest != of.digest:
        return Finding.failed(
            f"{what[0].upper()}{what[1:]}, is NOT the published one", f"the registry has 0x{known.digest.hex()}"
        )
    if not known.is_before:
        return Finding.failed(
            f"{what[0].upper()}{what[1:]}, was published only AFTER the day had started",
            "a model that is chosen later can be chosen for its forecasts",
        )
    return Finding(f"{what[0].upper()}{what[1:]}, is the one that was published before the day.")
