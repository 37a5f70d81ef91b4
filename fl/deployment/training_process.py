"""A gateway's home whose training runs in a separate process, which can be paused for other work of the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from numpy.typing import NDArray

from fl.deployment.kept_model import keep_model
from fl.one_shot.fixed_point import Ints
from fl.one_shot.plan import OneShotPlan
from fl.plan import LocalPlan
from fl.weights import Weights
from fl.worker import WorkProcess

if TYPE_CHECKING:  # it loads pandas, which is for the process alone
    from fl.task import HomeLearner

_Subject = TypeVar("_Subject")
_Result = TypeVar("_Result")
_P = ParamSpec("_P")


class TrainingProcess:
    """A `client_app.Learner` that keeps its home open in a separate process, from the first training on.

    Args:
        open_learner: opens the home in that process; travels as a pickle.
        beside: another learner of this home (of the other quantity); one of the two is open at a time, for memory.
    """

    def __init__(
        self, home: str, open_learner: Callable[[], HomeLearner], beside: TrainingProcess | None = None
    ) -> None:
        self.home = home
        self._process = WorkProcess(open_learner)
        self._all: list[WorkProcess[HomeLearner]] = [] if beside is None else beside._all
        self._all.append(self._process)
        self._one_at_a_time: Lock = Lock() if beside is None else beside._one_at_a_time

    @property
    def examples(self) -> int:
        return self.call(_examples)

    def fit(self, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
        return self.call(_fit, weights, plan)

    def evaluate(self, weights: Weights) -> dict[str, float]:
        return self.call(_evaluate, weights)

    def sums(self, plan: OneShotPlan) -> tuple[Ints, int]:
        return self.call(_sums, plan)

    def keep(self, folder: Path, number: int, weights: Weights) -> None:
        """Keep the community's model of a round (see `kept_model`)."""
        self.call(_keep, folder, number, weights)

    def keep_peaks(self, folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the head of the peak classes (see `fl.one_shot.peak_file`)."""
        self.call(_keep_peaks, folder, arrays)

    def call(
        self, job: Callable[Concatenate[HomeLearner, _P], _Result], *arguments: _P.args, **named: _P.kwargs
    ) -> _Result:
        """What `job(learner, ...)` returns in the process; see `WorkProcess.call`."""
        with self._one_at_a_time:
            self._close_others()
            return self._process.call(job, *arguments, **named)

    def start(self) -> None:
        """Open the home now. Raises what opening raised."""
        with self._one_at_a_time:
            self._close_others()
            self._process.start()

    @contextmanager
    def paused_for(self, open_subject: Callable[[], _Subject]) -> Iterator[WorkProcess[_Subject]]:
        """A process for other work while the block runs; the training process releases its memory, and training
        waits."""
        with self._one_at_a_time:
            self._close_all()
            with WorkProcess(open_subject) as process:
                yield process

    def close(self) -> None:
        with self._one_at_a_time:
            self._close_all()

    def _close_all(self) -> None:
        for process in self._all:
            process.close()

    def _close_others(self) -> None:
        for process in self._all:
            if process is not self._process:
                process.close()


def _examples(learner: HomeLearner) -> int:
    return learner.examples


def _fit(learner: HomeLearner, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
    return learner.fit(weights, plan)


def _evaluate(learner: HomeLearner, weights: Weights) -> dict[str, float]:
    return learner.evaluate(weights)


def _keep_peaks(learner: HomeLearner, folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    from fl.one_shot.peak_file import keep_peak_head

    keep_peak_head(folder, arrays)


def _sums(learner: HomeLearner, plan: OneShotPlan) -> tuple[Ints, int]:
    return learner.sums(plan)


def _keep(learner: HomeLearner, folder: Path, number: int, weights: Weights) -> None:
    keep_model(folder, number, weights, learner.shape)
