"""An auditor's bundles: downloaded, parsed, and checked together. What does not hold is a finding."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import TypeVar

from api.audit_source import Fetch
from api.batch import bad_bundles
from api.bundle import ClaimBundle, Finding, InferenceBundle, parse
from zkp.errors import ProofError

_B = TypeVar("_B", InferenceBundle, ClaimBundle)


class Objection(ValueError):
    """Something in the records that does not hold; the message says what."""


def finding(what: str, check: Callable[[], None]) -> Finding:
    """What a check that raises comes to."""
    try:
        check()
    except (ValueError, OverflowError) as problem:  # of all rooms, and of numbers that are none
        return Finding(what, str(problem))
    return Finding(what)


def agreeing(what: str, checks: Mapping[str, Callable[[], None]]) -> Generator[Finding, None, str]:
    """How many households' proofs or claims agree with the registries, of how many; findings of those that do not.

    `checks` by household: each raises what is wrong.
    """
    good = 0
    for household, check in checks.items():
        found = finding(f"{household}: {what} and registries agree.", check)
        good += found.problem is None
        if found.problem is not None:
            yield found
    return f"{good} of {len(checks)}"


def check_bound(bundle: InferenceBundle | ClaimBundle, household: str, day: int, community: str, meter: str) -> None:
    """Raises Objection unless the bundle is of this household with this meter, this day and community."""
    context = bundle.context
    if (bundle.household, context.day) != (household, day):
        raise Objection(f"the proof is of {bundle.household}'s day {context.day}")
    if context.community != community:
        raise Objection("the proof is bound to another community")
    if bundle.meter != meter:
        raise Objection(f"the household's meter is {meter}, the proof's {bundle.meter}")


def downloaded(
    fetch: Fetch, listed: str, day: int, households: Iterable[str], kind: type[_B]
) -> Generator[Finding, None, dict[str, _B]]:
    """The bundles of the `listed` (forecasts, claims) by household; findings of those that can't be read."""
    bundles = {}
    for household in households:
        content = fetch(f"/{listed}/{household}/{day}/proof")
        try:
            if content is None:
                raise Objection(f"the server lists it among the {listed} of the day, without a proof")
            bundle = parse(content)
            if not isinstance(bundle, kind):
                raise Objection(f"this is no bundle of the {listed}")
            bundles[household] = bundle
        except (Objection, ProofError) as problem:
            yield Finding(f"The proof of {household} can be read.", str(problem))
    return bundles


def proven(bundles: dict[str, _B]) -> Generator[Finding, None, tuple[dict[str, _B], str]]:
    """The bundles that hold, and how many of how many; findings of those that do not."""
    households = list(bundles)
    bad = {households[k]: found for k, found in bad_bundles(list(bundles.values())).items()}
    for household, found in bad.items():
        yield Finding(f"{household}: {found.what}", found.problem, found.meaning)
    held = {household: bundle for household, bundle in bundles.items() if household not in bad}
    return held, f"{len(held)} of {len(bundles)}"
