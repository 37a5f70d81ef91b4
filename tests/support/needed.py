"""What a test needs and a machine may not have: it is skipped there with a reason, and fails in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

IN_CI = "WATTPROOF_CI"
"""Set where nothing may be missing (`.ci/run`)."""


def is_missing(what: str, remedy: str) -> NoReturn:
    """Skip the test; in CI, let it fail."""
    told = f"{what}: {remedy}"
    if os.environ.get(IN_CI):
        pytest.fail(told)
    pytest.skip(told)
