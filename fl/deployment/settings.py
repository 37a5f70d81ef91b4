"""The `federation.deployment:` part of community.yaml: the processes, their addresses, keys and metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from data.address import Host, Port
from fl.training_settings import _Part


class DeploymentSettings(_Part):
    """Coordinator and agents as processes on a network."""

    host: Host = Field(default="127.0.0.1", description="name or address by which agents reach the coordinator")
    bind: Host = Field(
        default="127.0.0.1", description="address the coordinator listens on (0.0.0.0: all interfaces)"
    )
    port: Port = 8443
    keys_dir: Path = Field(default=Path("keys"), description="made by `wattproof keys`")
    insecure: bool = Field(
        default=False, description="no TLS and no authentication of agents: only for benches on loopback"
    )
    heartbeat_s: float = Field(
        default=15, ge=10, le=600, description="an agent silent for twice as long counts as gone"
    )
    retry_max_s: float = Field(
        default=30, gt=0, le=3600, description="longest wait before an agent retries to reach a coordinator"
    )
    poll_s: float = Field(default=1.0, gt=0, le=60, description="seconds between an agent's requests for work")
    task_interval_s: float = Field(
        default=30, gt=0, description="seconds between an agent's checks for a new day to forecast and prove"
    )
    coordinator_metrics_port: Port | None = Field(default=None, description="Prometheus, on loopback; none: off")
    agent_metrics_port: Port | None = Field(default=None, description="Prometheus, on loopback; none: off")

    @model_validator(mode="after")
    def _insecure_only_here(self) -> Self:
        loopback = ("127.0.0.1", "localhost", "::1")
        if self.insecure and (self.bind not in loopback or self.host not in loopback):
            raise ValueError("insecure: true is for loopback only; make keys with `wattproof keys` and drop it")
        return self
