"""A home's part in the training of the community's model of export, beside that of load."""

from __future__ import annotations

import logging
from functools import partial

from api.config.community_yaml import Config
from api.gateway.jobs import open_learner
from data.errors import DataError
from fl.client_app import ExportSide
from fl.deployment.training_process import TrainingProcess

_log = logging.getLogger(__name__)


def export_side(config: Config, home: str, training: TrainingProcess) -> ExportSide | None:
    """What the home's agent trains export with; None where `federation.export` is not set.

    Its windows are opened in a process of their own, for which that of `training` is closed.
    """
    if not config.federation.export:
        return None
    opened = partial(open_learner, config.data, config.forecasting, config.api.log_level, home, "export")
    learner = TrainingProcess(home, opened, beside=training)

    def able() -> bool:
        try:
            learner.start()
        except DataError as why:
            _log.warning("no training of export", extra={"home": home, "reason": str(why)})
            return False
        return True

    return ExportSide(learner, partial(learner.keep, config.api.model_of("export")), able)
