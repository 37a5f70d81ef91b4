"""What a check came to, in a sentence that is true as it stands: a check that fails never reads as an assertion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["held", "failed", "missing", "noted"]


@dataclass(frozen=True)
class Finding:
    """Args:
    what: what was found, a sentence.
    kind: held; failed: something is false; missing: what should be there is not; noted: said for completeness.
    problem: of what failed or is missing, why. `meaning`: what that means, if it needs saying.
    """

    what: str
    kind: Kind = "held"
    problem: str | None = None
    meaning: str = ""

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
