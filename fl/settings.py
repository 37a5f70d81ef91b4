"""The `federation:` part of community.yaml: rounds, strategy, simulation, and the deployed processes."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fl.compatibility import problems
from fl.one_shot.settings import OneShotSettings
from fl.plan import LocalPlan, PlanRefused
from fl.protection_settings import PrivacySettings, RobustSettings, SecAggSettings


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LocalSettings(_Part):
    """What a home does with the global model in one round."""

    epochs: int = Field(default=2, ge=1, le=1000, description="passes over the home's own days")
    learning_rate: float = Field(default=5e-3, gt=0, le=1)
    batch_days: int = Field(default=32, ge=1, description="days in a batch")
    final_learning_rate: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="the last round's learning rate as a part of the first's (cosine between)",
    )


class PlanLimits(_Part):
    """What a home lets the coordinator ask of it in a round; in an agent's settings, its own."""

    most_epochs: int = Field(default=100, ge=1)
    least_learning_rate: float = Field(default=1e-6, gt=0)
    most_learning_rate: float = Field(default=1, gt=0)
    most_batch_days: int = Field(default=4096, ge=1)
    most_proximal_mu: float = Field(default=10, ge=0)


class StrategySettings(_Part):
    """How the homes' models become the next global model."""

    name: Literal["fedavg", "fedprox", "fedadam"] = Field(
        default="fedavg",
        description="fedavg: the mean (McMahan et al. 2017); fedprox: homes are also held near the global model "
        "(Li et al. 2020); fedadam: the mean step goes through Adam at the coordinator (Reddi et al. 2021)",
    )
    weighting: Literal["examples", "equal"] = Field(
        default="examples", description="a home counts by its days of data, or every home the same"
    )
    most_days: int = Field(
        default=366, ge=1, description="examples: a home counts for no more days than these, whatever it says it has"
    )
    proximal_mu: float = Field(default=0.01, ge=0, description="fedprox: weight of the distance to the global model")
    server_learning_rate: float = Field(default=0.002, gt=0, description="fedadam: step of the coordinator")
    beta_1: float = Field(default=0.9, ge=0, lt=1, description="fedadam: memory of the mean step")
    beta_2: float = Field(default=0.99, ge=0, lt=1, description="fedadam: memory of its square")
    tau: float = Field(default=1e-3, gt=0, description="fedadam: how far it adapts; larger is nearer to plain SGD")


class SimulationSettings(_Part):
    """Flower's simulation on this machine."""

    workers: int = Field(default=2, ge=1, description="homes trained at the same time, one core each")
    object_store_mb: int = Field(default=100, ge=80, description="Ray's shared memory")


class DeploymentSettings(_Part):
    """Coordinator and agents as processes on a network."""

    host: str = Field(default="127.0.0.1", description="name or address agents reach the coordinator by")
    bind: str = Field(default="127.0.0.1", description="address the coordinator listens on (0.0.0.0: every one)")
    port: int = Field(default=8443, ge=1, le=65535)
    keys_dir: Path = Field(default=Path("keys"), description="made by `wattproof keys`")
    insecure: bool = Field(
        default=False, description="no TLS and no authentication of agents: for a bench on loopback only"
    )
    heartbeat_s: float = Field(
        default=15, ge=10, le=600, description="an agent unheard of for twice as long counts as gone"
    )
    poll_s: float = Field(default=1.0, gt=0, le=60, description="how often an agent asks for work")
    task_interval_s: float = Field(
        default=30, gt=0, description="how often an agent looks for a new day to forecast and prove"
    )
    coordinator_metrics_port: int | None = Field(default=None, description="Prometheus, on loopback; none: off")
    agent_metrics_port: int | None = Field(default=None, description="Prometheus, on loopback; none: off")

    @model_validator(mode="after")
    def _insecure_only_here(self) -> Self:
        loopback = ("127.0.0.1", "localhost", "::1")
        if self.insecure and (self.bind not in loopback or self.host not in loopback):
            raise ValueError("insecure: true is for loopback only; make keys with `wattproof keys` and drop it")
        return self


class FederationSettings(_Part):
    """A federation that trains one forecaster."""

    rounds: int = Field(default=40, ge=1)
    num_clients: int | None = Field(default=None, ge=1, description="take only the first so many homes; none: all")
    seed: int = Field(default=2026, ge=0)
    fraction: float = Field(default=1.0, gt=0, le=1, description="part of the homes asked in a round, drawn anew")
    min_homes: int = Field(default=2, ge=1, description="a round with fewer useable updates does not count")
    round_timeout_s: float = Field(default=600, gt=0, description="homes that take longer are left out of the round")
    attempts: int = Field(default=3, ge=1, description="how often a round that missed `min_homes` is asked again")
    wait_for_homes_s: float = Field(default=600, gt=0, description="how long to wait for `min_homes` to be online")
    evaluate_every: int = Field(
        default=5, ge=0, description="homes score the global model each so many rounds and after the last; 0: never"
    )
    local: LocalSettings = LocalSettings()
    plan_limits: PlanLimits = PlanLimits()
    strategy: StrategySettings = StrategySettings()
    one_shot: OneShotSettings = OneShotSettings()
    secure_aggregation: SecAggSettings = SecAggSettings()
    privacy: PrivacySettings = PrivacySettings()
    robust: RobustSettings = RobustSettings()
    simulation: SimulationSettings = SimulationSettings()
    deployment: DeploymentSettings = DeploymentSettings()

    @model_validator(mode="after")
    def _enough_clients(self) -> Self:
        if self.num_clients is not None and self.num_clients < self.min_homes:
            raise ValueError(f"num_clients is {self.num_clients} but min_homes asks for {self.min_homes}")
        return self

    @model_validator(mode="after")
    def _own_plan(self) -> Self:
        """A coordinator whose homes have the same settings must not be refused by all of them."""
        local, mu = self.local, self.strategy.proximal_mu if self.strategy.name == "fedprox" else 0.0
        for rate in (local.learning_rate, local.learning_rate * local.final_learning_rate):
            try:
                LocalPlan(1, self.seed, local.epochs, rate, local.batch_days, mu).check(self.plan_limits)
            except PlanRefused as refused:
                raise ValueError(
                    f"{refused}; change `local`, or the limits at the coordinator and every home"
                ) from None
        return self

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if refused := problems(self):
            raise ValueError("; and ".join(refused))
        return self
