"""A home's own ledger of differential privacy: what left it and what that has cost, independent of the coordinator.

Each update is recorded before it leaves. Rounds are not distinguished by the numbers that the coordinator gives them:
one that is repeated, renamed or replayed is another noisy look at the same data, and counts again. So does a new
training of another model. When one more update would exceed the home's own `privacy.max_epsilon`, the home trains no
more.

What is counted is a release's noise in units of its sensitivity (z; z/2 in `local`, where any other update may stand
in its place). Releases of Gaussian noise compose to one: 1/sigma^2 = sum 1/sigma_k^2 (Dong et al. 2022), also where
the settings have changed between them; its epsilon is the accountant's (`fl.dp.accountant`). In `local` the home adds
the noise itself; in `distributed` and `central` the figure holds if the other homes, or the coordinator, add theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fl.dp.releases import LedgerDamaged, Releases
from fl.errors import FederationError
from fl.protection_settings import PrivacySettings
from fl.worker import WorkProcess

__all__ = ["Account", "HomeBudgetSpent", "HomeLedger", "LedgerDamaged", "account_in_process"]
FORMAT = "wattproof/privacy-ledger/1"
_AT_A_TIME = 256  # epsilons requested from the accountant at once: starting it takes longer than computing them

Account = Callable[[float, float, float, int], list[float]]
"""(sum of 1/sigma^2 so far, 1/sigma^2 of a release, delta, n): epsilon after 0, 1, ..., n - 1 more releases."""


class HomeBudgetSpent(FederationError):
    """One more update would exceed the privacy budget of the home's own settings."""


def account_in_process(spent: float, each: float, delta: float, count: int) -> list[float]:
    """The accountant in a separate process: its library takes 60 MB, which an agent does not keep."""
    with WorkProcess(_nothing) as process:
        return process.call(_epsilons, spent, each, delta, count)


def _nothing() -> None:
    return None


def _epsilons(_nothing: None, spent: float, each: float, delta: float, count: int) -> list[float]:
    from fl.dp.accountant import epsilon_of

    return [epsilon_of(spent + k * each, delta) for k in range(count)]


class HomeLedger:
    """The ledger of one home, in a file that only its owner can read (`fl.dp.releases`).

    Raises LedgerDamaged for an existing file that is not a ledger.
    """

    def __init__(self, path: Path, settings: PrivacySettings, account: Account = account_in_process) -> None:
        self.path = path
        self.settings = settings
        self._account = account
        self._sigma = settings.noise_multiplier / (2 if settings.mode == "local" else 1)
        self._kept = Releases(path, FORMAT, "this home")
        self._ahead: list[float] = []  # epsilon after 0, 1, 2, ... more releases than `_counted`
        self._counted = -1
        self._look_ahead()

    @property
    def releases(self) -> int:
        return len(self._kept.entries)

    @property
    def epsilon(self) -> float:
        """What is spent so far, for the settings' delta."""
        return self._ahead[0]

    def check(self) -> None:
        """Raises HomeBudgetSpent unless one more update may leave, LedgerDamaged if the ledger was tampered with."""
        self._kept.refresh()
        self._look_ahead()
        budget = self.settings.max_epsilon
        if budget is not None and self._ahead[1] > budget:
            raise HomeBudgetSpent(
                f"this home has spent epsilon {self.epsilon:.3f} (delta {self.settings.delta:g}) in {self.releases} "
                f"updates, and one more would make it {self._ahead[1]:.3f}: its own privacy.max_epsilon is "
                f"{budget:g}. It trains no more, in any training, unless its owner raises that. Ledger: {self.path}"
            )

    def spend(self, round_number: int | None) -> None:
        """Record one more update; only then may it leave. Raises as `check`, or OSError."""
        with self._kept.changing():
            self.check()
            self._kept.add(round_number, self._sigma)
            self._look_ahead()

    def _look_ahead(self) -> None:
        """Keep the epsilons that follow from the releases at hand; the accountant is asked as rarely as possible."""
        added = self.releases - self._counted
        if self._counted >= 0 and self._alike(added) and added + 1 < len(self._ahead):
            self._ahead = self._ahead[added:]
        else:
            self._ahead = self._account(self._kept.precision, self._sigma**-2, self.settings.delta, _AT_A_TIME)
        self._counted = self.releases

    def _alike(self, added: int) -> bool:
        """Whether the last `count` releases had the noise of these settings (another process may use others)."""
        return all(release.sigma == self._sigma for release in self._kept.entries[self.releases - added :])
