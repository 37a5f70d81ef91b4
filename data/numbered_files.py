"""The numbers in names of files and folders. A copy beside them, as `forecast-17316 (1).json` of a program that keeps
folders the same, has none: it is nothing of ours, and must not stop what reads the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

_Kind = TypeVar("_Kind", bound=str)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


def number_in(text: str) -> int | None:
    """The number that a text is, as we write numbers; None if it is none."""
    return int(text) if _NUMBER.fullmatch(text) else None


def numbered(names: Iterable[str]) -> list[int]:
    """The numbers among names, ascending."""
    return sorted(number for name in names if (number := number_in(name)) is not None)


def kind_and_number(path: Path, kinds: Iterable[_Kind]) -> tuple[_Kind, int] | None:
    """What `KIND-NUMBER`, or `KIND-NUMBER.json`, names, of these kinds; None if it is another file."""
    named, _, text = path.name.removesuffix(".json").rpartition("-")
    kind, number = next((known for known in kinds if known == named), None), number_in(text)
    return None if kind is None or number is None else (kind, number)
