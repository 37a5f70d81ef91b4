"""What a machine lacks is told, and never passed over in CI."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.needed import IN_CI, is_missing


@pytest.mark.parametrize(("in_ci", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_a_test_is_skipped_with_the_reason_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, in_ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv(IN_CI, in_ci)
    with pytest.raises(outcome, match="there is no database: install one"):
        is_missing("there is no database", "install one")


def test_ci_says_that_it_is_ci() -> None:
    run = (Path(__file__).parents[1] / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(rf"^export {IN_CI}=1\b", run, re.MULTILINE)
