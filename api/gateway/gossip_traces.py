"""A gateway's part in a training without a server, as traces: one of each epoch, of this household alone.

Nobody is above the peers, so no two of them share a trace: each sends its own to its own collector.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from api.config.tracing import GossipEpoch, tracer

MERGED = "merge models"
"""Ends what a peer does of its own accord in an epoch: it leads, attests and answers afterwards, if at all."""


@dataclass
class GossipTraces:
    """Sends a span for each step that has worked.

    Args:
        community: its identifier.
        registry: the address of the training's contract.
        household: the address of the peer's wallet.
    """

    community: bytes
    registry: str
    household: str
    _began: dict[int, int] = field(default_factory=dict)  # by epoch

    def __call__(self, step: str, epoch: int, began_ns: int, *, homes: int = 0) -> None:
        """As `fl.gossip.steps.Done`."""
        if not tracer().is_on:
            return
        of, ended = GossipEpoch(self.community, self.registry, self.household, epoch), time.time_ns()
        begun = self._began.setdefault(epoch, began_ns)
        tracer().past(step, of, began_ns, ended)
        if step == MERGED:
            tracer().past("gossip epoch", of, begun, ended, first=True, homes=homes)
            self._began = {later: began for later, began in self._began.items() if later > epoch}
