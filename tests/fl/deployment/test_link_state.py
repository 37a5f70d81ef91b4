"""Nodes get each of their messages once and nobody else's, and asking for nothing costs nothing."""

from __future__ import annotations

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.server.superlink.linkstate import InMemoryLinkState

from fl.deployment.fleet_server import FleetServer


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Node ids for which Flower looked through all open messages."""
    seen: list[int] = []
    plain = InMemoryLinkState.get_message_ins

    def counted(
        self: InMemoryLinkState, node_id: int, limit: int | None, *, run_id: int | None = None
    ) -> list[Message]:
        seen.append(node_id)
        return plain(self, node_id, limit, run_id=run_id)

    monkeypatch.setattr(InMemoryLinkState, "get_message_ins", counted)
    return seen


def online(link: FleetServer, count: int) -> list[int]:
    nodes = []
    for number in range(count):
        key = f"key {number}".encode()
        nodes.append(link.state.create_node("", "", key, 30))
        assert link.state.activate_node(nodes[-1], 30)
    return nodes


def test_a_node_gets_its_own_messages_once_each(scans: list[int]) -> None:
    link = FleetServer(None)
    first, second, idle = online(link, 3)
    with link.run() as grid:
        sent = [
            Message(RecordDict({"n": ConfigRecord({"n": n})}), node, "train", ttl=60)
            for n, node in enumerate((first, second, first))
        ]
        identifiers = list(grid.push_messages(sent))
        assert len(identifiers) == 3
        assert link.state.get_message_ins(idle, 1) == []
        got = [link.state.get_message_ins(node, 1) for node in (first, first, first, second, second)]
    assert [[m.metadata.message_id for m in messages] for messages in got] == [
        [identifiers[0]], [identifiers[2]], [], [identifiers[1]], []
    ]  # fmt: skip
    assert scans == [first, first, second]


def test_a_withdrawn_message_is_not_given_and_not_looked_for_again(scans: list[int]) -> None:
    link = FleetServer(None)
    (node,) = online(link, 1)
    with link.run() as grid:
        (identifier,) = grid.push_messages([Message(RecordDict(), node, "train", ttl=60)])
        link.state.delete_messages({identifier})
        assert [link.state.get_message_ins(node, 1) for _ in range(3)] == [[], [], []]
    assert scans == [node]
