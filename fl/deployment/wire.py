"""What an agent and its coordinator must have in common to train together, as a number that each tells the other.

It is in a header of every request and of every answer. A release raises it where agents of earlier releases must not
train any more: because a message has another meaning, or because they would show what nobody must see. Releases from
before there was a number tell none, which counts as 0.

- 1: which of a home's days are in a gradient follows from a secret of the home. With 0 it follows from the plan, and
  from the sums of all rounds together the home's readings can be computed (docs/federation-privacy.md).
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext

HEADER = "wattproof-wire"
SPOKEN = 1
EARLIER_RELEASE = "earlier-release"
_REMEDY = "update it (pip install --upgrade wattproof; docs/upgrade.md)"
UPDATE_AGENT = f"this agent is of an earlier release, which must not train any more: {_REMEDY} and start it again"
UPDATE_COORDINATOR = f"it does not say what it needs of agents, or needs less than this one does: {_REMEDY}"


def spoken_by(headers: Mapping[str, str]) -> int:
    """The number that the other side tells; 0 where it tells none."""
    told = headers.get(HEADER, "")
    return int(told) if told.isascii() and told.isdigit() and len(told) <= 4 else 0


class ToldWire:
    """At an agent: tells its number, and keeps the coordinator's. An interceptor of Flower's protobuf client."""

    def __init__(self) -> None:
        self.coordinators = 0

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        context.request.headers[HEADER] = str(SPOKEN)
        response = call_next(context)
        self.coordinators = spoken_by(response.headers)
        return response
