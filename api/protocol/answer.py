"""What answers a challenge of a forecast: its bundle, which anybody can download."""

from __future__ import annotations

from api.protocol.bundle import InferenceBundle
from api.protocol.bundle_parts import from_hex
from rewards.answers import Answer


def answer_of(bundle: InferenceBundle) -> Answer:
    """Raises MeterError, InvalidStatement, MalformedProof."""
    return Answer(
        bundle.statement(), from_hex(bundle.proof), bundle.signed_days(),
        [from_hex(day.signature) for day in bundle.history], [day.mask for day in bundle.history],
    )  # fmt: skip
