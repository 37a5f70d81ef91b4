"""What the coordinator asks of a home in one round. Apart from the app: the process that trains loads no Flower."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flwr.app import ConfigRecord


@dataclass(frozen=True)
class LocalPlan:
    """How a home trains in one round."""

    round: int
    seed: int
    epochs: int
    learning_rate: float
    batch_days: int
    proximal_mu: float

    def to_record(self) -> ConfigRecord:
        from flwr.app import ConfigRecord

        return ConfigRecord(asdict(self))

    @staticmethod
    def from_record(record: ConfigRecord) -> LocalPlan:
        return LocalPlan(**{name: record[name] for name in LocalPlan.__dataclass_fields__})  # type: ignore[arg-type]
