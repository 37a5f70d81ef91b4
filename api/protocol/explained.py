"""What a bundle proves, in words, and its parts by name."""

from __future__ import annotations

from typing import Any

from api.protocol.bundle import Bundle, ClaimBundle, GreenBundle, InferenceBundle, export_of, meters_of
from api.protocol.bundle_parts import from_hex, to_hex
from data.meter import ALL_MEASURED
from data.quantity import Quantity
from zkp.statements import green_share, skill
from zkp.view import view


def shown(bundle: Bundle) -> dict[str, Any]:
    """The bundle as readable JSON: the claim in words, its public part, every message of the proof by name.

    It checks nothing: `examine` does. Raises MeterError, InvalidStatement, MalformedProof if the parts cannot be
    separated.
    """
    return {
        "claims": explain(bundle),
        "statement": bundle.model_dump(exclude={"proof"}),
        "proof": view(bundle.statement(), from_hex(bundle.proof)),
    }


def explain(bundle: Bundle) -> list[str]:
    """What a valid bundle proves, in words, and what remains to be checked elsewhere."""
    context = bundle.context
    bound = f"It is bound to the community with identifier {context.community}."
    if isinstance(bundle, ClaimBundle):
        return [
            f"The forecast that household {bundle.household} committed to for day {context.day} had, over its 24 "
            f"hours, at least {bundle.buckets * skill.BUCKET_WH} Wh less absolute error than the same hours of each "
            "of seven days, 7 to 13 days before, and than their mean; and the household used at least "
            f"{bundle.buckets * skill.ENERGY_PER_BUCKET_WH} Wh.",
            bound,
            f"All eight days of readings were committed to and signed by {meters_of(bundle)}. The forecast is in "
            f"commitment {bundle.forecast}.",
            "Neither the readings nor the forecast are revealed. The forecast registry on the chain records whether "
            "the forecast was registered in time, and which meter is this household's.",
        ]
    if isinstance(bundle, GreenBundle):
        weights = ", ".join(map(str, bundle.weights))
        return [
            f"At least {bundle.tier} percent of the load of household {bundle.household} on day {context.day} was "
            f"green, where the day's 24 hours weigh {weights} of {green_share.MAX_WEIGHT}.",
            bound,
            f"The day's readings were committed to and signed by {meters_of(bundle)}, all 24 hours measured.",
            "The readings are not revealed. The contract for green shares on the chain records the weights, which "
            "were registered before the day started, and the forecast registry which meter is this household's.",
        ]
    shape = bundle.weights.parsed().shape
    return [
        f"Household {bundle.household} ran the community's model of round {context.round} "
        f"{'of export ' if bundle.quantity else ''}(weights digest {to_hex(bundle.weights.parsed().digest())}) for "
        f"day {context.day}{_with_head(bundle)}.",
        bound,
        f"The model is an LSTM over {shape.steps} hours with {shape.features} features, {shape.hidden} hidden units "
        f"in {shape.layers} {'layer' if shape.layers == 1 else 'layers'}, beside a linear path from the week's 168 "
        f"hours. Each step reads {shape.loads} of the week's loads and {shape.public} public features.",
        f"Its input was {export_of(bundle)}the week before {_origin(bundle)}, in seven commitments signed by "
        f"{meters_of(bundle)}{_with_filled(bundle)}; its output is in the commitment {bundle.forecast}.",
        "Neither the readings nor the forecast are revealed. " + _COMPARE[bundle.of],
    ]


_COMPARE: dict[Quantity, str] = {
    "load": "Compare the digest with the model registry, and the commitment, meter and personal head with the "
    "forecast registry, on the chain.",
    "export": "Forecasts of export are not registered on the chain: compare the digest with the one that the "
    "community publishes, and the commitment and meter with the day's file of surplus hours.",
}


def _origin(bundle: InferenceBundle) -> str:
    origin = bundle.week.stop
    return "the day" if origin == bundle.context.day else f"day {origin}"


def _with_filled(bundle: InferenceBundle) -> str:
    filled = sum((~day.mask & ALL_MEASURED).bit_count() for day in bundle.history)
    return f", which says that {filled} of the 168 hours were filled in, not measured" if filled else ""


def _with_head(bundle: InferenceBundle) -> str:
    return f", with its own personal head (digest {to_hex(bundle.head_digest)})" if bundle.personal else ""
