"""What the server does behind queues: proof checks, the chain, secure sums, calibrations and pictures.

Database reads do not queue; what follows from totals is computed once (`api.http.kept_answers`). The bounds on
waiting jobs follow from how long the last one waits: a gateway gives up after 30 s (`api.protocol.bounded_client`)
and retries.
"""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

from api.config.settings import ApiSettings
from api.http.proof_checks import ProofChecker
from api.http.work_queue import Lane, WorkQueue
from api.operator.chain_session import ChainSession

_NODE_READERS, _NODE_RELAYS = 8, 32
_SUM_WORKERS, _FIGURE_WORKERS = 4, 2


@dataclass(frozen=True)
class ProofLanes:
    """A forecast has an hour, a claim has days, and a mere check can be done locally with `wattproof verify`."""

    forecasts: Lane
    claims: Lane
    anybody: Lane

    @classmethod
    def on(cls, queue: WorkQueue) -> ProofLanes:
        name = "a proof to be checked"
        return cls(queue.lane(name, 64), queue.lane(name, 32), queue.lane(name, 32))


@dataclass(frozen=True)
class ChainLanes:
    """Calls that change nothing, households' own transactions, and the operator's."""

    reads: Lane
    registrations: Lane
    claims: Lane

    @classmethod
    def on(cls, queues: tuple[WorkQueue, WorkQueue, WorkQueue]) -> ChainLanes:
        reads, registrations, claims = queues
        return cls(
            reads.lane("the chain", 64), registrations.lane("the chain", 64),
            claims.lane("a claim to be paid", 16),
        )  # fmt: skip


class Work(AbstractContextManager["Work"]):
    """The queues of one server, closed at the end of its context."""

    def __init__(self, settings: ApiSettings, chain_session: ChainSession) -> None:
        self.checker = ProofChecker(settings.verifiers)
        # Of its own, started when the first share comes: to check a period's terms takes long, and forecasts are due.
        self.share_checker = ProofChecker(1)
        checks = WorkQueue("checks proofs", settings.verifiers)
        self._start = checks.lane("the start", 1)
        if chain_session.chain.tester is not None:  # used by one thread at a time
            one = WorkQueue("asks the chain", 1)
            chain = one, one, one
        else:
            # A household's transaction takes a block; the operator's are sent one after another.
            chain = (
                WorkQueue("asks the chain", _NODE_READERS), WorkQueue("registers", _NODE_RELAYS),
                WorkQueue("pays", 1),
            )  # fmt: skip
        sums, figures = WorkQueue("sums", _SUM_WORKERS), WorkQueue("calibrates and draws", _FIGURE_WORKERS)
        shares = WorkQueue("checks shares", 1)
        self._queues = {checks, *chain, sums, figures, shares}
        self.proofs, self.chain = ProofLanes.on(checks), ChainLanes.on(chain)
        self.sums, self.shares = sums.lane("a sum", 64), shares.lane("a share to be checked", 64)
        self.calibrations, self.pictures = figures.lane("a calibration", 64), figures.lane("a picture", 8)

    def start(self) -> Future[None]:
        """Start the proof checkers, so that the first proof need not wait for them; returns when they are ready."""
        return self._start.submit(self.checker.start)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for queue in self._queues:
            queue.close()
        for checker in (self.checker, self.share_checker):
            checker.close()
