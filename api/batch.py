"""Many bundles checked together: every signature, and all forecasts' proofs in one batch; the bad ones are named."""

from __future__ import annotations

from collections.abc import Sequence

from api.bundle import REFUSALS, Bundle, Finding, InferenceBundle, examine, from_hex
from zkp.batch.verify import Pair, verify_batch


def bad_bundles(bundles: Sequence[Bundle]) -> dict[int, Finding]:
    """The bundles that do not hold, by position, each with the first check that fails.

    A batch tells which proofs are bad; why, and what that means, a bad one's own check tells.
    """
    bad: dict[int, Finding] = {}
    batch: dict[int, Pair] = {}
    for k, bundle in enumerate(bundles):
        if not isinstance(bundle, InferenceBundle):  # claims are another statement, and checked one by one
            if (last := examine(bundle)[-1]).problem is not None:
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
        bad[k] = last if last.problem is not None else Finding(last.what, why)
    return dict(sorted(bad.items()))
