"""The jobs of a gateway's processes: open the home to train, open it to prove, prove.

Each loads no more than it needs: no Flower to prove, no proof system to train, and neither loads PyTorch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from api.config.logs import set_up
from api.gateway.steps import Step, Steps

if TYPE_CHECKING:
    from api.config.settings import ApiSettings, CommunitySettings
    from api.gateway.prover import HouseholdProver
    from data.quantity import Quantity
    from data.settings import DataSettings
    from fl.deployment.training_process import TrainingProcess
    from fl.task import HomeLearner
    from forecasting.settings import ForecastingSettings, ModelSettings
    from zkp.lstm.integer_model import Ints

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_P = ParamSpec("_P")


@dataclass(frozen=True)
class Proven:
    """A proof made on the gateway. Plain numbers: the agent's process needs no imports to receive it."""

    day: int
    round: int
    seconds: float
    bytes: int
    peak_mb: float


@dataclass(frozen=True)
class Due:
    """The outcome for the day that is due by the home's readings. `readings_end`: UTC seconds.

    `proven`: None if it was proven before, or cannot be: `missed` then holds the reason's name and message.
    `peak`: how likely a low, middle and high peak are; None without a head of peak classes, or too few days.
    `steps`: when each step to the proof was done.
    """

    day: int
    readings_end: int
    proven: Proven | None = None
    missed: tuple[str, str] | None = None
    peak: dict[str, float] | None = None
    steps: tuple[Step, ...] = ()


def prove_export_due(opened: HouseholdProver, folders: ApiSettings) -> Proven | None:
    """Forecast and prove export of the newest day that the readings reach; None when that has been done before.

    Raises NotForecast.
    """
    return prove(opened, folders, opened.due_day())


def prove_due(opened: HouseholdProver, folders: ApiSettings) -> Due:
    """Forecast and prove the newest day that the readings reach."""
    from api.gateway.not_forecast import NotForecast

    day, end = opened.due_day(), int(opened.readings_end.timestamp())
    timed = Steps()
    try:
        proven = prove(opened, folders, day, timed)
    except NotForecast as why:
        return Due(day, end, missed=(why.code, str(why)))
    return Due(day, end, proven, peak=_peak(opened, folders, day), steps=tuple(timed.done))


def _peak(opened: HouseholdProver, folders: ApiSettings, day: int) -> dict[str, float] | None:
    from api.gateway.peak import expected_peak, peak_head
    from fl.errors import StatisticsRefused

    try:
        head = peak_head(folders)
        expected = None if head is None else expected_peak(opened, head, day)
    except StatisticsRefused as why:
        _log.warning("no class of the peak", extra={"home": opened.home.name, "reason": str(why)})
        return None
    return None if expected is None else expected.by_class


def prove(opened: HouseholdProver, folders: ApiSettings, day: int, timed: Steps | None = None) -> Proven | None:
    """Forecast and prove a day of the quantity that is opened; None when that has been done before. Raises
    NotForecast."""
    from api.gateway import proving
    from api.gateway.proof_folder import ProofFolder
    from api.gateway.round_model import RoundModel

    folder = ProofFolder(folders.proofs_of(opened.quantity))
    if folder.read(day, opened.home.name) is not None:
        return None
    model = RoundModel.kept(folders.model_of(opened.quantity))
    timed = timed or Steps()
    prepared = opened.prepare(day, model, timed)
    with timed("prove forecast"):
        made = proving.make(prepared.job)
    with timed("seal forecast"):
        _, figures = opened.keep(prepared, made, folder)
    return Proven(day, model.round, figures.prove_s, figures.bytes, figures.peak_mb)


def prove_claims(opened: HouseholdProver, folders: ApiSettings, days: Sequence[int]) -> dict[int, Step]:
    """Prove the skill of the days measured by now; returns those with a claim to submit, and when it was proven.

    What keeps a day from being claimed is logged, and the others proceed.
    """
    from data.errors import DataError
    from zkp.errors import ProofError

    claimed = {}
    for day in days:
        timed = Steps()
        try:
            with timed("prove skill"):
                made = _prove_claim(opened, folders, day)
            if made:
                claimed[day] = timed.done[0]
        except (DataError, ProofError) as why:
            _log.error("claim failed", extra={"home": opened.home.name, "day": day, "reason": str(why)})
    return claimed


