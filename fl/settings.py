"""The `federation:` part of community.yaml, and which of its settings are incompatible.

Incompatible settings are refused when they are read, not in round 17 (`REFUSALS`). What may be combined: secure
aggregation with central or distributed privacy under masks, with local privacy under either scheme; local privacy
with any robust rule; FedProx, FedAdam and sampling of homes with everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from data.quantity import Quantity
from fl.deployment.settings import DeploymentSettings
from fl.gossip.settings import GossipSettings
from fl.one_shot.settings import OneShotSettings
from fl.plan import LocalPlan, PlanRefused
from fl.protection_settings import LARGEST_NOISY_ENTRY, PrivacySettings, RobustSettings, SecAggSettings
from fl.training_settings import (
    LOCAL_ROUNDS,
    LocalSettings,
    PlanLimits,
    RetrainingSettings,
    SimulationSettings,
    StrategySettings,
    _Part,
)
from fl.vertical.settings import VerticalSettings


class FederationSettings(_Part):
    """A federation that trains one forecaster."""

    rounds: int = Field(
        default=220,
        ge=1,
        description="strategy.local_rounds of them train at the homes; default 40 under differential privacy, "
        "where each round is one more release, and with topology: gossip",
    )
    export_rounds: int = Field(
        default=12,
        ge=1,
        description="most rounds of a training for forecasts of export: more of them overfit a single year of sun",
    )
    export: bool = Field(
        default=False,
        description="gateways train a model of export as well, after that of load; at the coordinator, and at every "
        "gateway that takes part",
    )
    num_clients: int | None = Field(default=None, ge=1, description="use only the first N homes; none: all")
    topology: Literal["server", "gossip"] = Field(
        default="server",
        description="server: a coordinator combines the homes' updates; gossip: homes merge with each other",
    )
    seed: int = Field(default=2026, ge=0)
    fraction: float = Field(
        default=1.0, gt=0, le=1, description="fraction of the homes asked in a round, drawn each time"
    )
    min_homes: int = Field(default=2, ge=1, description="a round with fewer usable updates does not count")
    round_timeout_s: float = Field(default=600, gt=0, description="homes that take longer are left out of the round")
    attempts: int = Field(default=3, ge=1, description="how often a round that missed `min_homes` is repeated")
    wait_for_homes_s: float = Field(default=600, gt=0, description="how long to wait for `min_homes` to be online")
    evaluate_every: int = Field(
        default=5, ge=0, description="homes score the global model every N rounds and after the last; 0: never"
    )
    local: LocalSettings = LocalSettings()
    plan_limits: PlanLimits = PlanLimits()
    strategy: StrategySettings = StrategySettings()
    retraining: RetrainingSettings = RetrainingSettings()
    one_shot: OneShotSettings = OneShotSettings()
    gossip: GossipSettings = GossipSettings()
    vertical: VerticalSettings = VerticalSettings()
    secure_aggregation: SecAggSettings = SecAggSettings()
    privacy: PrivacySettings = PrivacySettings()
    robust: RobustSettings = RobustSettings()
    simulation: SimulationSettings = SimulationSettings()
    deployment: DeploymentSettings = DeploymentSettings()

    @model_validator(mode="before")
    @classmethod
    def _usual_rounds(cls, told: Any) -> Any:
        """`rounds` where it is not told: gradients after the local rounds, but where none are wanted."""
        if not isinstance(told, dict) or "rounds" in told:
            return told
        privacy = told.get("privacy")
        mode = privacy.get("mode", "off") if isinstance(privacy, dict) else getattr(privacy, "mode", "off")
        if mode == "off" and told.get("topology", "server") == "server":
            return told
        return told | {"rounds": LOCAL_ROUNDS}

    @model_validator(mode="after")
    def _enough_clients(self) -> Self:
        if self.num_clients is not None and self.num_clients < self.min_homes:
            raise ValueError(f"num_clients is {self.num_clients} but min_homes asks for {self.min_homes}")
        return self

    def of(self, quantity: Quantity) -> FederationSettings:
        """The settings of a quantity's training."""
        if quantity == "load":
            return self
        return self.model_copy(update={"rounds": min(self.rounds, self.export_rounds)})

    @property
    def gradient_rounds(self) -> int:
        """So many of the last rounds ask for gradients; none in a gossip, which has no coordinator to step."""
        return max(0, self.rounds - self.strategy.local_rounds) if self.topology == "server" else 0

    def is_gradient_round(self, number: int) -> bool:
        """Whether homes send a mean gradient in this round, which the coordinator's optimiser steps by."""
        return self.topology == "server" and number > self.strategy.local_rounds

    @property
    def hides_gradients(self) -> bool:
        """Whether a home's gradient is in a masked sum, or has noise of its own. From one that is neither its
        readings can be computed (docs/federation-privacy.md)."""
        return self.secure_aggregation.enabled or self.privacy.mode == "local"

    @model_validator(mode="after")
    def _own_plan(self) -> Self:
        """A coordinator whose homes have the same settings must not be refused by all of them."""
        local, mu = self.local, self.strategy.proximal_mu if self.strategy.name == "fedprox" else 0.0
        for rate in (local.learning_rate, local.learning_rate * local.final_learning_rate):
            try:
                plan = LocalPlan(1, self.seed, local.epochs, rate, local.batch_days, mu)
                replace(plan, gradient=self.gradient_rounds > 0).check(self.plan_limits)
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


