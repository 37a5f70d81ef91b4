"""Proofs: check an uploaded bundle."""

from __future__ import annotations

import time

from fastapi import APIRouter
from pydantic import BaseModel

from api import bundle as bundles
from api.deps import BUNDLE_BODY, Body

router = APIRouter(prefix="/proofs", tags=["proofs"])


class Verdict(BaseModel):
    """A proof that holds, what it says, and how long the check took. One that does not is refused with a code."""

    valid: bool
    says: list[str]
    seconds: float


@router.post("/verify", openapi_extra=BUNDLE_BODY)
def verify(body: Body) -> Verdict:
    """Check signatures and proof of a bundle, sent as the body."""
    started = time.perf_counter()
    bundle = bundles.parse(body)
    bundles.verify(bundle)
    return Verdict(valid=True, says=bundles.explain(bundle), seconds=time.perf_counter() - started)
