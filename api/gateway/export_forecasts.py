"""The home's forecasts of export, beside those of load: proven once per set of readings and model."""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from api.config.community_yaml import Config
from api.gateway.file_times import changed_at
from api.gateway.jobs import open_prover, prove_export_due
from data.errors import DataError
from fl.deployment.background import Attempt
from fl.deployment.kept_model import kept_model_path
from fl.deployment.telemetry import AgentMetrics
from fl.deployment.training_process import TrainingProcess

if TYPE_CHECKING:
    from api.gateway.model_updater import ModelUpdater

_log = logging.getLogger(__name__)


class ExportForecasts:
    """Forecasts and proves export whenever the readings or the model of export have changed.

    A day without a forecast of export costs its household nothing, so that the reason is only logged. `models`:
    fetches the community's model of it; None where the gateway has what it was handed.
    """

    def __init__(self, config: Config, home: str, training: TrainingProcess, models: ModelUpdater | None) -> None:
        self._config, self._home, self._training, self._models = config, home, training, models
        self._proving = Attempt("proving export", _log, config.federation.deployment.task_interval_s)
        self._seen: list[tuple[str, int]] = []

    def run_once(self, metrics: AgentMetrics) -> None:
        """Prove what is new. What fails is logged, and tried again."""
        if self._models is not None and not self._models.refresh(metrics, urgent=self._inputs() != self._seen):
            return
        if (inputs := self._inputs()) and inputs != self._seen:
            self._proving(partial(self._prove, inputs))

    def _prove(self, inputs: list[tuple[str, int]]) -> None:
        config, horizon = self._config, self._config.forecasting.model.horizon_days
        opened = partial(open_prover, config.data, config.community, config.api, self._home, horizon, "export")
        try:
            with self._training.paused_for(opened) as prover:
                proven = prover.call(prove_export_due, config.api)
        except DataError as why:  # there is nothing to prove until the files change
            _log.warning("no forecast of export", extra={"home": self._home, "reason": str(why)})
        else:
            if proven is not None:
                _log.info("forecast of export proven", extra={"home": self._home, **asdict(proven)})
        self._seen = inputs

    def _inputs(self) -> list[tuple[str, int]]:
        """Files and when they changed; none while there is no model."""
        model = kept_model_path(self._config.api.model_of("export"))
        if model is None:
            return []
        data = self._config.data
        return changed_at([model, *data.files, *([data.weather] if data.weather else [])])
