"""The `federation:` part of community.yaml: rounds, strategy, simulation, and the deployed processes."""

from typing import Self

from pydantic import Field, model_validator

from fl.compatibility import problems
from fl.deployment.settings import DeploymentSettings
from fl.one_shot.settings import OneShotSettings
from fl.plan import LocalPlan, PlanRefused
from fl.protection_settings import PrivacySettings, RobustSettings, SecAggSettings
from fl.training_settings import LocalSettings, PlanLimits, SimulationSettings, StrategySettings, _Part


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
