"""What is submitted twice gets its first answer, also where both come at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from api.http.errors import ApiError

_Answer = TypeVar("_Answer")


def taken_or_checked(taken: Callable[[], _Answer | None], check: Callable[[], None]) -> _Answer | None:
    """The answer to what was taken before; None for what is new and has passed `check`.

    What was taken between the two looks as if it were another's. Raises what `check` raises.
    """
    if (before := taken()) is None:
        try:
            check()
        except ApiError:
            if (before := taken()) is None:
                raise
    return before
