"""Incoming replies of homes: collected piece by piece, within bounds, apart from each other.

A reply arrives as objects named by their SHA-256, which refer to each other (Flower's inflatable objects). Flower
keeps those of all nodes in one store and trusts what a node says about their shape. So one home could give another's
objects children that never arrive, make a tree expand beyond all bounds, or have one piece repeated a million times;
and a reply that cannot be assembled is an exception in the coordinator. Here each reply is stored separately, is no
larger than the request justifies, and any fault in it becomes an error reply of that home.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flwr.app import Error, Message
from flwr.app.message.message import make_message
from flwr.common.constant import ErrorCode
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.constant import HEAD_BODY_DIVIDER
from flwr.supercore.inflatable.inflatable_object import (
    get_object_head_values_from_object_content,
    get_object_id,
    is_valid_sha256_hash,
    iterate_object_tree,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

from data.json_text import loads

_DEPTH = 6  # message, content, record, array, piece of an array; one to spare
_MOST_OBJECTS = 4096
_HEAD_BYTES = 65_536
_JSON_KINDS = ("RecordDict", "ArrayRecord", "Array")


class ReplyRefused(Exception):
    """A refused reply; the text says why."""


@dataclass
class PushedReply:
    """One reply as it arrives.

    Args:
        message: its metadata as checked by the link: its sender, and what it answers. What the reply's own content
            says about that is ignored.
        expected: ids of its objects, its own first.
        most: bytes that are accepted of it.
    """

    message: Message
    expected: dict[str, None]
    most: int
    refused: str | None = None
    contents: dict[str, bytes] = field(default_factory=dict, repr=False)

    @staticmethod
    def announced(message: Message, tree: ObjectTree, most: int) -> PushedReply:
        """The reply that a home announces. An unacceptable one is refused from the start."""
        try:
            expected = _object_ids(message.metadata.message_id, tree)
        except ReplyRefused as refused:
            return PushedReply(message, {}, most, str(refused))
        return PushedReply(message, expected, most)

    @property
    def missing(self) -> list[str]:
        """Ids of the objects still to come."""
        return [] if self.refused else [each for each in self.expected if each not in self.contents]

    def add(self, object_id: str, content: bytes) -> bool:
        """Accept one object; False if it does not belong to the reply."""
        if self.refused or object_id not in self.expected or get_object_id(content) != object_id:
            return False
        if object_id not in self.contents:
            if sum(map(len, self.contents.values())) + len(content) > self.most:
                self.refuse(f"the reply is larger than {self.most} bytes, which the request does not justify")
                return False
            self.contents[object_id] = content
        return True

    def refuse(self, reason: str) -> None:
        self.refused = reason
        self.contents.clear()

    def whole(self) -> Message | None:
        """The message once complete, otherwise None. A fault in it turns it into an error message."""
        if self.missing:
            return None
        if self.refused is None:
            try:
                return self._assembled()
            except ReplyRefused as refused:
                self.refuse(str(refused))
            except Exception as problem:  # noqa: BLE001 - Flower decodes what the home sent: all failure is the home's
                self.refuse(f"the reply is not a message ({type(problem).__name__})")
        return make_message(self.message.metadata, error=Error(ErrorCode.UNKNOWN, self.refused))

    def _assembled(self) -> Message:
        _check_heads(self.contents, self.most)
        inflated = inflate_object_from_contents(next(iter(self.expected)), self.contents)
        if not isinstance(inflated, Message):
            raise ReplyRefused(f"the reply is a {type(inflated).__name__}, not a message")
        if inflated.has_error():
            return make_message(self.message.metadata, error=inflated.error)
        return make_message(self.message.metadata, content=inflated.content)


def _object_ids(message_id: str, tree: ObjectTree) -> dict[str, None]:
    """The ids of a reply's objects, its own first. Raises ReplyRefused."""
    if tree.object_id != message_id:
        raise ReplyRefused("the reply's objects are not of the message they were announced with")
    if _depth(tree) > _DEPTH:
        raise ReplyRefused("the reply's objects are nested too deeply")
    ids: dict[str, None] = {message_id: None}
    for node in iterate_object_tree(tree):
        ids[node.object_id] = None
        if len(ids) > _MOST_OBJECTS:
            raise ReplyRefused(f"the reply has more than {_MOST_OBJECTS} objects")
    if not all(is_valid_sha256_hash(each) for each in ids):
        raise ReplyRefused("the reply's objects are not named by their hash")
    return ids


def _depth(tree: ObjectTree) -> int:
    """Levels of the tree, counted up to the limit."""
    level, depth = [tree], 0
    while level and depth <= _DEPTH:
        level, depth = [child for node in level for child in node.children], depth + 1
    return depth


def _check_heads(contents: Mapping[str, bytes], most: int) -> None:
    """Raises ReplyRefused for records that are not short flat JSON, and arrays that come to more than `most` bytes.

    An array lists its pieces by number, and may list one a million times. And Python's JSON parser recurses as deep
    as the text is nested, on the C stack, where a process has raised the limit of recursion (py-evm does).
    """
    total = 0
    for content in contents.values():
        kind, pieces, _ = get_object_head_values_from_object_content(content)
        if kind not in _JSON_KINDS:
            continue
        body = content.partition(HEAD_BODY_DIVIDER)[2]
        if len(body) > _HEAD_BYTES or body.count(b"{") > 1 or body.count(b"[") > 2:
            raise ReplyRefused(f"a part of the reply ({kind}) has no proper head")
        if kind == "Array":
            total += sum(len(contents[pieces[number]]) for number in loads(body)["arraychunk_ids"])
    if total > most:
        raise ReplyRefused("an array of the reply repeats its pieces")
