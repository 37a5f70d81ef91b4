"""Who merges with whom in an epoch: a regular graph for each segment, drawn from the epoch's seed.

A graph is a union of random Hamiltonian cycles, one through all peers and others inside the clusters. One cycle makes
it connected, whatever the seed; unions of random cycles are contiguous with random regular graphs (Kim and Wormald,
2001), whose second eigenvalue is as small as any graph's of that degree (Friedman 2008). Each segment takes the cycle
through all and some of the others, in turn: edges go both ways, so that mixing without trimming keeps the mean, and a
peer gets a segment from `pulls` neighbours only, however many peers there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import lcm

import numpy as np
from numpy.typing import NDArray

from fl.gossip.draws import Indices, derive, permutation
from fl.gossip.settings import GossipSettings

_TRIES = 100  # redrawing a cycle that shares an edge with those before it
Edges = set[tuple[int, int]]


@dataclass(frozen=True)
class Topology:
    """The neighbours of each peer, by segment; peers are numbers below `peers`."""

    peers: int
    graphs: tuple[tuple[tuple[int, ...], ...], ...] = field(repr=False)  # kinds of segments; by peer
    offset: int

    def neighbours(self, segment: int, peer: int) -> tuple[int, ...]:
        """Peers that `peer` takes the segment from, ascending."""
        return self._graph(segment)[peer]

    def all_neighbours(self, peer: int) -> set[int]:
        """Peers that it takes any segment from."""
        return {other for graph in self.graphs for other in graph[peer]}

    def mixing(self, segment: int) -> NDArray[np.float64]:
        """The Metropolis-Hastings weights of a segment as a matrix [peers, peers], symmetric; its rows sum to 1."""
        matrix = np.zeros((self.peers, self.peers))
        for peer in range(self.peers):
            weights, whole = self.weights(segment, peer)
            for other, weight in zip(self.neighbours(segment, peer), weights, strict=True):
                matrix[peer, other] = weight / whole
            matrix[peer, peer] = 1 - sum(weights) / whole
        return matrix

    def weights(self, segment: int, peer: int) -> tuple[list[int], int]:
        """Numerators of the neighbours' weights 1 / (1 + larger degree of the two), and their denominator."""
        graph = self._graph(segment)
        parts = [1 + max(len(graph[peer]), len(graph[other])) for other in graph[peer]]
        whole = lcm(*parts) if parts else 1
        return [whole // part for part in parts], whole

    def _graph(self, segment: int) -> tuple[tuple[int, ...], ...]:
        return self.graphs[(segment + self.offset) % len(self.graphs)]


def draw(seed: bytes, clusters: Sequence[int], settings: GossipSettings) -> Topology:
    """The graphs of an epoch.

    Args:
        seed: the epoch's, 32 bytes.
        clusters: each peer's cluster; peers are numbered as in this list.
    """
    count = len(clusters)
    offset = int.from_bytes(derive(seed, b"offset")[:8], "big")
    if count <= settings.degree + 1:
        everybody = tuple(tuple(other for other in range(count) if other != peer) for peer in range(count))
        return Topology(count, (everybody,), offset)
    through_all = _cycle(derive(seed, b"all"), np.arange(count), set())
    taken, layers = set(through_all), []
    for layer in range(settings.degree // 2 - 1):
        edges: Edges = set()
        for cluster in sorted(set(clusters)):
            members = np.flatnonzero(np.asarray(clusters) == cluster)
            edges |= _cycle(derive(seed, b"cluster", cluster, layer), members, taken)
        taken |= edges
        layers.append(edges)
    chosen = settings.pulls // 2 - 1
    kinds = len(layers) if 0 < chosen < len(layers) else 1
    graphs = [
        through_all.union(*(layers[(kind + at) % len(layers)] for at in range(chosen))) for kind in range(kinds)
    ]
    return Topology(count, tuple(_adjacent(count, edges) for edges in graphs), offset)


def _cycle(seed: bytes, members: Indices, taken: Edges) -> Edges:
    """A random cycle through these peers, one that shares no edge with those taken where one is found."""
    best: Edges = set()
    for attempt in range(_TRIES):
        order = members[permutation(derive(seed, attempt), len(members))]
        edges = {_edge(int(a), int(b)) for a, b in zip(order, np.roll(order, -1), strict=True) if a != b}
        if not edges & taken:
            return edges
        best = edges if len(edges - taken) > len(best - taken) else best
    return best


def _edge(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def _adjacent(count: int, edges: Iterable[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    found: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        found[a].append(b)
        found[b].append(a)
    return tuple(tuple(sorted(each)) for each in found)
