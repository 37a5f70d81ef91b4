"""The parts of a gateway's work with the community's API, each opened from its settings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.config.community_yaml import Config
from api.gateway.day_traces import DayTraces
from api.gateway.jobs import Isolated
from fl.deployment.training_process import TrainingProcess

if TYPE_CHECKING:  # the agent's own process stays clear of the proof system
    from api.gateway.answers import Answers
    from api.gateway.client import ApiClient
    from api.gateway.green_shares import GreenShares
    from api.gateway.model_updater import ModelUpdater
    from api.gateway.period_shares import PeriodShares
    from api.gateway.secure_sum.client import SecureSumClient
    from api.gateway.submitter import Submitter
    from api.gateway.surplus_hours import SurplusHoursUpdater
    from rewards.rpc_client import RpcClient

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GatewayServices:
    """The services of a gateway that submits: fetching the newest model, submitting, proving green shares and shares
    of settled periods, entering totals, answering challenges, and fetching the community's surplus hours.

    `sums`: None without a roster, because the home then enters no total; `answers`: None where `gateway.challenges`
    is not set; `shares`: None where gateways do not settle; `export_models`: None where the home forecasts load only.
    """

    models: ModelUpdater
    submitter: Submitter
    green: GreenShares
    sums: SecureSumClient | None
    answers: Answers | None = None
    shares: PeriodShares | None = None
    surplus: SurplusHoursUpdater | None = None
    export_models: ModelUpdater | None = None


@contextmanager
def open_services(
    config: Config, home: str, training: TrainingProcess, stop: threading.Event
) -> Iterator[GatewayServices | None]:
    """None if no API is set. Raises KeysError for an unusable roster or key."""
    settings = config.gateway
    if settings.api_url is None:
        yield None
        return
    from api.gateway.answers import open_answers
    from api.gateway.client import ApiClient
    from api.gateway.green_shares import GreenShares
    from api.gateway.model_updater import ModelUpdater
    from api.gateway.period_shares import PeriodShares
    from api.gateway.secure_sum.client import open_sums
    from api.gateway.secure_sum.contribution import Contributions
    from api.gateway.shared_days import SharedDays
    from api.gateway.submitter import Submitter
    from api.gateway.surplus_hours import SurplusHoursUpdater
    from rewards.rpc_client import RpcClient

    registry = settings.forecast_registry
    node = RpcClient(settings.rpc_url.get_secret_value(), registry) if settings.rpc_url and registry else None
    client = ApiClient(settings.api_url, stop)
    try:
        folders, run = config.api, Isolated(training, config.api.log_level)
        interval = config.settlement.interval_minutes
        first_s, most_s = config.federation.deployment.task_interval_s, settings.retry_max_s
        traces = DayTraces(config.community.identifier, folders.homes_dir / home)
        submitter = Submitter(home, folders, settings, client, node, first_s=first_s, traces=traces)
        contributions = Contributions(home, folders.homes_dir / home, run, interval)
        models = ModelUpdater(
            folders.model_dir, config.forecasting.model, run, client, node, first_s=first_s, most_s=most_s
        )
        own = folders.homes_dir / home
        shared_days = SharedDays(home, own, config.data, run, interval) if config.settlement.gateways else None
        sums = open_sums(
            home, config.community.name, settings, config.federation.deployment, folders.sums_dir, client,
            submitter.outbox, contributions, shared_days, config.settlement.classes, interval,
        )  # fmt: skip
        green = GreenShares(config, home, submitter.outbox, client, run, first_s)
        shares = (
            PeriodShares(home, config, client, submitter.outbox, run, submitter.join, first_s=first_s)
            if config.settlement.gateways else None
        )  # fmt: skip
        surplus = SurplusHoursUpdater(own, config.community.name, config.data.day_start_utc, client, run, first_s)
        export = _export_models(config, run, client, node, first_s)
        answers = open_answers(config, home, run)
        yield GatewayServices(models, submitter, green, sums, answers, shares, surplus, export)
    finally:
        client.close()


def _export_models(
    config: Config, run: Isolated, client: ApiClient, node: RpcClient | None, first_s: float
) -> ModelUpdater | None:
    """What fetches models of export; None where the home forecasts load only, or where it could not check them."""
    from api.gateway.model_updater import ModelUpdater

    settings = config.gateway
    if not config.federation.export:
        return None
    if node is not None and settings.export_models is None:
        _log.warning(
            "no model of export is fetched: gateway.rpc_url is set, and not where models of export are published "
            "(gateway.export_models)"
        )
        return None
    return ModelUpdater(
        config.api.model_of("export"), config.forecasting.model, run, client, node, first_s=first_s,
        most_s=settings.retry_max_s, quantity="export", registry=settings.export_models,
    )  # fmt: skip
