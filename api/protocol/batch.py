"""Many bundles checked together: every signature, and all inference proofs in one batch; invalid ones are named."""

from __future__ import annotations

from collections.abc import Sequence

from api.config.settings import CommunitySettings
from api.protocol.bundle import REFUSALS, Bundle, InferenceBundle, examine
from api.protocol.bundle_parts import from_hex, to_hex
from api.protocol.finding import Finding
from zkp.batch.verify import Pair, verify_batch


def bad_bundles(bundles: Sequence[Bundle], community: CommunitySettings | None = None) -> dict[int, Finding]:
    """The invalid bundles, by position, each with the first check that fails.

    `community`: the one they must belong to, if known.

    The batch says which proofs are invalid; checking an invalid one alone says why, and what that means.
    """
    bad: dict[int, Finding] = {}
    batch: dict[int, Pair] = {}
    for k, bundle in enumerate(bundles):
        foreign = community is not None and bundle.context.community != to_hex(community.identifier)
        if foreign or not isinstance(bundle, InferenceBundle):  # claims prove another statement, checked one by one
            if (last := examine(bundle, community)[-1]).is_bad:
                bad[k] = last
            continue
        try:
            batch[k] = (bundle.statement(), from_hex(bundle.proof))
        except REFUSALS:
            bad[k] = examine(bundle)[-1]
    places = list(batch)
    for place, why in verify_batch(list(batch.values())).items():
        k = places[place]
        last = examine(bundles[k])[-1]
        bad[k] = (
            last if last.is_bad else Finding.failed("The batch fails with it, although it passes on its own.", why)
        )
    return dict(sorted(bad.items()))
