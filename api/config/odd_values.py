"""Values that pass for settings, though no machine can use them or nobody has written them as such."""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, SecretStr

from api.config.yaml_tree import KeyPath, YamlTree

_REMEDIES = {8: "leave out the zero in front", 60: "write a number without colons"}
_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, halves of a pair, separators of lines
_LONGEST_NAME, _LONGEST_PATH = 255, 4095  # bytes; what Linux and macOS take
_LONGEST_WAIT = 10**9
"""Seconds or hours: the operating system counts no further, by far."""
_LARGEST, _LARGEST_ON_CHAIN, _LARGEST_FRACTION = (1 << 63) - 1, (1 << 256) - 1, 10**15


def odd_values(settings: BaseModel, tree: YamlTree) -> Iterator[tuple[KeyPath, str]]:
    """Each such setting, with what is wrong and what to do. Quotes no text, which may be a secret."""
    for path, value in _leaves(settings, ()):
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            problem = _of_number(value, path, tree)
        elif isinstance(value, str | Path | SecretStr):
            problem = _of_text(value, path, tree)
        else:
            continue
        if problem is not None:
            yield path, problem


def _leaves(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, object]]:
    """Every single value, with its key's path."""
    if isinstance(value, BaseModel):
        parts: Iterable[tuple[str | int, object]] = value
    elif isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, tuple | list):
        parts = enumerate(value)
    else:
        yield path, value
        return
    for name, part in parts:
        yield from _leaves(part, (*path, name))


def _of_number(value: float | Decimal, path: KeyPath, tree: YamlTree) -> str | None:
    if not isinstance(value, int) and not math.isfinite(value):  # no fee, time or norm is; it would pass as large
        return "must be finite"
    misread = tree.misread(path)
    if misread is not None and misread[1] == "true or false":
        return f"is {misread[0]}: write a number"
    base = tree.base_of(path)
    if base in _REMEDIES:
        return f"is read as {value}, in base {base}: {_REMEDIES[base]}"
    most = _largest(value, path)
    if value > most:
        return f"is too large: write {most} at most"
    return f"is too small: write {-most} at least" if value < -most else None


def _largest(value: float | Decimal, path: KeyPath) -> int:
    if str(path[-1]).endswith(("_s", "_seconds", "_hours")):
        return _LONGEST_WAIT
    if not isinstance(value, int):
        return _LARGEST_FRACTION
    return _LARGEST_ON_CHAIN if path[0] == "rewards" else _LARGEST


def _of_text(value: str | Path | SecretStr, path: KeyPath, tree: YamlTree) -> str | None:
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    if (written := tree.text_of(path)) is not None and not written.strip():
        return "is empty: leave it out, or give it a value"
    if odd := next((letter for letter in text if unicodedata.category(letter) in _NO_TEXT), None):
        return (
            f"has a character that is no letter or sign (U+{ord(odd):04X}): take it out. Between double quotes a "
            "backslash begins such characters; between single quotes it is one"
        )
    if isinstance(value, Path):
        names = [len(os.fsencode(name)) for name in value.parts]
        if max(names, default=0) > _LONGEST_NAME or len(os.fsencode(text)) > _LONGEST_PATH:
            return (
                f"is longer than a path can be ({_LONGEST_PATH} bytes; each name in it {_LONGEST_NAME}): shorten it"
            )
    return None
