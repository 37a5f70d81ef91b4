"""What a home's noisy trainings have cost so far, on disk: an entry for each epoch, written before it is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fl.dp.budget import HomeBudgetSpent
from fl.dp.releases import Releases
from fl.errors import FederationError
from fl.gossip.settings import GossipSettings
from fl.worker import WorkProcess

FORMAT = "wattproof/days-ledger/1"
AccountDays = Callable[[float, float, int, float], float]
"""(noise multiplier, sampling, steps, delta) -> epsilon (`fl.dp.accountant.epsilon_of_days`)."""


def account_in_process(noise_multiplier: float, sampling: float, steps: int, delta: float) -> float:
    """The accountant in a process of its own: its library takes 60 MB that an agent does not keep."""
    with WorkProcess(_nothing) as process:
        return process.call(_epsilon, noise_multiplier, sampling, steps, delta)


def _nothing() -> None:
    return None


def _epsilon(_nothing: None, noise_multiplier: float, sampling: float, steps: int, delta: float) -> float:
    from fl.dp.accountant import epsilon_of_days

    return epsilon_of_days(noise_multiplier, sampling, steps, delta)


class DaysLedger:
    """The epochs that a home has trained with noise, in a file that only its owner can read.

    All of one ledger are of the same noise and sampling, which the accountant composes. Raises FederationError for a
    ledger of other settings, LedgerDamaged for a file that is none.
    """

    def __init__(self, path: Path, settings: GossipSettings, account: AccountDays = account_in_process) -> None:
        self._settings, self._account = settings, account
        self._kept = Releases(path, FORMAT, "this home", {"sampling": settings.sampling, "delta": settings.delta})
        odd = self._kept.entries and (
            self._kept.values["sampling"] != settings.sampling
            or any(entry.sigma != settings.noise_multiplier for entry in self._kept.entries)
        )
        if odd:
            raise FederationError(
                f"{path} counts epochs of another gossip.noise_multiplier or gossip.sampling than the settings': put "
                "those back. What was spent stays spent, and different noise can't be added up here"
            )

    @property
    def epochs(self) -> int:
        return len(self._kept.entries)

    def epsilon(self, epochs: int | None = None) -> float:
        """What is spent, or would be after so many epochs; for a day of readings, at the settings' delta."""
        steps = (self.epochs if epochs is None else epochs) * self._settings.steps
        own = self._settings
        return self._account(own.noise_multiplier, own.sampling, steps, own.delta) if steps else 0.0

    def spend(self, epoch: int) -> None:
        """Write one more epoch down; only then may it be trained. Raises HomeBudgetSpent, LedgerDamaged, OSError."""
        budget = self._settings.max_epsilon
        with self._kept.changing():
            if budget is not None and (after := self.epsilon(self.epochs + 1)) > budget:
                raise HomeBudgetSpent(
                    f"one more epoch would make this home's epsilon {after:.2f} for a day of its readings (delta "
                    f"{self._settings.delta:g}), and gossip.max_epsilon is {budget:g}: it trains no more, and takes "
                    f"part with the merge it has. Ledger: {self._kept.path}"
                )
            self._kept.add(epoch, self._settings.noise_multiplier)
