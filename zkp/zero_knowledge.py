"""What a proof reveals, beside the fresh uniform values that hide it, message by message.

Every scalar that is sent is a value of the witness plus a random cell of its own (a pad), which no constraint reads:

    column values     their columns' pads, each with the weight prod_k point_k
    last row          a pad
    rounds            a pad for each coefficient
    product           three pads: total, left value, right value

and every commitment carries a random multiple of H. The opening's witness is moved by one more random cell; its
blinding then follows from the equation that the verifier checks. docs/protocol.md has the argument,
tests/zkp/simulator.py the simulator.
"""

from __future__ import annotations

from collections import Counter

from zkp.argument.relation import PRODUCT_PADS, Relation
from zkp.view import wire_format

_DERIVED = "opening/blinding"
"""Not revealed beside the others: the verifier's equation gives it."""


def revealed_values(relation: Relation) -> dict[str, tuple[int, int]]:
    """By kind: how many values are revealed, and how many fresh uniform ones hide them."""
    sent = Counter[str]()
    for slot in wire_format(relation):
        sent[slot.label] += slot.count
    pads = relation.pads
    product = PRODUCT_PADS if relation.product else 0
    commitments = sum(count for label, count in sent.items() if label.startswith("rows/")) + sent["opening/halves"]
    return {
        "column values": (sent["gates/values"], pads.columns),
        "last row": (sent["gates/last row"], 1),
        "rounds": (sent["gates/round"] + sent["product/round"], pads.gate_mask.size + pads.product_mask.size),
        "product values": (sent["product/total"] + sent["product/values"], product),
        "commitments": (commitments, commitments),
        "opening": (sent["opening/witness"], 1),
    }
