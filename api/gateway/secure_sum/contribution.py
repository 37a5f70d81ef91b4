"""What a home enters into the community's totals: a day's sealed forecast, or what its meter signed for the day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from api.config.community_yaml import Config
from api.gateway.jobs import measured_contribution, open_nothing
from api.gateway.sealed import read_sealed
from api.protocol.secure_sum import Kind
from fl.deployment.training_process import TrainingProcess


@dataclass(frozen=True)
class Contribution:
    """The values (48 of a forecast, 24 of a measured day) and the blinding; of measured ones the meter's commitment
    and signature, which are public."""

    vector: tuple[int, ...] = field(repr=False)
    commitment: bytes = b""
    signature: bytes = b""


class Contributions:
    """The contributions of a gateway's home. Called with kind and day; None where there is none (yet)."""

    def __init__(self, config: Config, home: str, training: TrainingProcess) -> None:
        self._config, self._home, self._training = config, home, training

    def __call__(self, kind: Kind, day: int) -> Contribution | None:
        if kind == "measured":
            return self._measured(day)
        sealed = read_sealed(self._config.api.homes_dir / self._home, day)
        return None if sealed is None else Contribution((*sealed.values, sealed.blinding))

    def _measured(self, day: int) -> Contribution | None:
        """From the vault, in a process of its own: reading it loads the proof system."""
        work: Callable[[None, Config, str, int], Contribution | None] = measured_contribution
        with self._training.paused_for(partial(open_nothing, self._config)) as process:
            return process.call(work, self._config, self._home, day)
