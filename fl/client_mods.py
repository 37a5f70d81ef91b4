"""The Flower mods around a home's ClientApp, which protect the home, as its settings ask for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from flwr.clientapp.typing import Mod

from fl.deployment.keys import KeyFolder, load_agent_key
from fl.dp.budget import HomeLedger
from fl.dp.client_mod import BudgetGate, PrivateUpdateMod, ReleaseCount
from fl.errors import KeysError
from fl.message_gate import MessageGate
from fl.one_shot.client_mod import PrivateSumsMod
from fl.secagg.client_mod import SecAggMod
from fl.secagg.roster import Roster
from fl.secagg.sum_record import SumRecord
from fl.settings import FederationSettings

_log = logging.getLogger(__name__)


def open_ledger(settings: FederationSettings, path: Path) -> HomeLedger | None:
    """An agent's own privacy ledger, kept in `path`; None without differential privacy. Raises LedgerDamaged."""
    return None if settings.privacy.mode == "off" else HomeLedger(path, settings.privacy)


def open_record(settings: FederationSettings, path: Path) -> SumRecord | None:
    """An agent's record of the sums it has been in, kept in `path`; None without secure aggregation.

    Raises RecordDamaged, FederationError while another agent has it.
    """
    return SumRecord(path) if settings.secure_aggregation.enabled else None


def client_mods(
    settings: FederationSettings,
    home: str | None = None,
    ledger: HomeLedger | None = None,
    record: SumRecord | None = None,
    sessions: Sequence[Mod] = (),
) -> list[Mod]:
    """The mods of a home's ClientApp, outermost first: what is masked has been clipped and has its noise.

    The first one, the gate, is always there: a home answers only what its settings allow.

    Args:
        home: the agent's home; None in a simulation, where homes are what the coordinator calls them and one machine
            plays all of them, so that a roster and a record would guard nothing.
        ledger: the agent's own count of the privacy spent (`open_ledger`); a simulation has the coordinator's only.
        record: the agent's sums (`open_record`).
        sessions: answer messages of a kind of their own (vertical learning), which no mask belongs to; right after
            the gate.

    Raises KeysError for a roster that is missing or can't be used.
    """
    secure, privacy = settings.secure_aggregation, settings.privacy
    mods: list[Mod] = [MessageGate(settings, sums=secure.enabled or home is None), *sessions]
    if ledger is not None:
        mods.append(BudgetGate(ledger))
    if home is None:  # masks the sums of a one-shot training in any case
        mods.append(_mod_of(settings)(settings))
    elif secure.enabled:
        mods.append(_agents_sums(settings, home, record))
    if ledger is not None:
        mods.append(ReleaseCount(ledger, home or ""))
    if privacy.mode in ("local", "distributed") or (privacy.mode == "central" and secure.enabled):
        mods.append(PrivateUpdateMod(privacy, secure.fewest_homes))
    if privacy.mode != "off":
        mods.append(PrivateSumsMod(settings.one_shot, privacy, secure.fewest_homes))
    return mods


def _agents_sums(settings: FederationSettings, home: str, record: SumRecord | None) -> SecAggMod:
    """An agent's secure aggregation, which stands on the roster: homes sign to each other who is in a sum."""
    secure, path = settings.secure_aggregation, KeyFolder(settings.deployment.keys_dir).agent_key(home)
    if secure.roster is None:
        raise KeysError(
            "secure aggregation without secure_aggregation.roster: the coordinator could invent the other homes in a "
            "sum, or give each home a different list of them. Get the community's roster (`wattproof roster`), "
            "and set its path"
        )
    if record is None:
        raise ValueError("an agent under secure aggregation needs its record of sums (`open_record`)")
    roster, key = Roster.read(secure.roster), load_agent_key(path)
    roster.check_own(home, key)
    if len(roster.members) < secure.fewest_homes:
        raise KeysError(
            f"{secure.roster} lists {len(roster.members)} homes, but secure_aggregation.fewest_homes requires "
            f"{secure.fewest_homes} in a sum: it can never take place"
        )
    _log.info("roster", extra={"home": home, "homes": len(roster.members), "fingerprint": roster.fingerprint})
    return _mod_of(settings)(settings, home, key, roster.members, record)


def _mod_of(settings: FederationSettings) -> type[SecAggMod]:
    """The mod of the scheme that sums are formed by. Raises ExtraMissing where it needs what is not installed."""
    if settings.secure_aggregation.scheme == "masks":
        return SecAggMod
    from fl.homomorphic.ciphertexts import require
    from fl.homomorphic.client_mod import HomomorphicMod

    require()
    return HomomorphicMod
