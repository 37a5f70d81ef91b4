"""Flower's link state in memory, made fit for many homes.

Flower's own looks through all open messages, under its lock, whenever any node asks for work. A thousand homes that
ask once a second while a thousand messages are open keep a core busy with that alone.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from flwr.app import Message
from flwr.server.superlink.linkstate import InMemoryLinkState, LinkState, LinkStateFactory


class WaitingLinkState(InMemoryLinkState):
    """Knows which nodes have messages waiting, and looks for those of no other node."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._waiting: Counter[int] = Counter()

    def store_message_ins(self, message: Message) -> str | None:
        """Store one message to a node; its id, or None if it is refused."""
        with self.lock:
            stored = super().store_message_ins(message)
            if stored is not None:
                self._waiting[message.metadata.dst_node_id] += 1
            return stored

    def get_message_ins(self, node_id: int, limit: int | None, *, run_id: int | None = None) -> list[Message]:
        """Messages to a node that it was not given yet, at most `limit`."""
        with self.lock:
            if node_id not in self._waiting:
                return []
            messages = super().get_message_ins(node_id, limit, run_id=run_id)
            self._waiting[node_id] -= len(messages)
            if not messages or self._waiting[node_id] <= 0:  # none: what waited was withdrawn, or has expired
                del self._waiting[node_id]
            return messages


class WaitingLinkStateFactory(LinkStateFactory):
    """Flower's factory, for such a state."""

    def state(self) -> LinkState:
        with self._state_lock:
            if self.state_instance is None:
                store = self.objectstore_factory.store()
                self.state_instance = WaitingLinkState(self.federation_manager, store)
            return self.state_instance
