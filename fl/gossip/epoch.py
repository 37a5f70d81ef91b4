"""An epoch's merge of one peer, and of all of them at once (simulation): the same numbers to the bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fl.gossip.fixed_point import Fixed
from fl.gossip.merge import divided, merged, trimmed
from fl.gossip.segments import Segments
from fl.gossip.settings import GossipSettings
from fl.gossip.topology import Topology

Fetch = Callable[[int, int], Fixed | None]
"""(peer, segment) -> its values, or None where they can't be had."""


def merge_model(
    peer: int, own: Fixed, fetch: Fetch, topology: Topology, segments: Segments, settings: GossipSettings
) -> tuple[Fixed, list[list[int]]]:
    """The peer's next model, and for each segment the neighbours whose values are in it."""
    rows, sources = segments.split(own), []
    out = np.empty_like(rows)
    for segment in range(segments.count):
        weights, whole = topology.weights(segment, peer)
        found = [
            (other, values, weight)
            for other, weight in zip(topology.neighbours(segment, peer), weights, strict=True)
            if (values := fetch(other, segment)) is not None
        ]
        sources.append([other for other, _, _ in found])
        out[segment] = merged(rows[segment], [v for _, v, _ in found], [w for *_, w in found], whole, settings)
    return segments.join(out), sources


def merge_everybody(models: Fixed, topology: Topology, segments: Segments, settings: GossipSettings) -> Fixed:
    """`merge_model` of all peers, none of whom is missing; int64 [peers, parameters]."""
    rows = segments.split(models)  # [peers, count, size]
    out = np.empty_like(rows)
    for segment in range(segments.count):
        for degree, peers in _by_degree(topology, segment).items():
            ids = np.array([topology.neighbours(segment, peer) for peer in peers])
            others, own = rows[ids, segment], rows[peers, segment]
            if settings.trim and degree + 1 >= 2 * settings.trim + 1:
                out[peers, segment] = trimmed(np.concatenate([own[:, None], others], axis=1), settings.trim)
            else:
                out[peers, segment] = _one_by_one(own, others, peers, segment, topology, settings)
    return segments.join(out)


def _by_degree(topology: Topology, segment: int) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for peer in range(topology.peers):
        found.setdefault(len(topology.neighbours(segment, peer)), []).append(peer)
    return found


def _one_by_one(
    own: Fixed, others: Fixed, peers: list[int], segment: int, topology: Topology, settings: GossipSettings
) -> Fixed:
    return np.stack([
        merged(own[at], list(others[at]), *topology.weights(segment, peer), settings) for at, peer in enumerate(peers)
    ])  # fmt: skip


def mean_model(models: Fixed) -> Fixed:
    """The mean of all peers' models, which nobody has: for what is measured in a simulation."""
    return divided(models.sum(axis=0), len(models))


def disagreement(models: Fixed, bits: int) -> float:
    """The largest difference of any weight between a peer's model and the mean."""
    return float(np.abs(models - mean_model(models)).max() * 2.0**-bits)
