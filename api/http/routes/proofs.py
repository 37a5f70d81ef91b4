"""Proofs: check an uploaded bundle."""

from __future__ import annotations

import time

from fastapi import APIRouter
from pydantic import BaseModel

from api.http.admission import check_shape
from api.http.deps import BUNDLE_BODY, BundleBody, CommunityDep, WorkDep
from api.http.errors import refusals
from api.protocol import bundle as bundles
from api.protocol.explained import explain

router = APIRouter(prefix="/proofs", tags=["proofs"])


class Verdict(BaseModel):
    """A valid proof, what it proves, and how long the check took. An invalid one is refused with a code."""

    valid: bool
    says: list[str]
    seconds: float


@router.post(
    "/verify", openapi_extra=BUNDLE_BODY,
    responses=refusals({
        422: ["malformed-proof", "invalid-proof", "invalid-statement", "wrong-meter", "unknown-shape"],
        429: ["busy"],
    }),
)  # fmt: skip
async def verify(bundle: BundleBody, community: CommunityDep, work: WorkDep) -> Verdict:
    """Check signatures and proof of a bundle, sent as the body."""
    started = time.perf_counter()
    if isinstance(bundle, bundles.InferenceBundle):
        check_shape(community, bundle)
    await work.proofs.anybody.run(work.checker.check, bundle)
    return Verdict(valid=True, says=explain(bundle), seconds=time.perf_counter() - started)
