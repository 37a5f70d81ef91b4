"""How homes train and how their updates are combined, as settings: parts of `federation:` that import nothing."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LOCAL_ROUNDS = 40


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
    """What a home lets the coordinator ask of it in a round; for an agent, its own limits."""

    least_gradient_days: int = Field(
        default=16, ge=1, description="a gradient over fewer days would show them: it is refused"
    )
    most_gradient_days: int = Field(
        default=128,
        ge=1,
        description="nor over more: with nearly the same days in each round, the sum of a round without the home "
        "would show its gradient",
    )
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
    combine: str | None = Field(
        default=None,
        description="in place of the mean: the name of another package's rule, among the entry points of "
        "wattproof.strategies (docs/extending.md)",
    )
    local_rounds: int = Field(
        default=LOCAL_ROUNDS,
        ge=1,
        description="so many rounds train at the homes; in those after them each home sends the mean gradient of "
        "local.batch_days days, and the coordinator takes a step by SOAP and Adam (FedChain: Hou et al., ICLR 2022; "
        "SOAP: Vyas et al., ICLR 2025). None are asked for where there are no more rounds than these",
    )
    gradient_learning_rate: float = Field(
        default=5e-3,
        gt=0,
        description="of those steps by Adam, falling as that of `local` does; of SOAP three times that",
    )
    weighting: Literal["examples", "equal"] = Field(
        default="examples", description="a home counts by its days of data, or all homes count the same"
    )
    most_days: int = Field(
        default=366, ge=1, description="examples: a home counts for no more days than this, whatever it reports"
    )
    proximal_mu: float = Field(default=0.01, ge=0, description="fedprox: weight of the distance to the global model")
    server_learning_rate: float = Field(default=0.002, gt=0, description="fedadam: step of the coordinator")
    beta_1: float = Field(default=0.9, ge=0, lt=1, description="fedadam: decay of the mean step")
    beta_2: float = Field(default=0.99, ge=0, lt=1, description="fedadam: decay of its square")
    tau: float = Field(default=1e-3, gt=0, description="fedadam: how far it adapts; larger is nearer to plain SGD")


class RetrainingSettings(_Part):
    """When a community trains again by itself (docs/deployment.md, "Training again")."""

    enabled: bool = Field(
        default=False, description="train again once the model no longer fits; the coordinator then runs on"
    )
    rounds: int = Field(default=60, ge=1, description="rounds of each further training, after those there are")
    at_least_days: int = Field(
        default=28, ge=28, description="days from one further training to the next; drift is watched for 28"
    )
    look_every_s: float = Field(default=3600, gt=0, description="how often the coordinator looks")


class SimulationSettings(_Part):
    """Flower's simulation on this machine."""

    workers: int = Field(default=2, ge=1, description="homes trained at the same time, one core each")
    object_store_mb: int = Field(default=100, ge=80, description="Ray's shared memory")
