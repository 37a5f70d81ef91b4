"""How many examples a law is tried with: `@examples(60)` in place of hypothesis's `settings(max_examples=60)`.

The count is that of the profile `ci`, whose default is CI_DEFAULT; in the profile `deep` it is twenty times that, and
the default DEEP_DEFAULT (see `tests/conftest.py`).
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings  # noqa: TID251 - the one place

CI_DEFAULT = 50
DEEP_DEFAULT = 2000


def is_deep() -> bool:
    """Whether laws are tried at length (`make test-deep`), those too that list their cases."""
    return settings().max_examples > CI_DEFAULT


def examples(count: int, **others: Any) -> settings:
    """Settings of a law that needs another number of examples than the default. `others`: further settings."""
    return settings(max_examples=20 * count if is_deep() else count, **others)
