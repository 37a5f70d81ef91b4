"""JSON from untrusted senders. Python's parser recurses on the C stack as deep as the text nests, up to a limit that
some of our libraries raise (py-ecc to 100,000): without a bound of our own, one text could end the process.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter

_Kind = TypeVar("_Kind")
MOST_NESTING = 32
"""Arrays and objects inside one another; a submitted forecast has six."""
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


@dataclass(frozen=True)
class Outline:
    """What a JSON text in UTF-8 is made of: its brackets, and how many keys and single values it has."""

    brackets: bytes
    parts: int

    @classmethod
    def of(cls, text: bytes) -> Outline:
        bare = _STRING.sub(b"", text)
        return cls(bare.translate(_SQUARE, _NO_BRACKETS), bare.count(b":") + bare.count(b",") + 1)

    def is_deeper_than(self, most: int) -> bool:
        """Whether more than `most` arrays and objects stand inside one another.

        Found without recursion: each step takes the innermost pairs away. (Of brackets that are never closed, which
        are no JSON, up to twice as many may pass.)
        """
        left = self.brackets
        for _ in range(most):
            left = left.replace(b"[]", b"")
        return b"[]" in left or left.count(b"[") > most


def loads(text: bytes) -> Any:
    """What a JSON text in UTF-8 says. Raises ValueError, also for one that nests too deep."""
    if b"\0" in text or Outline.of(text).is_deeper_than(MOST_NESTING):
        raise ValueError(f"not JSON in UTF-8, or more than {MOST_NESTING} nested arrays and objects")
    return json.loads(text.decode())


def read_as(kind: type[_Kind], text: bytes) -> _Kind:
    """A dataclass, or a list of them, that a JSON text says, each field of its own type. Raises ValueError."""
    return TypeAdapter(kind).validate_json(text, strict=True)
