"""A household's gateway: the agent that trains, and its daily task: forecast, prove, submit, claim.

Beside each new model the home fits a personal head of its own, which it commits to on the chain before it uses it.

The agent's own process stays small. Training, proving and opening a fetched model run in processes of their own, one
at a time, so that their memory does not add up (`fl.deployment.training_process`); it only signs and talks to the API
itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from api.config.community_yaml import Config
from api.gateway.day_watch import DayWatch
from api.gateway.head_commitment import read_head_commitment
from api.gateway.home_sensors import shown_at_home
from api.gateway.jobs import (
    Due,
    Isolated,
    fit_head,
    keep_head,
    open_learner,
    open_prover,
    prove,
    prove_claims,
    prove_due,
)
from api.gateway.live_meter import polled
from api.gateway.not_forecast import API_AWAY, FAILED, HEAD_UNSETTLED, NoModel, NoReadings
from api.gateway.weather import follow_feed, wait_for_feed
from data.errors import DataError, NoReadingsYet
from fl.client_mods import client_mods, open_ledger, open_record
from fl.deployment.agent import run_agent, stop_on_signals
from fl.deployment.background import Attempt, reason_of
from fl.deployment.kept_model import kept_model_path, kept_round
from fl.deployment.telemetry import AgentMetrics
from fl.deployment.training_process import TrainingProcess
from fl.one_shot.peak_file import peak_head_path
from forecasting.integer import QuantisationError

if TYPE_CHECKING:  # the agent's own process stays clear of the proof system
    from api.gateway.model_updater import ModelUpdater
    from api.gateway.prover import ProofFigures
    from api.gateway.secure_sum.client import SecureSumClient
    from api.gateway.submitter import Submitter

_log = logging.getLogger(__name__)


def run_gateway(config: Config, home: str) -> None:
    """Run the home's agent until it is told to stop.

    While it has no readings, or too few to train on, it waits for them, and forecasts as soon as it can. Raises
    DataError if its readings are damaged or another home's, KeysError if its key can't be had, LedgerDamaged or
    RecordDamaged if its privacy ledger or its record of sums can't be read.
    """
    ledger = open_ledger(config.federation, config.api.homes_dir / home / "privacy.json")
    record = open_record(config.federation, config.api.homes_dir / home / "sums.jsonl")
    wait_for_feed(config)
    process = TrainingProcess(home, partial(open_learner, config, home))
    with suppress(NoReadingsYet):
        process.start()  # what else is wrong with the readings is told now
    try:
        stop = stop_on_signals()
        with (
            polled(config, home, stop),
            follow_feed(config, stop),
            shown_at_home(config, home, stop),
            _open_services(config, home, process, stop) as services,
        ):
            daily_task = DailyTask(config, home, process, services)
            ready = partial(wait_for_readings, config, process)
            if config.federation.topology == "gossip":
                from api.gateway.gossip_peer import run_peer

                run_peer(config, home, process, daily_task=daily_task, ready=ready, stop=stop)
                return
            run_agent(
                config.federation.deployment,
                process,
                mods=client_mods(config.federation, home, ledger, record),
                ledger=ledger,
                keep=partial(process.keep, config.api.model_dir),
                keep_peaks=partial(process.keep_peaks, config.api.model_dir),
                daily_task=daily_task,
                ready=ready,
                stop=stop,
            )
    finally:
        process.close()


def wait_for_readings(
    config: Config, training: TrainingProcess, metrics: AgentMetrics, stop: threading.Event
) -> None:
    """Wait until the home has enough readings to train on, or until `stop` is set; says so once for each reason.

    Its files are looked at again when they have changed, which is cheap.
    """
    told, seen = "", None
    metrics.can_train.set(0)
    while not stop.is_set():
        if (files := _stamps(config.data.files)) != seen:
            seen = files
            try:
                training.start()
                metrics.can_train.set(1)
                return
            except DataError as why:
                if str(why) != told:
                    told = str(why)
                    _log.warning("waiting for readings to train on", extra={"home": training.home, "reason": told})
        stop.wait(config.federation.deployment.task_interval_s)


def _stamps(files: Sequence[Path]) -> list[tuple[str, int]]:
    """Files and when they changed; 0 for one that is not there."""
    return [(str(path), path.stat().st_mtime_ns if path.exists() else 0) for path in files]


class DailyTask:
    """Forecasts and proves the day after the home's readings end, whenever readings or model have changed.

    With an API (`gateway.api_url`), it fetches the newest model before that, fits and pins its personal head beside
    it, hands the forecast in, claims each day once it is measured, and enters the community's totals. Every day that
    has no forecast gets a reason (`DayWatch`).
    """

    def __init__(
        self,
        config: Config,
        home: str,
        training: TrainingProcess,
        services: GatewayServices | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config, self._home, self._training, self._services = config, home, training, services
        self._seen: list[tuple[str, int]] | None = None
        self._head_of = 0  # the last round that a head was looked for
        self._due: Due | None = None
        self._proving = Attempt("proving", _log, config.federation.deployment.task_interval_s)
        grace_s, start_hour = config.rewards.grace_seconds, config.data.day_start_utc
        self._days = DayWatch(home, start_hour, grace_s, self._has_forecast, now, config.api.homes_dir / home)

    def __call__(self, metrics: AgentMetrics) -> None:
        if self._may_prove(metrics):
            self._proving(partial(self._prove, metrics))
        self._explain()
        self._days.settle(metrics)
        if self._services is not None:
            self._services.submitter.run_once(metrics)
            if self._services.sums is not None:
                self._services.sums.run_once(metrics)

    def _may_prove(self, metrics: AgentMetrics) -> bool:
        """Whether it is certain by which model and head; what is new is fetched, fitted and pinned."""
        if self._services is None:
            return True
        is_new = self._inputs() != self._seen
        urgent = is_new or kept_model_path(self._config.api.model_dir) is None
        # Nothing can be submitted while the API is away, and by another model than the newest it would be refused.
        if not self._services.models.refresh(metrics, urgent):
            if is_new:
                self._because(API_AWAY, "the API has not said yet which model is the newest")
            return False
        number = self._prepare_head()
        if not self._services.submitter.head_is_settled(number, metrics):
            self._because(HEAD_UNSETTLED, "it is not certain yet whether the home's personal head is pinned")
            return False
        return True

    def _has_forecast(self, day: int) -> bool:
        return (self._config.api.proofs_dir / str(day) / f"{self._home}.json").exists()

    def _because(self, code: str, reason: str) -> None:
        """Today waits for something else than readings."""
        self._due = None
        self._days.because(self._days.today, code, reason)

    def _explain(self) -> None:
        """Why the day that is due has no forecast, or today has none, by the last look at the readings."""
        due = self._due
        if due is None:
            return
        if due.missed is not None:
            self._days.because(due.day, *due.missed)
        if due.day < self._days.today:
            ended = datetime.fromtimestamp(due.readings_end, UTC)
            reason = f"the readings end at {ended:%Y-%m-%d %H:%M} UTC: import the newer ones"
            self._days.because(self._days.today, NoReadings.code, reason)

    def _prepare_head(self) -> int:
        """Fit the head beside a model that is new, and commit to it; the round that is kept, 0 for none."""
        number = kept_round(self._config.api.model_dir)
        if number in (0, self._head_of):
            return number
        self._head_of = number  # a head that can't be fitted is not tried again and again
        if read_head_commitment(self._config.api.homes_dir / self._home, number) is not None:
            return number
        try:
            values = self._training.call(fit_head, self._config, number)
        except NoReadingsYet:
            return number
        except QuantisationError as unusable:
            _log.error("no personal head", extra={"home": self._home, "round": number, "reason": str(unusable)})
            return number
        if values is not None:
            run = Isolated(self._training, self._config.api.log_level)
            folders = self._config.api
            run(keep_head, folders.model_dir, folders.homes_dir / self._home, number, values)
            _log.info("personal head fitted", extra={"home": self._home, "round": number})
        return number

    def _prove(self, metrics: AgentMetrics) -> None:
        """Prove what there is to prove, once for these files. Raises what may turn out otherwise when tried again."""
        inputs = self._inputs()
        if not inputs:
            self._because(NoModel.code, "the community's model is not here yet: a training has to end first")
        elif inputs != self._seen:
            try:
                self._prove_new(metrics)
            except NoReadingsYet as why:
                self._because(NoReadings.code, str(why))
            except Exception as problem:
                self._because(FAILED, f"proving failed: {reason_of(problem)}")
                raise
        self._seen = inputs

    def _prove_new(self, metrics: AgentMetrics) -> None:
        days = [] if self._services is None else self._services.submitter.outbox.unclaimed()
        with self._training.paused_for(partial(open_prover, self._config, self._home)) as prover:
            _log.info("proving", extra={"home": self._home})
            try:
                self._due = prover.call(prove_due, self._config)
            finally:
                claimed = prover.call(prove_claims, self._config, days) if days else []
        for day in claimed:
            _log.info("skill proven", extra={"home": self._home, "day": day})
        if (peak := self._due.peak) is not None:
            metrics.peak_expected(self._due.day, peak)
        if (proven := self._due.proven) is not None:
            metrics.proven(proven.day, proven.seconds)
            _log.info("forecast proven", extra={"home": self._home, **asdict(proven)})

    def _inputs(self) -> list[tuple[str, int]]:
        """Files and when they changed, and days to claim; empty while there is no model to prove with."""
        model = kept_model_path(self._config.api.model_dir)
        if model is None:
            return []
        data = self._config.data
        files = [model, peak_head_path(model.parent), *data.files, *([data.weather] if data.weather else [])]
        days = [] if self._services is None else self._services.submitter.outbox.unclaimed()
        return [*_stamps(files), *(("claim", day) for day in days)]


@dataclass(frozen=True)
class GatewayServices:
    """What a gateway that submits needs beside proving: the way to the newest model, the way out, and the totals.

    `sums`: None where no roster is set, for without one the home enters no total.
    """

    models: ModelUpdater
    submitter: Submitter
    sums: SecureSumClient | None


@contextmanager
def _open_services(
    config: Config, home: str, training: TrainingProcess, stop: threading.Event
) -> Iterator[GatewayServices | None]:
    """None where no API is set. Raises KeysError for a roster or key that can't be used."""
    settings = config.gateway
    if settings.api_url is None:
        yield None
        return
    from api.gateway.client import ApiClient
    from api.gateway.model_updater import ModelUpdater
    from api.gateway.secure_sum.client import open_sums
    from api.gateway.secure_sum.contribution import Contributions
    from api.gateway.submitter import Submitter
    from rewards.rpc_client import RpcClient

    registry = settings.forecast_registry
    node = RpcClient(settings.rpc_url.get_secret_value(), registry) if settings.rpc_url and registry else None
    client = ApiClient(settings.api_url, stop)
    try:
        folders, run = config.api, Isolated(training, config.api.log_level)
        first_s, most_s = config.federation.deployment.task_interval_s, settings.retry_max_s
        submitter = Submitter(home, folders, settings, client, node, first_s=first_s)
        contributions = Contributions(home, folders.homes_dir / home, run)
        models = ModelUpdater(
            folders.model_dir, config.forecasting.model, run, client, node, first_s=first_s, most_s=most_s
        )
        yield GatewayServices(models, submitter, open_sums(config, home, client, submitter.outbox, contributions))
    finally:
        client.close()


def prove_on_gateway(config: Config, home: str, day: int) -> tuple[bytes, ProofFigures | None] | None:
    """The bundle of a day, made now if it was not before, and what it cost as far as that is known.

    None where no model has been handed out (no gateway).

    Raises DataError, ForecastError where the day can't be forecast.
    """
    if kept_model_path(config.api.model_dir) is None:
        return None
    from api.gateway.prover import ProofFolder, open_household
    from api.protocol.bundle import encode

    prove(open_household(config, home), config, day)
    folder = ProofFolder(config.api.proofs_dir)
    kept = folder.read(day, home)
    assert kept is not None  # just made, or before
    return encode(kept), folder.figures(day, home)
