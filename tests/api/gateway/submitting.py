"""A gateway's submitter, from its settings."""

from __future__ import annotations

from api.config.community_yaml import Config
from api.gateway.client import ApiClient
from api.gateway.day_traces import DayTraces
from api.gateway.submitter import Submitter
from rewards.rpc_client import RpcClient


def submitter_of(config: Config, home: str, client: ApiClient, node: RpcClient | None = None) -> Submitter:
    first_s = config.federation.deployment.task_interval_s
    traces = DayTraces(config.community.identifier, config.api.homes_dir / home)
    return Submitter(home, config.api, config.gateway, client, node, first_s=first_s, traces=traces)
