"""From the settings to what a federation is run with: how to gather and combine, what to report, the homes' mods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.clientapp.typing import Mod

from fl.privacy_coordinator import Privacy
from fl.privacy_home import PrivateUpdateMod
from fl.robust import robust
from fl.rounds import Gather, gather_updates
from fl.secagg_coordinator import SecureGather
from fl.secagg_home import SecAggMod
from fl.settings import FederationSettings
from fl.strategy import Combine, mean


@dataclass(frozen=True)
class Protection:
    """The coordinator's side, as `fl.rounds.Rounds` takes it."""

    gather: Gather
    combine: Combine
    extra: Callable[[int], dict[str, float]]


def coordinator_protection(settings: FederationSettings, directory: Path) -> Protection:
    """What the coordinator protects the homes with.

    Args:
        directory: of the rounds; the privacy ledger is kept there as `privacy.json`.
    """
    private = settings.privacy.mode in ("local", "distributed")
    gather: Gather = gather_updates
    if settings.secure_aggregation.enabled:
        gather = SecureGather(settings.secure_aggregation, settings.strategy.weighting, losses=not private)
    combine = mean(settings.strategy.weighting)
    if settings.robust.rule != "none":
        combine = robust(settings.robust)
    if settings.privacy.mode == "off":
        return Protection(gather, combine, lambda round: {})
    privacy = Privacy(
        settings.privacy, directory / "privacy.json", clipped_at_home=settings.secure_aggregation.enabled
    )
    if settings.robust.rule == "none":
        combine = privacy.combine
    return Protection(privacy.gather(gather), combine, privacy.extra)


def home_mods(
    settings: FederationSettings,
    home: str | None = None,
    identity: Ed25519PrivateKey | None = None,
    roster: Mapping[str, bytes] | None = None,
) -> list[Mod]:
    """The mods of a home's ClientApp, outermost first: what is masked has been clipped and has its noise.

    Args:
        home, identity, roster: see `fl.secagg_home.SecAggMod`.
    """
    secure, privacy = settings.secure_aggregation, settings.privacy
    mods: list[Mod] = []
    if secure.enabled:
        mods.append(SecAggMod(secure, home, identity, dict(roster) if roster else None))
    if privacy.mode in ("local", "distributed") or (privacy.mode == "central" and secure.enabled):
        certain = secure.shares_needed(secure.fewest_homes)  # homes see to it that no sum has fewer
        mods.append(PrivateUpdateMod(privacy, certain))
    return mods
