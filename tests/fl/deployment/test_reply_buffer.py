"""The coordinator's link takes replies apart from each other and within bounds; no home can make it fail or wait."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree

from fl.deployment.fleet_server import FleetGrid, FleetServer
from fl.exchange import exchange

ASKED = RecordDict({"arrays": ArrayRecord({"w": Array(np.zeros(100, np.float32))})})
GOOD = RecordDict({"arrays": ArrayRecord({"w": Array(np.ones(100, np.float32))})})
Tree = dict[str, "Tree"]


@dataclass
class Agent:
    """A node of the link that answers as it likes, below the HTTP doors."""

    server: FleetServer
    node: int

    def answer(self, content: RecordDict | Error, **changes: str) -> None:
        """Answer the message that waits, as Flower's client does; `changes` go into what the reply says of itself."""
        asked = self.asked()
        reply = Message(content, reply_to=asked)
        known = dict(vars(reply.metadata))
        for name, value in changes.items():
            reply.metadata.__dict__[f"_{name}"] = value
        objects = {object_id: each.deflate() for object_id, each in get_all_nested_objects(reply).items()}
        tree = get_object_tree(reply)
        reply.metadata.__dict__.update(known | {"_message_id": tree.object_id})
        self.push(remove_content_from_message(reply), tree, objects)

    def forge(
        self, kind: str, body: bytes, children: dict[str, bytes] | None = None, tree: Tree | None = None
    ) -> None:
        """Answer with one object of a kind and body, whose children have these contents."""
        children = children or {}
        content = f"{kind} {','.join(children)} {len(body)}".encode() + b"\0" + body
        reply = Message(RecordDict(), reply_to=self.asked())
        reply.metadata.__dict__["_message_id"] = name = hashlib.sha256(content).hexdigest()
        self.push(reply, tree_of({name: tree or {child: {} for child in children}}), children | {name: content})

    def asked(self) -> Message:
        (message,) = self.server.state.get_message_ins(self.node, 1)
        return message

    def push(self, reply: Message, tree: ObjectTree, objects: dict[str, bytes]) -> bool:
        state, run = self.server.state, reply.metadata.run_id
        session = state.start_session(run)
        _, wanted = state.store_message_and_object_tree(reply, tree, session)
        return all([state.store_object(run, session, each, objects[each]) for each in wanted if each in objects])


def tree_of(tree: Tree) -> ObjectTree:
    ((name, children),) = tree.items()
    return ObjectTree(object_id=name, children=[tree_of({child: below}) for child, below in children.items()])


def named(content: bytes) -> dict[str, bytes]:
    return {hashlib.sha256(content).hexdigest(): content}


@dataclass
class Village:
    """An honest home and a hostile one, and a coordinator that asks both."""

    server: FleetServer
    grid: FleetGrid
    ada: Agent
    bob: Agent

    def round(
        self, hostile: Callable[[Agent], None], timeout: float = 5
    ) -> tuple[dict[str, RecordDict], dict[str, str]]:
        """What the coordinator has when bob answers first, and as he likes."""
        push = self.grid.push_messages

        def push_and_answer(messages: list[Message]) -> list[str]:
            sent = list(push(messages))
            hostile(self.bob)
            self.ada.answer(GOOD)
            return sent

        self.grid.push_messages = push_and_answer  # type: ignore[method-assign, assignment]
        nodes = {"ada": self.ada.node, "bob": self.bob.node}
        return exchange(self.grid, nodes, dict.fromkeys(nodes, ASKED), "train", timeout)


@pytest.fixture
def village() -> Iterator[Village]:
    server = FleetServer(None)
    nodes = [server.state.create_node("", "", name, 30) for name in (b"ada", b"bob")]
    assert all(server.state.activate_node(node, 30) for node in nodes)
    with server.run() as grid:
        yield Village(server, grid, *(Agent(server, node) for node in nodes))


def repeated_piece(bob: Agent) -> None:
    piece = named(b"ArrayChunk  100000\0" + bytes(100_000))
    head = {"dtype": "float32", "shape": [1], "stype": "numpy.ndarray", "arraychunk_ids": [0] * 20_000}
    bob.forge("Array", json.dumps(head).encode(), piece)


HOSTILE: dict[str, tuple[Callable[[Agent], None], str]] = {
    "an unknown kind": (lambda bob: bob.forge("Bomb", b""), "not a message"),
    "a record": (lambda bob: bob.forge("ConfigRecord", b""), "is a ConfigRecord, not a message"),
    "a message without content": (lambda bob: bob.forge("Message", b""), "not a message"),
    "a message of rubbish": (lambda bob: bob.forge("Message", b"\xff" * 50), "not a message"),
    "JSON nested 30,000 deep": (lambda bob: bob.forge("RecordDict", b"[" * 30_000), "no proper head"),
    "a piece repeated to 2 GB": (repeated_piece, "repeats its pieces"),
    "a tree that is too deep": (
        lambda bob: bob.forge("Message", b"", tree={"a": {"b": {"c": {"d": {"e": {"f": {}}}}}}}), "too deeply"
    ),
    "a tree that is too wide": (
        lambda bob: bob.forge("Message", b"", tree={f"{k:064x}": {} for k in range(5000)}), "more than 4096 objects"
    ),
    "names that are no hashes": (lambda bob: bob.forge("Message", b"", tree={"a": {}}), "not named by their hash"),
    "more than was asked for": (
        lambda bob: bob.answer(RecordDict({"c": ConfigRecord({"junk": bytes(10**6)})})), "larger than"
    ),
    "another's tree": (
        lambda bob: bob.push(
            identified(Message(RecordDict(), reply_to=bob.asked()), "1" * 64), tree_of({"2" * 64: {}}), {}
        ) and None, "not of the message",
    ),
    "an error of its own": (lambda bob: bob.answer(Error(code=1, reason="no\nday")), "^no day$"),
}  # fmt: skip