def _prove_claim(opened: HouseholdProver, folders: ApiSettings, day: int) -> bool:
    """Whether there is now a claim to submit for the day.

    A day whose forecast was no better than the benchmarks has nothing to claim, and one of which hours were filled in
    can never be claimed: its submission ends here.
    """
    from api.gateway.outbox import Outbox, Submission
    from api.gateway.proof_folder import ProofFolder
    from api.protocol.bundle import encode
    from data.atomic import write_bytes

    name = opened.home.name
    proof, path = ProofFolder(folders.proofs_dir).read(day, name), folders.claims_dir / str(day) / f"{name}.json"
    if proof is None or path.exists():
        return False
    if not opened.is_measured(day):
        opened.tell_gap(day)
        if opened.has_filled_for_good(day):
            ended = Submission("claim", day, int(time.time())).ended("done", "filled-hours")
            Outbox(folders.outbox_dir, name).put(ended)
        return False
    claim = opened.claim(day, proof.context.round)
    if claim is None:
        ended = Submission("claim", day, int(time.time())).ended("done", "no-better-than-benchmarks")
        Outbox(folders.outbox_dir, name).put(ended)
        return False
    write_bytes(path, encode(claim))
    return True


def prove_green(
    data: DataSettings, community: CommunitySettings, folders: ApiSettings, home: str, day: int,
    weights: tuple[int, ...],
) -> str:  # fmt: skip
    """Prove how much of a day's load was green, by the community's weights of its hours; why there is nothing to
    claim, or nothing where there is a bundle now."""
    from api.protocol.bundle import encode
    from data.atomic import write_bytes

    opened = open_prover(data, community, folders, home)
    if len(opened.days.missing(day)) or len(opened.days.filled(day)):
        return "filled-hours"
    bundle = opened.green_share(day, weights)
    if bundle is None:
        return "not-green"
    write_bytes(folders.green_dir / str(day) / f"{home}.json", encode(bundle))
    return ""


@dataclass(frozen=True)
class Isolated:
    """Runs jobs in separate processes; the training is paused for each of them."""

    training: TrainingProcess
    log_level: str

    def __call__(self, job: Callable[_P, _Result], *arguments: _P.args, **named: _P.kwargs) -> _Result:
        """What the job returns."""
        with self.training.paused_for(partial(set_up, self.log_level)) as process:
            work: Callable[[None, Callable[[], _Result]], _Result] = _done
            return process.call(work, partial(job, *arguments, **named))


def _done(_: None, work: Callable[[], _Result]) -> _Result:
    return work()


def keep_offered_model(folder: Path, model: ModelSettings, number: int, digest: bytes, content: bytes) -> None:
    """See `model_validation.keep_offered`."""
    from api.gateway.model_validation import keep_offered
    from forecasting.shape import ModelShape

    keep_offered(folder, number, digest, content, ModelShape.of(model))


def fit_head(learner: HomeLearner, model_folder: Path, forecasting: ForecastingSettings, number: int) -> Ints | None:
    """The home's personal head beside the kept model of a round; None where it has none, or the weights are gone."""
    from fl.deployment.kept_model import kept_weights

    weights = kept_weights(model_folder, number)
    return None if weights is None else learner.personal_head(weights, forecasting)


def keep_head(model_folder: Path, home_folder: Path, number: int, values: Ints) -> None:
    """Keep a fitted head in the home's folder and commit to it."""
    from api.gateway.personal_head import commit_head, keep_values
    from api.gateway.round_model import RoundModel

    model = RoundModel.kept(model_folder)
    if model.round == number:  # else a newer one has come meanwhile
        keep_values(home_folder, number, values)
        commit_head(home_folder, number, model.commitment)


def open_learner(
    data: DataSettings, forecasting: ForecastingSettings, log_level: str, home: str, quantity: Quantity = "load"
) -> HomeLearner:
    from fl.deployment.home import load_home

    set_up(log_level)
    return load_home(data, forecasting, home, quantity)


def open_prover(
    data: DataSettings, community: CommunitySettings, folders: ApiSettings, home: str, horizon: int = 1,
    quantity: Quantity = "load",
) -> HouseholdProver:  # fmt: skip
    from api.gateway.prover import open_household

    set_up(folders.log_level)
    return open_household(data, community, folders.homes_dir, home, horizon, quantity)
