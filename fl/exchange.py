"""One exchange with the homes: each is sent its message, every reply is checked, and homes that do not answer are
named.

How a round is gathered is a `Gather`. `gather_updates` is the plain one; secure aggregation and one-shot training
have others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid
from numpy.typing import NDArray

from fl.aggregation.strategy import Update
from fl.client_app import ABLE, ARRAYS, EXPORT, HELLO, PLAN, WHO
from fl.errors import UpdateRefused
from fl.replies import read_name, read_scores, read_update, reason_of
from fl.weights import Weights, record_bytes, to_record

_log = logging.getLogger(__name__)
_GRACE_S = 10.0  # messages outlive the wait, so that it is the wait that ends a round
Identify = Callable[[Grid, Sequence[int]], dict[int, str]]
"""Maps node ids to the names of homes; nodes without a name are left out."""


@dataclass(frozen=True)
class Gathered:
    """What came back from one exchange with the homes."""

    updates: list[Update]  # by home
    left_out: dict[str, str]
    bytes_down: int
    bytes_up: int
    keep: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)  # arrays to keep with the round, by file
    figures: dict[str, float] = field(default_factory=dict)  # for the report


class Gather(Protocol):
    """How the updates of a round are collected; secure aggregation is another one of these, giving one sum."""

    def __call__(
        self, grid: Grid, nodes: dict[str, int], start: Weights, plan: ConfigRecord, timeout: float
    ) -> Gathered: ...


def ask_names(timeout: float = 60) -> Identify:
    """Identify nodes by asking them (`query.hello`): for the simulation, where no node can lie."""

    def identify(grid: Grid, nodes: Sequence[int]) -> dict[int, str]:
        messages = [_message(RecordDict(), node, HELLO, timeout) for node in nodes]
        names = {}
        for reply in grid.send_and_receive(messages, timeout=timeout):
            name = None if reply.has_error() else read_name(reply.content)
            if name is None:
                reason = reason_of(reply.error) if reply.has_error() else "the answer has no name"
                _log.warning("a node did not say who it is", extra={"reason": reason})
            else:
                names[reply.metadata.src_node_id] = name
        return names

    return identify


def gather_updates(grid: Grid, nodes: dict[str, int], start: Weights, plan: ConfigRecord, timeout: float) -> Gathered:
    """Send the model and the plan to each home, and collect each home's own model."""
    record = to_record(start)
    content = RecordDict({ARRAYS: record, PLAN: plan})
    replies, left_out = exchange(grid, nodes, dict.fromkeys(nodes, content), MessageType.TRAIN, timeout)
    updates, received = [], 0
    for home, reply in sorted(replies.items()):
        received += sum(record_bytes(each) for each in reply.array_records.values())
        try:
            updates.append(read_update(home, reply, start))
        except UpdateRefused as refused:
            left_out[home] = str(refused)
    return Gathered(updates, left_out, record_bytes(record) * len(nodes), received)


def gather_scores(
    grid: Grid, nodes: dict[str, int], weights: Weights, timeout: float
) -> tuple[dict[str, dict[str, float]], int]:
    """Each home's metrics of the global model on its own held-out days, and the payload bytes sent for it."""
    record = to_record(weights)
    contents = dict.fromkeys(nodes, RecordDict({ARRAYS: record}))
    replies, _ = exchange(grid, nodes, contents, MessageType.EVALUATE, timeout)
    scores = {}
    for home, reply in sorted(replies.items()):
        try:
            scores[home] = read_scores(home, reply)
        except UpdateRefused as refused:
            _log.warning("scores refused", extra={"home": home, "reason": str(refused)})
    return scores, record_bytes(record) * len(nodes)


def homes_able(grid: Grid, nodes: Mapping[str, int], timeout: float) -> list[str]:
    """The homes that say that they can train a model of export (`query.export`)."""
    replies, _ = exchange(grid, nodes, {home: RecordDict() for home in nodes}, EXPORT, timeout)
    said = {
        home: reply.config_records[WHO].get(ABLE) for home, reply in replies.items() if WHO in reply.config_records
    }
    return sorted(home for home, able in said.items() if able is True)


def exchange(
    grid: Grid, nodes: Mapping[str, int], contents: Mapping[str, RecordDict], kind: str, timeout: float
) -> tuple[dict[str, RecordDict], dict[str, str]]:
    """Send each home its content. Returns the valid replies by home, and the reason for every other home."""
    homes = {node: home for home, node in nodes.items()}
    messages = [_message(contents[home], node, kind, timeout) for home, node in nodes.items()]
    answers = list(grid.send_and_receive(messages, timeout=timeout))
    # The grid numbers messages as it sends them. An error that Flower makes itself (the node is gone, the message has
    # expired) names the message, not always the node.
    sent = {message.metadata.message_id: message.metadata.dst_node_id for message in messages}
    replies, left_out = {}, {}
    for reply in answers:
        node = sent.get(reply.metadata.reply_to_message_id, reply.metadata.src_node_id)
        home = homes.get(node)
        if home is None:
            continue
        if reply.has_error():
            left_out[home] = reason_of(reply.error)
        else:
            replies[home] = reply.content
    for home in nodes.keys() - replies.keys() - left_out.keys():
        left_out[home] = f"no answer in {timeout:.0f} s"
    for home, reason in sorted(left_out.items()):
        _log.warning("home left out", extra={"home": home, "reason": reason})
    return replies, left_out


def _message(content: RecordDict, node: int, kind: str, timeout: float) -> Message:
    return Message(content=content, dst_node_id=node, message_type=kind, ttl=timeout + _GRACE_S)
