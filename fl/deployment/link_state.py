"""Flower's link state in memory, adapted to many homes, and to misbehaving ones.

Flower's own scans all open messages, under its lock, whenever any node asks for work. A thousand homes that ask once
a second while a thousand messages are open keep a core busy with that alone (`WaitingLinkState`).

It also trusts what nodes send. `GuardedLinkState`, the coordinator's, keeps replies apart
(`fl.deployment.reply_buffer`), knows which nodes hang, and can exclude a node while it runs.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from flwr.app import Message
from flwr.proto.message_pb2 import ObjectTree
from flwr.server.superlink.linkstate import InMemoryLinkState, LinkState, LinkStateFactory

from fl.deployment.reply_buffer import PushedReply


class WaitingLinkState(InMemoryLinkState):
    """Tracks which nodes have messages waiting, and searches for no others."""

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


class GuardedLinkState(WaitingLinkState):
    """What the coordinator keeps of its agents."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._largest: dict[str, int] = {}  # message -> bytes that its reply may have
        self._replies: dict[str, PushedReply] = {}  # by the reply's id
        self._sessions: dict[str, str] = {}  # session of the last push of a reply -> the reply's id
        self._hanging: set[int] = set()

    def expect_reply(self, message_id: str, most: int) -> None:
        """Accept up to `most` bytes for the answer to a message."""
        with self.lock:
            self._largest[message_id] = most

    def pushed_reply(self, reply_id: str) -> PushedReply | None:
        """A reply as far as it has arrived; None if it was given up."""
        return self._replies.get(reply_id)

    def withdraw(self, message_ids: set[str]) -> None:
        """Stop waiting for answers. Nodes that received one of the messages count as hanging (`get_nodes`)."""
        with self.lock:
            for message_id in message_ids:
                message = self.message_ins_store.get(message_id)
                if message is not None and message.metadata.delivered_at:
                    self._hanging.add(message.metadata.dst_node_id)

    def shut_out(self, public_key: bytes) -> None:
        """Consider a node permanently gone. Its key may return later, as another node."""
        with self.lock:
            node_id = self.node_public_key_to_node_id.pop(public_key, None)
            if node_id is not None:
                node = self.nodes[node_id]
                node.online_until = node.online_until or 0.0  # Flower takes it for set
                self.delete_node(node.owner_aid, node_id)
            for reply in self._replies.values():  # the rest of it would be refused, and waited for in vain
                if reply.message.metadata.src_node_id == node_id and reply.missing:
                    reply.refuse("the home was excluded during its reply")

    def get_nodes(self, run_id: int) -> set[int]:
        """Nodes that are online and do not hang: a node that left a message unanswered is not asked again until it
        asks for work itself."""
        with self.lock:
            return super().get_nodes(run_id) - self._hanging

    def get_message_ins(self, node_id: int, limit: int | None, *, run_id: int | None = None) -> list[Message]:
        """Messages to a node that it was not given yet, at most `limit`."""
        with self.lock:
            self._hanging.discard(node_id)
            return super().get_message_ins(node_id, limit, run_id=run_id)

    def store_message_and_object_tree(
        self, message: Message, object_tree: ObjectTree, session_id: str
    ) -> tuple[bool, list[str]]:
        """Store the coordinator's message as Flower does; begin a reply. Whether it is taken, and what to push."""
        if not message.metadata.reply_to_message_id:
            return super().store_message_and_object_tree(message, object_tree, session_id)
        with self.lock:
            reply_id = self.store_message_res(message)
            if reply_id is None:
                return False, []
            self._cleanup_push_session(session_id, cleanup_messages=False)  # Flower's own, for its store of objects
            if reply_id not in self._replies:
                most = self._largest.get(message.metadata.reply_to_message_id, 0)
                self._replies[reply_id] = PushedReply.announced(message, object_tree, most)
            self._end_sessions(reply_id)
            self._sessions[session_id] = reply_id
            return True, self._replies[reply_id].missing

    def store_object(self, run_id: int, session_id: str, object_id: str, object_content: bytes) -> bool:
        """Store a part of a reply, in the session that its push began; the coordinator's own as Flower does."""
        with self.lock:
            reply_id = self._sessions.get(session_id)
            if reply_id is None:
                return super().store_object(run_id, session_id, object_id, object_content)
            reply = self._replies.get(reply_id)
            return reply is not None and reply.add(object_id, object_content)

    def delete_messages(self, message_ins_ids: set[str]) -> None:
        """Forget messages and their replies."""
        with self.lock:
            for message_id in message_ins_ids:
                self._largest.pop(message_id, None)
                reply_id = self.message_ins_id_to_message_res_id.get(message_id)
                if reply_id is not None and self._replies.pop(reply_id, None) is not None:
                    self._end_sessions(reply_id)
            super().delete_messages(message_ins_ids)

    def _end_sessions(self, reply_id: str) -> None:
        for session_id in [session for session, each in self._sessions.items() if each == reply_id]:
            del self._sessions[session_id]


class WaitingLinkStateFactory(LinkStateFactory):
    """Flower's factory, for one of these states."""

    kind: type[WaitingLinkState] = WaitingLinkState

    def state(self) -> LinkState:
        with self._state_lock:
            if self.state_instance is None:
                store = self.objectstore_factory.store()
                self.state_instance = self.kind(self.federation_manager, store)
            return self.state_instance


class GuardedLinkStateFactory(WaitingLinkStateFactory):
    """The coordinator's."""

    kind = GuardedLinkState
