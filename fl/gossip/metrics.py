"""Prometheus metrics of a peer, among its agent's."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from fl.gossip.registry import Moment
from fl.gossip.transport import ShelfServer


class PeerMetrics:
    """What a peer sees of the training."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.epoch = Gauge("wattproof_peer_epoch", "The training's epoch by the chain", registry=registry)
        self.revealing = Gauge("wattproof_peer_revealing", "1 while secrets are revealed", registry=registry)
        self.bytes_in = Gauge("wattproof_peer_bytes_in", "Bytes fetched from other peers", registry=registry)
        self.bytes_out = Gauge("wattproof_peer_bytes_out", "Bytes served to other peers", registry=registry)
        self.finished = Gauge("wattproof_peer_finished", "1 once the training's model is here", registry=registry)
        self.epsilon = Gauge("wattproof_peer_epsilon", "Privacy loss of this home's days so far", registry=registry)

    def follow(self, server: ShelfServer) -> None:
        """Tell what was served, at each scrape."""
        self.bytes_out.set_function(lambda: server.bytes_out)

    def saw(self, moment: Moment, bytes_in: int) -> None:
        self.epoch.set(moment.epoch)
        self.revealing.set(moment.revealing)
        self.bytes_in.set(bytes_in)
