"""From the settings to what a home protects itself with: the Flower mods around its ClientApp."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.clientapp.typing import Mod

from fl.privacy_home import PrivateUpdateMod
from fl.secagg_home import SecAggMod
from fl.settings import FederationSettings


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
        mods.append(PrivateUpdateMod(privacy, secure.certain_homes()))
    return mods