def identified(message: Message, name: str) -> Message:
    message.metadata.__dict__["_message_id"] = name
    return message


@pytest.mark.parametrize(("hostile", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_a_reply_that_is_none_is_that_homes_alone(
    village: Village, hostile: Callable[[Agent], None], reason: str
) -> None:
    replies, left_out = village.round(hostile)
    assert list(replies) == ["ada"] and list(left_out) == ["bob"]
    assert re.search(reason, left_out["bob"])
    np.testing.assert_array_equal(replies["ada"].array_records["arrays"]["w"].numpy(), np.ones(100))


def test_what_a_reply_says_of_itself_counts_for_nothing(village: Village) -> None:
    """Bob's message says that it comes from ada, in answer to what ada was asked."""
    bad = RecordDict({"arrays": ArrayRecord({"w": Array(np.full(100, 7, np.float32))})})
    replies, left_out = village.round(
        lambda bob: bob.answer(bad, src_node_id=village.ada.node, reply_to_message_id="0" * 64)
    )
    assert left_out == {}
    assert replies["ada"].array_records["arrays"]["w"].numpy()[0] == 1
    assert replies["bob"].array_records["arrays"]["w"].numpy()[0] == 7


def test_no_home_can_give_anothers_objects_children_that_never_come(village: Village) -> None:
    """Bob announces ada's content as his, with a child that nobody has: only his own reply waits for it."""
    parts = {object_id for object_id in get_all_nested_objects(GOOD)}
    tree: Tree = {part: {"f" * 64: {}} for part in parts}
    replies, left_out = village.round(lambda bob: bob.forge("Message", b"", tree=tree), timeout=1)
    assert list(replies) == ["ada"]
    assert left_out == {"bob": "no answer in 1 s"}


def test_a_push_that_is_repeated_goes_on_where_it_was(village: Village) -> None:
    def in_two_goes(bob: Agent) -> None:
        reply = Message(GOOD, reply_to=bob.asked())
        objects = {object_id: each.deflate() for object_id, each in get_all_nested_objects(reply).items()}
        tree, half = get_object_tree(reply), len(objects) // 2
        reply.metadata.__dict__["_message_id"] = tree.object_id
        shell = remove_content_from_message(reply)
        assert bob.push(shell, tree, dict(list(objects.items())[:half]))
        assert bob.push(shell, tree, dict(list(objects.items())[half:]))

    replies, left_out = village.round(in_two_goes)
    assert set(replies) == {"ada", "bob"} and left_out == {}


def test_a_home_that_is_shut_out_in_the_middle_of_its_reply_is_not_waited_for(village: Village) -> None:
    def begin(bob: Agent) -> None:
        bob.forge("Message", b"", tree={"f" * 64: {}})
        pull = village.grid.pull_messages

        def once_seen(message_ids: set[str]) -> list[Message]:
            seen = list(pull(message_ids))
            if any(reply.metadata.src_node_id == bob.node for reply in seen):
                bob.server.state.shut_out(b"bob")
            return seen

        village.grid.pull_messages = once_seen  # type: ignore[method-assign, assignment]

    replies, left_out = village.round(begin, timeout=300)
    assert list(replies) == ["ada"]
    assert left_out == {"bob": "the home was excluded during its reply"}


def test_a_home_that_is_shut_out_before_it_replies_is_not_waited_for(village: Village) -> None:
    def ask(bob: Agent) -> None:
        bob.asked()
        bob.server.state.shut_out(b"bob")

    replies, left_out = village.round(ask, timeout=300)
    assert list(replies) == ["ada"] and list(left_out) == ["bob"]


def test_nothing_of_a_round_stays_in_memory(village: Village) -> None:
    village.round(lambda bob: bob.forge("Message", b"", tree={"f" * 64: {}}), timeout=1)
    state = village.server.state
    assert state.num_message_ins() == state.num_message_res() == len(state.object_store) == 0  # type: ignore[arg-type]
    leftover = [state._replies, state._sessions, state._largest, state._object_push_sessions]
    assert leftover == [{}, {}, {}, {}]


def test_a_node_that_leaves_a_message_unanswered_is_not_asked_until_it_asks_for_work(village: Village) -> None:
    def hang(bob: Agent) -> None:
        bob.asked()

    _, left_out = village.round(hang, timeout=0.5)
    assert left_out == {"bob": "no answer in 0 s"}
    assert set(village.grid.get_node_ids()) == {village.ada.node}
    assert (
        village.server.state.get_message_ins(village.bob.node, 1) == []
    )  # it asks, and there is nothing left for it
    assert set(village.grid.get_node_ids()) == {village.ada.node, village.bob.node}


def test_a_node_that_was_never_given_its_message_is_only_late(village: Village) -> None:
    village.round(lambda bob: None, timeout=0.5)
    assert set(village.grid.get_node_ids()) == {village.ada.node, village.bob.node}
