"""What the settings ask of the coordinator: how to gather and combine updates, and what to report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from data.plug_ins import STRATEGIES, plug_in
from fl.aggregation.robust import robust
from fl.aggregation.strategy import Combine, mean
from fl.dp.server import Privacy
from fl.exchange import Gather, gather_updates
from fl.homomorphic.ciphertexts import require
from fl.protection_settings import LEDGER
from fl.secure_gather import SecureGather
from fl.settings import FederationSettings
from fl.store import RoundStore


@dataclass(frozen=True)
class Protection:
    """The coordinator's side, as `fl.rounds.Rounds` takes it."""

    gather: Gather
    combine: Combine
    extra: Callable[[int], dict[str, float]]


def coordinator_protection(
    settings: FederationSettings,
    directory: Path,
    roster: Callable[[], Mapping[str, bytes]] | None = None,
    ledger: Path | None = None,
) -> Protection:
    """What the coordinator protects the homes with.

    Args:
        directory: of the rounds; open sums are kept there as `sums.json`.
        ledger: of the privacy spent; `privacy.json` beside the rounds if none is named.
        roster: the homes' identities, for secure aggregation; None in a simulation.

    Raises LedgerDamaged for a ledger that can't be read, or that knows less than the saved rounds do; FederationError
    for damaged open sums; PlugInMissing for a strategy.combine that nobody brings; ExtraMissing where the scheme of
    the sums is not installed.
    """
    private = settings.privacy.mode in ("local", "distributed")
    gather: Gather = gather_updates
    if settings.secure_aggregation.enabled:
        if settings.secure_aggregation.scheme == "bfv":
            require()
        gather = SecureGather(
            settings.secure_aggregation,
            settings.strategy.weighting,
            noisy=private,
            roster=roster,
            directory=directory,
        )
    combine = mean(settings.strategy.weighting)
    if settings.strategy.combine is not None:
        combine = plug_in(STRATEGIES, settings.strategy.combine)(settings.strategy)
    if settings.robust.rule != "none":
        combine = robust(settings.robust)
    if settings.privacy.mode == "off":
        return Protection(gather, combine, lambda round: {})
    privacy = Privacy(
        settings.privacy, ledger or directory / LEDGER, clipped_at_home=settings.secure_aggregation.enabled
    )
    saved = RoundStore(directory).latest()
    if saved is not None:
        privacy.check_covers(saved.report)
    if settings.robust.rule == "none" and settings.strategy.combine is None:
        combine = privacy.combine
    return Protection(privacy.gather(gather), combine, privacy.extra)
