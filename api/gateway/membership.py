"""The household's own word about its membership: it joins when the API does not know it yet, and leaves when told to.

What it signs names the chain and the registry that the home has pinned (`api.gateway.trust_on_first_use`).
"""

from __future__ import annotations

import csv
import logging
import shutil
from pathlib import Path

from eth_account.signers.local import LocalAccount

from api.config.community_yaml import Config
from api.config.key_file import METER_KEY, household_account, later_keys
from api.gateway.client import ApiClient
from api.gateway.secure_sum.state import SecureSumFolder
from api.gateway.trust_on_first_use import TrustOnFirstUse
from data.damage import FROM_BACKUP, whole
from data.errors import DataError
from rewards.consent import MembershipFacts, Statement, sign_statement
from rewards.signing import SigningFacts

_log = logging.getLogger(__name__)
_KEPT = frozenset(
    {"wallet.key", "privacy.json", "days-privacy.json", "sums.jsonl", "settled.json",
     "vertical.entered.json"}
)  # fmt: skip
"""Beside the meters' keys. The wallet holds the home's tokens; what was spent of its privacy budgets, which sums its
days are in, and which days it proved shares of, counts if it comes back."""


class NotInvited(Exception):
    """The community does not take the household in."""


class Membership:
    """Signs and submits statements of one household. Every method raises Unreachable, ApiRefused, OtherChain."""

    def __init__(self, wallet: LocalAccount, client: ApiClient, pin: TrustOnFirstUse) -> None:
        self._wallet, self._client, self._pin = wallet, client, pin

    def join(self) -> None:
        """Sign the enrolment of a household that the operator has invited. Raises NotInvited."""
        facts = self._facts()
        if facts.state == "enrolled":
            return
        if facts.state != "invited":
            raise NotInvited(
                "the household has left the community: `wattproof rejoin` takes it back"
                if facts.state == "left"
                else "the manager has not entered this household in the server's settings yet"
            )
        self._say("enrolment", facts)
        _log.info("household enrolled", extra={"household": self._wallet.address})

    def leave(self) -> None:
        """Burn the record, where there is one, and leave. It can be repeated until it is done.

        Raises NotInvited for a household that was never a member.
        """
        facts = self._facts()
        if facts.state in ("unknown", "invited"):
            raise NotInvited("the household is not a member of the community")
        if facts.has_record:
            self._say("burning", facts)
        # Also of a household that has left on the chain: the server erases what it still has.
        self._say("leaving", facts)
        after = self._facts()
        if after.state != "left" or after.has_record:
            raise NotInvited("the API says that it has passed the statements on, and the chain does not show it")

    def rejoin(self) -> None:
        """Come back. Raises NotInvited for a household that has not left."""
        facts = self._facts()
        if facts.state == "enrolled":
            return
        if facts.state != "left":
            raise NotInvited("the household has not left the community")
        self._say("coming-back", facts)

    def _facts(self) -> MembershipFacts:
        facts = self._client.membership(self._wallet.address)
        self._pin.check(SigningFacts(facts.chain_id, facts.forecast_registry, 0, 0))
        return facts

    def _say(self, says: Statement, facts: MembershipFacts) -> None:
        self._client.state(sign_statement(self._wallet, says, facts))


def open_membership(config: Config, home: str, client: ApiClient) -> Membership:
    """Of a home of this gateway. Raises DataError for a home that is not here, DamagedFile, LostFile."""
    folder = wallet_folder(config, home)
    pin = TrustOnFirstUse(config.gateway, config.api.state_dir / "pinned.json")
    return Membership(household_account(folder), client, pin)


def wallet_folder(config: Config, home: str) -> Path:
    """The folder of a home of this gateway. Raises DataError for a home that is not here."""
    folder = config.api.homes_dir / home
    if not (folder / "wallet.key").exists():
        raise DataError(f"there is no wallet of {home} in {folder}: name a home of this gateway")
    return folder


def kept_of(config: Config, home: str, *, readings: bool) -> list[Path]:
    """What this gateway keeps of a home, but for its keys and its privacy ledger.

    `readings`: the tables that its readings were imported to as well, as far as they are of no other home. Raises
    DamagedFile for one that does not say whose it is.
    """
    folders, folder = config.api, config.api.homes_dir / home
    kept = _KEPT | {METER_KEY} | {key.name for key in later_keys(folder).values()}
    inside = [path for path in sorted(folder.glob("*")) if path.name not in kept]
    bundles = (
        folders.proofs_dir,
        folders.proofs_of("export"),
        folders.claims_dir,
        folders.green_dir,
        folders.shares_dir,
    )
    days = [path for folder in bundles for path in folder.glob(f"[0-9]*/{home}.json")]
    days += folders.shares_dir.glob(f"[0-9]*/receipts/{home}.json")
    others = [folders.outbox_dir / home, *SecureSumFolder(folders.sums_dir, home).states()]
    tables = [path for path in _tables(config) if _homes_in(path) <= {home}] if readings else []
    return [path for path in [*inside, *sorted(days), *others, *tables] if path.exists()]


def shared_tables(config: Config, home: str) -> list[Path]:
    """Tables that have readings of the home and of others, which `kept_of` leaves. Raises DamagedFile."""
    return [path for path in _tables(config) if home in (homes := _homes_in(path)) and len(homes) > 1]


def _tables(config: Config) -> list[Path]:
    return [path for path in (*config.data.files, *config.data.quarters) if path.is_file()]


def _homes_in(table: Path) -> set[str]:
    with whole(table, "a table of readings", FROM_BACKUP), table.open(encoding="utf-8", newline="") as rows:
        reader = csv.DictReader(rows)
        if "unique_id" not in (reader.fieldnames or ()):
            raise ValueError
        return {str(row["unique_id"]) for row in reader}


def erase(config: Config, home: str, paths: list[Path]) -> None:
    """Delete files and folders of `kept_of`. Raises OSError; a repeat deletes what is left.

    In whose sums the home was stays marked: if it comes back on the same day, it enters no second one.
    """
    SecureSumFolder(config.api.sums_dir, home).forget_all()
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
