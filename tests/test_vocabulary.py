"""One word for one thing: the words of docs/glossary.md, and none of those that they replaced."""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = ("api", "bench", "data", "fl", "forecasting", "rewards", "zkp")
NAMES = {
    "errand": "submission, outbox",
    "Courier": "Submitter",
    "ModelDesk": "ModelUpdater",
    "SumDesk": "SecureSumServer",
    "FrontDesk": "GatewayServices",
    "Uplink": "ApiClient",
    "own_head": "personal_head",
    "open_home": "HouseholdProver",
    "gateway_work": "jobs",
}
"""Names that the code no longer has, and what to call the thing instead."""
PHRASES = {
    r"\berrands?\b(?!\")": "submission",
    r"hand(?:s|ed|ing)? (?:it |them |forecasts? |claims? )?in\b": "submit",
    r"(?:front|sum|model) desk": "services, server, updater",
    r"useable": "usable",
    r"told at first contact": "named at first contact",
    r"put a copy from your backup in its place": "restore a copy from your backup",
}
"""Phrases that neither messages, docstrings nor docs have, and what to write instead."""


def files(*patterns: str) -> list[Path]:
    """Files of the repository; all that is there where this is no checkout."""
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.split() or [str(p.relative_to(ROOT)) for one in patterns for p in ROOT.glob(f"**/{one}")]
    return [ROOT / name for name in names if (ROOT / name).exists()]


MODULES = [path for path in files("*.py") if path.relative_to(ROOT).parts[0] in CODE]
PAGES = [path for path in files("*.md") if path.name != "CHANGELOG.md"]


def test_there_is_something_to_read() -> None:
    assert len(MODULES) > 300 and len(PAGES) > 10


@pytest.mark.parametrize("top", CODE)
def test_names_are_those_of_the_glossary(top: str) -> None:
    found = []
    for path in (one for one in MODULES if one.relative_to(ROOT).parts[0] == top):
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
            if token.type == tokenize.NAME and token.string.lstrip("_") in NAMES:
                instead = NAMES[token.string.lstrip("_")]
                found.append(f"{path.relative_to(ROOT)}:{token.start[0]}: {token.string} ({instead})")
    assert not found, "\n".join(found)


def test_sentences_are_in_the_words_of_the_docs() -> None:
    found = []
    for path in [*MODULES, *PAGES]:
        text = path.read_text(encoding="utf-8")
        for phrase, instead in PHRASES.items():
            for match in re.finditer(phrase, text, re.IGNORECASE):
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{path.relative_to(ROOT)}:{line}: {match[0]!r}; write {instead!r}")
    assert not found, "\n".join(found)
