"""The outcome of a check, as a sentence that is true as it stands: a failed check never reads as an assertion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from data.failures import masked

Kind = Literal["held", "failed", "missing", "noted"]


@dataclass(frozen=True)
class Finding:
    """Passwords in addresses are redacted, wherever a finding is shown.

    Args:
    what: what was found, a sentence.
    kind: held; failed: something is false; missing: what should be there is not; noted: said for completeness.
    problem: why a check failed or something is missing. `meaning`: what that means, where it needs saying.
    """

    what: str
    kind: Kind = "held"
    problem: str | None = None
    meaning: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "what", masked(self.what))
        if self.problem is not None:
            object.__setattr__(self, "problem", masked(self.problem))

    @classmethod
    def failed(cls, what: str, problem: str, meaning: str = "") -> Finding:
        return cls(what, "failed", problem, meaning)

    @classmethod
    def missing(cls, what: str, problem: str) -> Finding:
        return cls(what, "missing", problem)

    @classmethod
    def noted(cls, what: str) -> Finding:
        return cls(what, "noted")

    @property
    def is_bad(self) -> bool:
        return self.kind in ("failed", "missing")
