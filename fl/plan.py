"""What the coordinator asks of a home in one round. Separate from the app, because the training process loads no
Flower."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from data.quantity import QUANTITIES, Quantity
from fl.errors import FederationError

if TYPE_CHECKING:
    from flwr.app import ConfigRecord

    from fl.training_settings import PlanLimits


class PlanRefused(FederationError):
    """A plan that is malformed, or beyond what the home's own settings allow."""


@dataclass(frozen=True)
class LocalPlan:
    """How a home trains in one round; `gradient`: it sends one mean gradient, and neither epochs nor learning rate
    count. `quantity`: which of its meter's registers it trains on; a record that names none is of load."""

    round: int
    seed: int
    epochs: int
    learning_rate: float
    batch_days: int
    proximal_mu: float
    gradient: bool = False
    quantity: Quantity = "load"

    def to_record(self) -> ConfigRecord:
        from flwr.app import ConfigRecord

        values = asdict(self)
        if self.quantity == "load":  # as homes of earlier releases are told
            del values["quantity"]
        return ConfigRecord(values)

    @staticmethod
    def from_record(record: Mapping[str, object]) -> LocalPlan:
        """Raises PlanRefused for a record that is no plan."""
        values: dict[str, int | float] = {}
        for name, kind in (("round", int), ("seed", int), ("epochs", int), ("batch_days", int)):
            value = record.get(name)
            if type(value) is not kind:
                raise PlanRefused(f"the plan's {name} must be a whole number, not {value!r:.40}")
            values[name] = value
        for name in ("learning_rate", "proximal_mu"):
            value = record.get(name)
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise PlanRefused(f"the plan's {name} must be a finite number, not {value!r:.40}")
            values[name] = float(value)
        gradient = record.get("gradient", False)
        if type(gradient) is not bool:
            raise PlanRefused(f"the plan's gradient must be true or false, not {gradient!r:.40}")
        return LocalPlan(**values, gradient=gradient, quantity=quantity_of(record))  # type: ignore[arg-type]

    def check(self, limits: PlanLimits) -> None:
        """Raises PlanRefused for a plan beyond these limits, with the setting that says so."""
        least_days, most_days = 1, limits.most_batch_days
        if self.gradient:
            least_days, most_days = limits.least_gradient_days, min(most_days, limits.most_gradient_days)
        bounds = (
            ("epochs", self.epochs, 1, limits.most_epochs),
            ("learning_rate", self.learning_rate, limits.least_learning_rate, limits.most_learning_rate),
            ("batch_days", self.batch_days, least_days, most_days),
            ("proximal_mu", self.proximal_mu, 0, limits.most_proximal_mu),
        )
        for name, value, least, most in bounds:
            if not least <= value <= most:
                raise PlanRefused(
                    f"the plan's {name} is {value:g}, and this home's own settings allow {least:g} to {most:g} "
                    "(federation.plan_limits)"
                )


def quantity_of(record: Mapping[str, object]) -> Quantity:
    """The quantity that a plan's record names; load where it names none. Raises PlanRefused for another."""
    named = record.get("quantity", "load")
    found = next((quantity for quantity in QUANTITIES if quantity == named), None)
    if found is None:
        raise PlanRefused(f"the plan's quantity must be one of {', '.join(QUANTITIES)}, not {named!r:.40}")
    return found


def plan_digest(record: Mapping[str, object]) -> bytes:
    """SHA-256 of all that a plan's record says, in one order. Raises PlanRefused for what is no number or text."""
    try:
        content = json.dumps(dict(record), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as problem:
        raise PlanRefused(f"the plan is malformed ({type(problem).__name__})") from None
    return hashlib.sha256(content.encode()).digest()
