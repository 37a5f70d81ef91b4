"""Proofs: check an uploaded bundle."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from pydantic import BaseModel

from api import bundle as bundles

router = APIRouter(prefix="/proofs", tags=["proofs"])


class Verdict(BaseModel):
    """A proof that holds, what it says, and how long the check took. One that does not is refused with a code."""

    valid: bool
    says: list[str]
    seconds: float


@router.post("/verify")
async def verify(request: Request) -> Verdict:
    """Check signatures and proof of a bundle, sent as the body."""
    started = time.perf_counter()
    bundle = bundles.parse(await request.body())
    bundles.verify(bundle)
    return Verdict(valid=True, says=bundles.explain(bundle), seconds=time.perf_counter() - started)
