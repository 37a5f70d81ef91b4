"""An auditor's bundles: downloaded, parsed, checked together. Invalid and withheld ones become findings."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import TypeVar

from api.audit.source import Fetch
from api.protocol.batch import bad_bundles
from api.protocol.bundle import Bundle, ClaimBundle, GreenBundle, InferenceBundle, parse
from api.protocol.finding import Finding
from zkp.errors import ProofError

_B = TypeVar("_B", InferenceBundle, ClaimBundle, GreenBundle)


class Objection(ValueError):
    """Something in the records is wrong; the message says what."""


def finding(held: str, failed: str, check: Callable[[], None]) -> Finding:
    """The outcome of a check that may raise, in one of two sentences."""
    try:
        check()
    except (ValueError, OverflowError) as problem:  # of all packages, and of malformed numbers
        return Finding.failed(failed, str(problem))
    return Finding(held)


def counted(good: int, of: int, held: str, failed: str) -> Finding:
    """A summary: "17 of 17 proofs `held`", or "2 of 17 proofs `failed`". If nothing was checked, nothing holds."""
    if of == 0:
        return Finding.missing(f"0 {held}", "there was nothing to check")
    if good == of:
        return Finding(f"{good} of {of} {held}")
    return Finding.failed(f"{of - good} of {of} {failed}", "they are named above")


def agreeing(what: str, checks: Mapping[str, Callable[[], None]]) -> Generator[Finding, None, int]:
    """How many households' proofs or claims match the registries; findings of those that do not.

    `checks` by household: each raises what is wrong.
    """
    good = 0
    for household, check in checks.items():
        found = finding("", f"{household}: the {what} does not match the registries", check)
        good += not found.is_bad
        if found.is_bad:
            yield found
    return good


def check_bound(
    bundle: Bundle, household: str, day: int, community: str, meter_at: Callable[[str, int], str]
) -> None:
    """Raises Objection unless the bundle is of this household, this day and community, and each of its signed days by
    the meter that was there."""
    context = bundle.context
    if isinstance(bundle, InferenceBundle) and bundle.of != "load":
        raise Objection(f"the proof is of a forecast of {bundle.of}, not of load")
    if (bundle.household, context.day) != (household, day):
        raise Objection(f"the proof is for day {context.day} of household {bundle.household}")
    if context.community != community:
        raise Objection("the proof is bound to another community")
    for signed, signer in bundle.signers.items():
        if (meter := meter_at(household, signed)) != signer:
            raise Objection(f"the household's meter on day {signed} is {meter}, the proof's {signer}")


def downloaded(
    fetch: Fetch, listed: str, day: int, households: Iterable[str], kind: type[_B]
) -> Generator[Finding, None, dict[str, _B]]:
    """The bundles of the `listed` (forecasts, claims) by household; findings for those withheld or unreadable."""
    bundles = {}
    for household in households:
        content = fetch(f"/{listed}/{household}/{day}/proof")
        if content is None:
            yield Finding.missing(
                f"{household}: the proof is missing",
                f"the server lists it among the {listed} of the day, without a proof",
            )
            continue
        try:
            bundle = parse(content)
            if not isinstance(bundle, kind):
                raise Objection(f"this is not a bundle of one of the {listed}")
            bundles[household] = bundle
        except (Objection, ProofError) as problem:
            yield Finding.failed(f"{household}: what the server serves as the proof is not one", str(problem))
    return bundles


def proven(bundles: dict[str, _B]) -> Generator[Finding, None, dict[str, _B]]:
    """The valid bundles; findings for the others."""
    households = list(bundles)
    bad = {households[k]: found for k, found in bad_bundles(list(bundles.values())).items()}
    for household, found in bad.items():
        yield Finding.failed(f"{household}: {found.what}", found.problem or "", found.meaning)
    return {household: bundle for household, bundle in bundles.items() if household not in bad}


def withheld(
    fetch: Fetch, listed: str, day: int, households: Iterable[str], known: Iterable[str]
) -> Generator[Finding, None, None]:
    """Findings for households that the server has a proof of but does not list among the `known`."""
    for household in sorted(set(households) - set(known)):
        if fetch(f"/{listed}/{household}/{day}/proof") is not None:
            yield Finding.missing(
                f"{household}: missing in the server's list of the {listed}",
                "the server returns its proof when asked for it by address",
            )
