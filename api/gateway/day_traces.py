"""The gateway's part in the traces of its home's days (`api.config.tracing`)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from api.config.key_file import household_account
from api.config.tracing import HomeDay, tracer

if TYPE_CHECKING:
    from api.gateway.jobs import Due
    from api.gateway.outbox import Submission
    from api.gateway.steps import Step


class DayTraces:
    """`community`: its identifier; `folder`: the home's own."""

    def __init__(self, community: bytes, folder: Path) -> None:
        self._community, self._folder = community, folder

    def forecast(self, due: Due, tables: Sequence[Path]) -> None:
        """A day that was just forecast and proven. Its trace begins with its readings: when their table last changed
        before the work on them began."""
        if not tracer().is_on or due.proven is None or not due.steps:
            return
        of, begun = self._of(due.day), due.steps[0].began_ns
        written = max((path.stat().st_mtime_ns for path in tables if path.exists()), default=begun)
        tracer().past("readings imported", of, min(written, begun), begun, first=True)
        for step in due.steps:
            tracer().past(step.name, of, step.began_ns, step.ended_ns, round=due.proven.round)

    def claim(self, day: int, step: Step) -> None:
        """A day whose skill was just proven."""
        if tracer().is_on:
            tracer().past(step.name, self._of(day), step.began_ns, step.ended_ns)

    def proving_green(self, day: int) -> AbstractContextManager[object]:
        """Proving a green share, which waits until nothing else is proven or trained."""
        return tracer().step("prove green share", self._of(day)) if tracer().is_on else nullcontext()

    def submitting(self, submission: Submission) -> AbstractContextManager[object]:
        """An attempt to submit what is of one day: a forecast or a claim, of skill or of green hours."""
        if not tracer().is_on or submission.kind in ("head", "share"):
            return nullcontext()
        return tracer().step(f"submit {submission.kind}", self._of(submission.number))

    def _of(self, day: int) -> HomeDay:
        return HomeDay(self._community, household_account(self._folder).address, day)
