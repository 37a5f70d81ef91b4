"""The outline of a JSON text: what a stranger's body is judged by before any parser sees it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.json_text import MOST_NESTING, Outline, loads

ROOT = Path(__file__).parents[2]
TEXT = st.text(alphabet=st.sampled_from('[]{}",:\\ab\u2241\n'), max_size=8)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=30,
)


def depth(document: Any) -> int:
    if isinstance(document, dict):
        return 1 + max(map(depth, document.values()), default=0)
    return 1 + max(map(depth, document), default=0) if isinstance(document, list) else 0


def parts(document: Any) -> int:
    """Keys, and values that hold no others."""
    if isinstance(document, dict):
        return len(document) + sum(map(parts, document.values())) + (not document)
    return sum(map(parts, document)) + (not document) if isinstance(document, list) else 1


def test_no_module_of_ours_parses_json_by_itself() -> None:
    """Files, answers of servers, of nodes and of homes are read by `loads`, or by pydantic, which bounds nesting."""
    own = re.compile(r"\bjson\.loads?\(|\.json\(\)")
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for top in ("api", "data", "fl", "forecasting", "rewards", "zkp")
        for path in (ROOT / top).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if own.search(line)
    }
    assert found == {"data/json_text.py: return json.loads(text.decode())"}


@given(DOCUMENTS, st.booleans(), st.booleans())
def test_depth_and_size_are_those_of_the_document(document: Any, spaced: bool, escaped: bool) -> None:
    text = json.dumps(document, indent=1 if spaced else None, ensure_ascii=escaped).encode()
    outline, deep = Outline.of(text), depth(document)
    assert not outline.is_deeper_than(deep)
    assert deep == 0 or outline.is_deeper_than(deep - 1)
    assert outline.parts == parts(document)


def test_a_text_that_would_end_the_process_is_an_error() -> None:
    """Of both kinds of bracket, within strings' neighbourhood, and where nothing is ever closed."""
    for text in (b"[" * 80_000, b'{"a":' * 80_000, b"[" * 40 + b"]" * 40, b'["[",' * 33 + b"0" + b"]" * 33):
        with pytest.raises(ValueError, match=f"more than {MOST_NESTING}"):
            loads(text)
    with pytest.raises(ValueError, match="not JSON in UTF-8"):
        loads("[1]".encode("utf-16-le"))
    assert loads(b"[" * 32 + b'"[[[["' + b"]" * 32)