_LEAST_NOISE = 2.0**-22  # masked sums are made of multiples of 2^-32
_DEVIATIONS = 7  # a normal number is larger once in 4 * 10^11 draws


@dataclass(frozen=True)
class Refusal:
    """A refused combination of settings."""

    when: Callable[[FederationSettings], bool]
    why: str  # with the remedy; may name settings as {settings.robust.rule}


def _secure(settings: FederationSettings) -> bool:
    return settings.secure_aggregation.enabled


def _encrypted(settings: FederationSettings) -> bool:
    return _secure(settings) and settings.secure_aggregation.scheme == "bfv"


def _robust(settings: FederationSettings) -> bool:
    return settings.robust.rule != "none"


def _private(settings: FederationSettings) -> bool:
    return settings.privacy.mode != "off"


def _part(settings: FederationSettings) -> float:
    return settings.privacy.part_multiplier(settings.secure_aggregation.fewest_homes)


def _noise_is_cut(settings: FederationSettings) -> bool:
    """Whether an entry of an update with the home's noise may be beyond what a masked sum holds."""
    part = _part(settings)
    return part > 0 and settings.privacy.clip_norm * (1 + _DEVIATIONS * part) > LARGEST_NOISY_ENTRY


def _noise_is_lost(settings: FederationSettings) -> bool:
    """Whether a home's noise is so small that rounding to what masked sums are made of takes a part of it away."""
    return 0 < min(settings.privacy.clip_norm, settings.one_shot.clip_norm) * _part(settings) < _LEAST_NOISE


def _by_days(settings: FederationSettings) -> bool:
    return settings.strategy.weighting == "examples"


def _gossip(settings: FederationSettings) -> bool:
    return settings.topology == "gossip"


REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        lambda s: _gossip(s) and s.retraining.enabled,
        "topology: gossip with retraining.enabled: there is no coordinator that looks whether the model still fits; "
        "set retraining.enabled: false, and start a gossip again by hand",
    ),
    Refusal(
        lambda s: _gossip(s) and s.export,
        "topology: gossip with export: peers train one model, that of load; set export: false",
    ),
    Refusal(
        lambda s: _gossip(s) and _secure(s),
        "topology: gossip with secure aggregation: peers merge what single neighbours publish, and there is no "
        "sum to hide it in; set gossip.sampled_privacy: days, or topology: server",
    ),
    Refusal(
        lambda s: _gossip(s) and _private(s),
        "topology: gossip with privacy.mode: {settings.privacy.mode}: its noise is for a coordinator's mean, or so "
        "large that no model is left; set gossip.sampled_privacy: days (noise in each step, accounted for days)",
    ),
    Refusal(
        lambda s: _gossip(s) and (_robust(s) or s.strategy.combine is not None or s.strategy.name == "fedadam"),
        "topology: gossip with robust.rule: {settings.robust.rule}, strategy: {settings.strategy.name} or combine: "
        "there is no coordinator to combine; peers trim what they merge (gossip.trim), and strategy is fedavg or "
        "fedprox",
    ),
    Refusal(
        lambda s: s.gossip.sampled_privacy != "off" and s.gossip.clusters > 1,
        "gossip.sampled_privacy with gossip.clusters: {settings.gossip.clusters}: homes would tell their kind of day "
        "without noise; set clusters: 1",
    ),
    Refusal(
        lambda s: s.strategy.combine is not None and (_secure(s) or _robust(s) or s.privacy.mode == "central"),
        "strategy.combine: {settings.strategy.combine} with secure aggregation, a robust rule or central privacy: "
        "each of them decides how updates are combined, or hides them; choose one",
    ),
    Refusal(
        lambda s: _secure(s) and _robust(s),
        "secure aggregation with robust.rule: {settings.robust.rule}: the rule compares the homes' updates, which"
        " secure aggregation hides from the coordinator; choose one of them (updates in the sum are not checked)",
    ),
    Refusal(
        lambda s: _secure(s) and s.evaluate_every != 0,
        "secure aggregation with evaluate_every: {settings.evaluate_every}: homes would reveal their losses to the "
        "coordinator, which should see only sums; set evaluate_every: 0",
    ),
    Refusal(
        lambda s: _secure(s) and s.min_homes < s.secure_aggregation.fewest_homes,
        "secure aggregation with min_homes: {settings.min_homes}: homes take part in no sum of fewer than "
        "secure_aggregation.fewest_homes: {settings.secure_aggregation.fewest_homes}; raise min_homes to it",
    ),
    Refusal(
        lambda s: s.secure_aggregation.roster is not None and not _secure(s),
        "secure_aggregation.roster: {settings.secure_aggregation.roster} without secure aggregation: a roster guards "
        "sums, and without them each update is shown to the coordinator; set enabled: true, or drop the roster",
    ),
    Refusal(
        lambda s: s.secure_aggregation.scheme == "bfv" and not _secure(s),
        "secure_aggregation.scheme: bfv without secure aggregation: nothing would be encrypted; set enabled: true, "
        "or drop the scheme",
    ),
    Refusal(
        lambda s: _encrypted(s) and s.privacy.mode == "central",
        "central privacy with secure_aggregation.scheme: bfv: homes decrypt the sum, and would see it before the "
        "coordinator has added its noise; set scheme: masks, or privacy.mode: local",
    ),
    Refusal(
        lambda s: _encrypted(s) and s.privacy.mode == "distributed",
        "distributed privacy with secure_aggregation.scheme: bfv: one home colluding with the coordinator reads each "
        "update, with one home's part of the noise only, and epsilon would say more than is true; set scheme: masks, "
        "or privacy.mode: local",
    ),
    Refusal(
        lambda s: _secure(s) and s.deployment.insecure,
        "secure aggregation with deployment.insecure: homes sign who is in a sum, and have no lasting keys; drop "
        "insecure: true",
    ),
    Refusal(
        lambda s: s.privacy.mode == "distributed" and not _secure(s),
        "distributed privacy without secure aggregation: a home adds only its part of the noise, which hides "
        "nothing from a coordinator that sees its update; enable secure_aggregation, or set privacy.mode: local",
    ),
    Refusal(
        lambda s: _secure(s) and _noise_is_cut(s),
        "secure aggregation with noise_multiplier {settings.privacy.noise_multiplier:g} and clip_norm "
        "{settings.privacy.clip_norm:g}: a home's part of the noise would go beyond "
        f"{LARGEST_NOISY_ENTRY:,.0f}, where the entries of a masked sum end, and the update would be refused; lower "
        "one of the two, or raise secure_aggregation.fewest_homes, among whom `distributed` noise is shared out",
    ),
    Refusal(
        lambda s: _secure(s) and _noise_is_lost(s),
        "secure aggregation with noise_multiplier {settings.privacy.noise_multiplier:g}, clip_norm "
        "{settings.privacy.clip_norm:g} and one_shot.clip_norm {settings.one_shot.clip_norm:g}: a home's part of the "
        "noise would be below 2^-22, and masked sums are made of multiples of 2^-32, to which it would be rounded; "
        "raise them",
    ),
    Refusal(
        lambda s: s.privacy.mode == "central" and _robust(s),
        "central privacy with robust.rule: {settings.robust.rule}: the noise is measured for a mean, which one "
        "home moves by at most clip_norm / homes; it may move this rule further; set rule: none (clipping bounds "
        "each home anyway), or privacy.mode: local",
    ),
    Refusal(
        lambda s: _private(s) and _by_days(s),
        "{settings.privacy.mode} privacy with strategy.weighting: examples: the noise is measured for homes that "
        "count the same, and the number of days a home has would be revealed without noise; set weighting: equal",
    ),
    Refusal(
        lambda s: s.privacy.mode in ("local", "distributed") and s.evaluate_every != 0,
        "{settings.privacy.mode} privacy with evaluate_every: {settings.evaluate_every}: losses would leave the "
        "homes without noise; set evaluate_every: 0",
    ),
    Refusal(
        lambda s: _robust(s) and _by_days(s),
        "robust.rule: {settings.robust.rule} with strategy.weighting: examples: the number of days is self-reported, "
        "so a dishonest home would gain weight by lying; set weighting: equal",
    ),
    Refusal(
        lambda s: _robust(s) and s.min_homes < s.robust.fewest_homes,
        "robust.rule: {settings.robust.rule} against {settings.robust.attackers} wrong homes with min_homes: "
        "{settings.min_homes}: it needs {settings.robust.fewest_homes} updates in a round; raise min_homes or "
        "lower robust.attackers",
    ),
)


def problems(settings: FederationSettings) -> list[str]:
    """Why the settings are incompatible, a sentence for each refused combination; empty if they are not."""
    return [refusal.why.format(settings=settings) for refusal in REFUSALS if refusal.when(settings)]
