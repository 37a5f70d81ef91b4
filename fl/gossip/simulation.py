"""A training without a server, every peer in this process: what is published, drawn and merged is as on a network.

Nothing is sent, and nobody fails, but for peers that lie (`Lie`). What a peer would have fetched is counted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from fl.aggregation.strategy import local_plan
from fl.client_app import Learner
from fl.gossip.blocks import block_bytes
from fl.gossip.draws import derive, leader
from fl.gossip.epoch import disagreement, merge_everybody
from fl.gossip.fixed_point import FRACTION_BITS, LARGEST, Fixed, from_fixed, to_fixed
from fl.gossip.segments import Segments
from fl.gossip.settings import GossipSettings
from fl.gossip.topology import Topology, draw
from fl.plan import LocalPlan
from fl.settings import FederationSettings
from fl.weights import Weights

_log = logging.getLogger(__name__)
DIGEST_BYTES, SIGNATURE_BYTES = 32, 65

Lie = Callable[[int, Fixed, Fixed], Fixed]
"""(epoch, models before it, models to be published) [peers, parameters] -> what is published."""
Fit = Callable[[Learner, Weights, LocalPlan], Weights]
"""How a peer trains: its model after the epoch."""


@dataclass(frozen=True)
class Simulated:
    """What a training came to."""

    model: Weights  # the leader's, which all agree to
    models: Fixed = field(repr=False)  # every peer's, [peers, parameters]
    bytes_per_peer_epoch: int
    disagreement: float  # largest difference of a weight between a peer's model and the mean


@dataclass(frozen=True)
class SignFlip:
    """Liars publish their step backwards, three times as long; when peers only merge, the last one again."""

    liars: tuple[int, ...]
    offsets: dict[int, Fixed] = field(default_factory=dict)

    def __call__(self, epoch: int, before: Fixed, models: Fixed) -> Fixed:
        told = models.copy()
        for liar in self.liars:
            step = models[liar] - before[liar]
            if step.any():
                self.offsets[liar] = -3 * step
            told[liar] = np.clip(before[liar] + self.offsets.get(liar, 0), -LARGEST, LARGEST)
        return told


def plain_fit(learner: Learner, weights: Weights, plan: LocalPlan) -> Weights:
    """Training without noise."""
    trained, _ = learner.fit(weights, plan)
    return trained


def honest(epoch: int, before: Fixed, models: Fixed) -> Fixed:
    """Everybody publishes what it has."""
    return models


def simulate(
    learners: Sequence[Learner],
    settings: FederationSettings,
    start: Weights,
    clusters: Sequence[int],
    *,
    lie: Lie = honest,
    liars: Sequence[int] = (),
    fit: Fit = plain_fit,
    observe: Callable[[int, Fixed], None] = lambda epoch, models: None,
) -> Simulated:
    """Train for `settings.rounds` epochs and settle for `settings.gossip.settle_epochs` more.

    Args:
        clusters: each learner's (`fl.gossip.clusters`). While peers settle there is one: trimming would leave out
            what the few neighbours of other clusters have, and clusters would not agree.
        lie, liars: what liars publish, and who they are: none of them leads, for its merge would be found out.
        observe: called after each epoch with its number and everybody's models, int64 [peers, parameters].
    """
    gossip, seed = settings.gossip, derive(settings.seed.to_bytes(8, "big"), b"simulation")
    begun = to_fixed(start)
    segments = Segments(len(begun), gossip.segments)
    models, fetched = np.tile(begun, (len(learners), 1)), []
    last = settings.rounds + gossip.settle_epochs
    for epoch in range(1, last + 1):
        before = models
        if epoch <= settings.rounds:
            plan = local_plan(settings, epoch)
            models = np.stack([
                to_fixed(fit(learner, from_fixed(own, start), plan))
                for learner, own in zip(learners, models, strict=True)
            ])  # fmt: skip
        together = clusters if epoch <= settings.rounds else [0] * len(learners)
        topology = draw(derive(seed, epoch), together, gossip)
        models = merge_everybody(lie(epoch, before, models), topology, segments, gossip)
        fetched.append(bytes_fetched(topology, segments, gossip))
        _log.info("epoch simulated", extra={"epoch": epoch, "disagreement": disagreement(models, FRACTION_BITS)})
        observe(epoch, models)
    chosen = leading(derive(seed, last), len(learners), liars)
    told = round(float(np.mean(fetched)))
    return Simulated(from_fixed(models[chosen], start), models, told, disagreement(models, FRACTION_BITS))


def leading(seed: bytes, peers: int, liars: Sequence[int] = ()) -> int:
    """The first by rank whose merge the others accept."""
    return next(peer for rank in range(peers) if (peer := leader(seed, rank, peers)) not in liars)


def bytes_fetched(topology: Topology, segments: Segments, settings: GossipSettings) -> int:
    """What a peer gets in an epoch, the mean: blocks, the digests they are held against, and its part of checking the
    leader's merge, which a committee fetches whole."""
    block = block_bytes(segments.size)
    degrees = [
        len(topology.neighbours(segment, peer)) for segment in range(segments.count) for peer in range(topology.peers)
    ]
    merging = segments.count * np.mean(degrees) * block
    asked = np.mean([len(topology.all_neighbours(peer)) for peer in range(topology.peers)])
    lists = asked * (segments.count * DIGEST_BYTES + SIGNATURE_BYTES)
    committee = min(settings.committee, topology.peers) / topology.peers
    checking = committee * (merging + lists + 2 * segments.count * block)
    return round(float(merging + lists + checking))
