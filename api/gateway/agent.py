"""A household's gateway: the agent that trains, and its daily task: forecast, prove, submit, claim.

For each new model the home fits its own personal head, which it commits to on the chain before using it.

The agent's main process stays small: it only signs and talks to the API. Training, proving and opening a fetched
model run in separate processes, one at a time, so that their memory does not add up
(`fl.deployment.training_process`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from api.config.community_yaml import Config
from api.config.traced import traced
from api.gateway.day_traces import DayTraces
from api.gateway.day_watch import DayWatch
from api.gateway.export_forecasts import ExportForecasts
from api.gateway.export_training import export_side
from api.gateway.file_times import changed_at
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
from api.gateway.recorded_time import gateway_clock
from api.gateway.round_traces import round_traces
from api.gateway.services import GatewayServices, open_services
from api.gateway.vertical import vertical_mods
from api.gateway.weather import follow_feed, wait_for_feed
from data.errors import DataError, NoReadingsYet
from data.failures import describe
from fl.client_mods import client_mods, open_ledger, open_record
from fl.deployment.agent import run_agent, stop_on_signals
from fl.deployment.background import Attempt
from fl.deployment.kept_model import kept_model_path, kept_round
from fl.deployment.telemetry import AgentMetrics
from fl.deployment.training_process import TrainingProcess
from fl.one_shot.peak_file import peak_head_path
from forecasting.integer import QuantisationError

if TYPE_CHECKING:  # the agent's own process stays clear of the proof system
    from api.gateway.proof_folder import ProofFigures

_log = logging.getLogger(__name__)


def run_gateway(config: Config, home: str) -> None:
    """Run the home's agent until it is asked to stop.

    While there are no readings, or too few to train on, it waits, and forecasts as soon as it can. Raises
    DataError if its readings are damaged or another home's, KeysError if its key cannot be loaded, LedgerDamaged or
    RecordDamaged if its privacy ledger or its record of sums can't be read.
    """
    ledger = open_ledger(config.federation, config.api.homes_dir / home / "privacy.json")
    record = open_record(config.federation, config.api.homes_dir / home / "sums.jsonl")
    api_url, every_s = config.gateway.api_url or "", config.federation.deployment.task_interval_s
    wait_for_feed(config.data, api_url)
    opened = partial(open_learner, config.data, config.forecasting, config.api.log_level, home)
    process, sessions = TrainingProcess(home, opened), TrainingProcess(home, opened)  # started when first needed
    with suppress(NoReadingsYet):
        process.start()  # other problems with the readings are raised here
    try:
        stop = stop_on_signals()
        with (
            traced(config.tracing, "wattproof-gateway"),
            gateway_clock(config, stop) as now,
            polled(config.data, config.api.homes_dir, home, stop, config.replay, now),
            follow_feed(config.data, api_url, stop),
            shown_at_home(config, home, stop, now),
            open_services(config, home, process, stop) as services,
        ):
            daily_task = DailyTask(config, home, process, services, now)
            ready = partial(wait_for_readings, config.data.files, every_s, process)
            if config.federation.topology == "gossip":
                from api.gateway.gossip_peer import run_peer

                run_peer(config, home, process, daily_task=daily_task, ready=ready, stop=stop)
                return
            run_agent(
                config.federation.deployment,
                process,
                mods=[
                    round_traces(config.community.identifier),
                    *client_mods(config.federation, home, ledger, record, vertical_mods(config, home, sessions)),
                ],
                ledger=ledger,
                keep=partial(process.keep, config.api.model_dir),
                keep_peaks=partial(process.keep_peaks, config.api.model_dir),
                export=export_side(config, home, process),
                daily_task=daily_task,
                ready=ready,
                stop=stop,
            )
    finally:
        process.close()
        sessions.close()


def wait_for_readings(
    tables: Sequence[Path], every_s: float, training: TrainingProcess, metrics: AgentMetrics, stop: threading.Event
) -> None:
    """Wait until the home has enough readings to train on, or until `stop` is set; logs each reason once.

    The tables are read again only when they have changed, so that waiting is cheap.
    """
    last_reason, seen = "", None
    metrics.can_train.set(0)
    while not stop.is_set():
        if (files := changed_at(tables)) != seen:
            seen = files
            try:
                training.start()
                metrics.can_train.set(1)
                return
            except DataError as why:
                if str(why) != last_reason:
                    last_reason = str(why)
                    _log.warning(
                        "waiting for readings to train on", extra={"home": training.home, "reason": last_reason}
                    )
        stop.wait(every_s)


class DailyTask:
    """Forecasts and proves the day after the home's readings end, whenever readings or model have changed.

    With an API (`gateway.api_url`), it fetches the newest model first, fits and pins its personal head, submits the
    forecast, claims each day once it is measured, and enters the community's totals. Every day without a forecast
    gets a reason (`DayWatch`).
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
        self._traces = DayTraces(config.community.identifier, config.api.homes_dir / home)
        self._seen: list[tuple[str, int]] | None = None
        self._head_of = 0  # the last round checked for a head
        self._due: Due | None = None
        self._proving = Attempt("proving", _log, config.federation.deployment.task_interval_s)
        models = None if services is None else services.export_models
        self._export = ExportForecasts(config, home, training, models) if config.federation.export else None
        grace_s, start_hour = config.rewards.grace_seconds, config.data.day_start_utc
        self._days = DayWatch(home, start_hour, grace_s, self._has_forecast, now, config.api.homes_dir / home)

    def __call__(self, metrics: AgentMetrics) -> None:
        if self._may_prove(metrics):
            self._proving(partial(self._prove, metrics))
        if self._export is not None:
            self._export.run_once(metrics)
        self._explain()
        self._days.settle(metrics)
        if self._services is not None:
            self._services.submitter.run_once(metrics)
            if self._services.sums is not None:
                self._services.sums.run_once(metrics)
            self._services.green.run_once()
            if self._services.shares is not None:
                self._services.shares.run_once()
            if self._services.answers is not None:
                self._services.answers.run_once()
            if self._services.surplus is not None:
                self._services.surplus.run_once()

    def _may_prove(self, metrics: AgentMetrics) -> bool:
        """Whether the model and head to use are settled; what is new is fetched, fitted and pinned."""
        if self._services is None:
            return True
        is_new = self._inputs() != self._seen
        urgent = is_new or kept_model_path(self._config.api.model_dir) is None
        # Nothing can be submitted while the API is unreachable, and a forecast by an older model would be refused.
        if not self._services.models.refresh(metrics, urgent):
            if is_new:
                self._because(API_AWAY, "the API has not yet said which model is the newest")
            return False
        number = self._prepare_head()
        if not self._services.submitter.head_is_settled(number, metrics):
            self._because(HEAD_UNSETTLED, "it is not yet certain whether the home's personal head is pinned")
            return False
        return True

    def _has_forecast(self, day: int) -> bool:
        return (self._config.api.proofs_dir / str(day) / f"{self._home}.json").exists()

    def _because(self, code: str, reason: str) -> None:
        """Today's forecast is waiting for something other than readings."""
        self._due = None
        self._days.because(self._days.today, code, reason)

    def _explain(self) -> None:
        """Why the day that is due, or today, has no forecast, as of the last look at the readings."""
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
        """Fit a head for a new model, and commit to it; returns the round that is kept, 0 for none."""
        folders = self._config.api
        number = kept_round(folders.model_dir)
        if number in (0, self._head_of):
            return number
        self._head_of = number  # a head that cannot be fitted is not retried
        if read_head_commitment(folders.homes_dir / self._home, number) is not None:
            return number
        try:
            values = self._training.call(fit_head, folders.model_dir, self._config.forecasting, number)
        except NoReadingsYet:
            return number
        except QuantisationError as unusable:
            _log.error("no personal head", extra={"home": self._home, "round": number, "reason": str(unusable)})
            return number
        if values is not None:
            run = Isolated(self._training, folders.log_level)
            run(keep_head, folders.model_dir, folders.homes_dir / self._home, number, values)
            _log.info("personal head fitted", extra={"home": self._home, "round": number})
        return number

    def _prove(self, metrics: AgentMetrics) -> None:
        """Prove what there is to prove, once per set of files. Raises what may succeed when retried."""
        inputs = self._inputs()
        if not inputs:
            self._because(NoModel.code, "the community's model is not available yet: a training has to end first")
        elif inputs != self._seen:
            try:
                self._prove_new(metrics)
            except NoReadingsYet as why:
                self._because(NoReadings.code, str(why))
            except Exception as problem:
                self._because(FAILED, f"proving failed: {describe(problem)}")
                raise
        self._seen = inputs

    def _prove_new(self, metrics: AgentMetrics) -> None:
        days = [] if self._services is None else self._services.submitter.outbox.unclaimed()
        data, folders = self._config.data, self._config.api
        horizon = self._config.forecasting.model.horizon_days
        opened = partial(open_prover, data, self._config.community, folders, self._home, horizon)
        with self._training.paused_for(opened) as prover:
            _log.info("proving", extra={"home": self._home})
            try:
                self._due = prover.call(prove_due, folders)
            finally:
                claimed = prover.call(prove_claims, folders, days) if days else {}
        for day, step in claimed.items():
            _log.info("skill proven", extra={"home": self._home, "day": day})
            self._traces.claim(day, step)
        if (peak := self._due.peak) is not None:
            metrics.peak_expected(self._due.day, peak)
        if (proven := self._due.proven) is not None:
            metrics.proven(proven.day, proven.seconds)
            self._traces.forecast(self._due, data.files)
            _log.info("forecast proven", extra={"home": self._home, **asdict(proven)})

    def _inputs(self) -> list[tuple[str, int]]:
        """Files and when they changed, and days to claim; empty while there is no model to prove with."""
        model = kept_model_path(self._config.api.model_dir)
        if model is None:
            return []
        data = self._config.data
        files = [model, peak_head_path(model.parent), *data.files, *([data.weather] if data.weather else [])]
        days = [] if self._services is None else self._services.submitter.outbox.unclaimed()
        return [*changed_at(files), *(("claim", day) for day in days)]


def prove_on_gateway(config: Config, home: str, day: int) -> tuple[bytes, ProofFigures | None] | None:
    """The bundle of a day, made now unless it exists, and what it cost as far as that is known.

    None if no model has been distributed (no gateway).

    Raises DataError, ForecastError if the day cannot be forecast.
    """
    if kept_model_path(config.api.model_dir) is None:
        return None
    from api.gateway.proof_folder import ProofFolder
    from api.gateway.prover import open_household
    from api.protocol.bundle import encode

    horizon = config.forecasting.model.horizon_days
    prove(open_household(config.data, config.community, config.api.homes_dir, home, horizon), config.api, day)
    folder = ProofFolder(config.api.proofs_dir)
    kept = folder.read(day, home)
    assert kept is not None  # just made, or before
    return encode(kept), folder.figures(day, home)
