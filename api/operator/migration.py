"""What a community of an older release needs so that this release can continue it.

Proofs of an older format are history: they stay in the database and can be checked with the release that made them. A
trained model stays usable: its float weights are unchanged, only the proven integers are now derived differently. So
the last round is saved once more, under the next number, and published like any other. Contracts of which any part, a
program that checks proofs included, has another code than this release's are set aside; the next command deploys this
release's, and enrols all homes again.
"""

from __future__ import annotations

from dataclasses import replace

from api.operator.community import CONTRACTS, OLD_CONTRACTS, Community
from api.operator.database.unsettled import mark, unsettled
from api.operator.trained_model import digest_of, kept_digest
from api.operator.training import publisher
from fl.store import RoundStore
from rewards.bytecode_check import other_codes
from rewards.deploy import Addresses, Contracts
from rewards.errors import OutdatedContracts

_ELSEWHERE = "it was made for the contracts of an older release, which this one does not call"


def migrate(community: Community) -> list[str]:
    """Do what is needed; returns a sentence for each step done. Nothing is deleted, and a second run does nothing."""
    done = [_saved_again(community), _put_aside(community)]
    return [sentence for sentence in done if sentence]


def _saved_again(community: Community) -> str:
    """The last round under the next number, if its digest is another one now."""
    store = RoundStore(community.folder / "rounds")
    saved = store.latest()
    if saved is None or kept_digest(store, saved.round) in (None, digest_of(community, saved.weights)):
        return ""
    number = saved.round + 1
    report = replace(saved.report, round=number, extra={**saved.report.extra, "migrated_from": float(saved.round)})
    folder = store.save(report, saved.weights, saved.moments)
    publisher(community, store, lambda _done, _total, _loss: None)(number, saved.weights, report)
    (folder / "published").touch()
    return f"The model of round {saved.round} is now round {number}, as this release proves it."


def _put_aside(community: Community) -> str:
    """The addresses of contracts of another release."""
    path = community.folder / CONTRACTS
    if not path.exists():
        return ""
    chain = community.open_chain()
    try:
        if not other_codes(chain, Contracts.of(chain, Addresses.read(path))):
            return ""
    except OutdatedContracts:
        pass
    finally:
        chain.close()
    aside = community.folder / OLD_CONTRACTS
    if aside.exists():
        raise OutdatedContracts(f"{aside} already exists: move it away, so that {path} can be kept in its place")
    given_up = _give_up_unsettled(community)
    path.rename(aside)
    left = f" What was not final there yet ({given_up}) is not sent to these." if given_up else ""
    return (
        f"The contracts of the older release are named in {aside}; the next command deploys this release's.{left} "
        "Tell every household where these are: gateways sign for no other contracts than those that they know "
        "(gateway.forecast_registry)."
    )


def _give_up_unsettled(community: Community) -> int:
    """What waits to be final in the older contracts can't be settled in others; how many that are."""
    with community.sessions.begin() as session:
        waiting = unsettled(session)
        for row in waiting:
            mark(session, row.kind, row.household, row.day, "refused", _ELSEWHERE)
    return len(waiting)
