"""From the settings to what a home protects itself with: the Flower mods around its ClientApp."""

from __future__ import annotations

import logging
from pathlib import Path

from flwr.clientapp.typing import Mod

from fl.errors import KeysError
from fl.home_ledger import HomeLedger
from fl.keys import KeyFolder, load_agent_key
from fl.message_gate import MessageGate
from fl.privacy_home import BudgetGate, PrivateUpdateMod, ReleaseCount
from fl.roster import Roster
from fl.secagg_home import SecAggMod
from fl.settings import FederationSettings

_log = logging.getLogger(__name__)


def open_ledger(settings: FederationSettings, path: Path) -> HomeLedger | None:
    """An agent's own privacy ledger, kept in `path`; None without differential privacy. Raises LedgerDamaged."""
    return None if settings.privacy.mode == "off" else HomeLedger(path, settings.privacy)


def home_mods(settings: FederationSettings, home: str | None = None, ledger: HomeLedger | None = None) -> list[Mod]:
    """The mods of a home's ClientApp, outermost first: what is masked has been clipped and has its noise.

    The first one, the gate, is there whatever the settings: a home answers nothing but what they allow.

    Args:
        home: the agent's home; None in a simulation, where homes are what the coordinator calls them and one machine
            plays all of them, so that a roster would guard nothing and is not read.
        ledger: the agent's own count of the privacy spent (`open_ledger`); a simulation has the coordinator's only.

    Raises KeysError for a roster that can't be used.
    """
    secure, privacy = settings.secure_aggregation, settings.privacy
    mods: list[Mod] = [MessageGate(settings)]
    if ledger is not None:
        mods.append(BudgetGate(ledger))
    if secure.enabled:
        mods.append(SecAggMod(secure, home) if home is None else _agents_sums(settings, home))
    if ledger is not None:
        mods.append(ReleaseCount(ledger, home or ""))
    if privacy.mode in ("local", "distributed") or (privacy.mode == "central" and secure.enabled):
        mods.append(PrivateUpdateMod(privacy, secure.certain_homes()))
    return mods


def _agents_sums(settings: FederationSettings, home: str) -> SecAggMod:
    """An agent's secure aggregation: it signs where it has a key, so that homes with a roster can sum with it."""
    secure, path = settings.secure_aggregation, KeyFolder(settings.deployment.keys_dir).agent_key(home)
    if secure.roster is None:
        _log.warning("no roster: the coordinator is trusted to name true homes", extra={"home": home})
        return SecAggMod(secure, home, load_agent_key(path) if path.exists() else None)
    roster, key = Roster.read(secure.roster), load_agent_key(path)
    roster.check_own(home, key)
    if len(roster.members) < secure.fewest_homes:
        raise KeysError(
            f"{secure.roster} lists {len(roster.members)} homes, and secure_aggregation.fewest_homes asks for "
            f"{secure.fewest_homes} in a sum: it can never take place"
        )
    _log.info("roster", extra={"home": home, "homes": len(roster.members), "fingerprint": roster.fingerprint})
    return SecAggMod(secure, home, key, roster.members)
