"""A private key in a file, and its account. Loads little: the agent's main process signs with it."""

from __future__ import annotations

import re
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.exceptions import ValidationError as EthValidationError

from api.config.community_yaml import ConfigError
from data.atomic import write_bytes
from data.damage import check_kept, whole

_KEY_BYTES = 32
VAULT = "vault.db"
METER_KEY = "meter.key"
_LATER_METER = re.compile(r"meter-([0-9]{1,5})\.key")


def account_from_file(path: Path, *, make: bool = True) -> LocalAccount:
    """The account whose key is in a file (64 hex digits); a new one, mode 0600, where there is none.

    Raises DamagedFile for a file that holds no key, ConfigError for a missing one that may not be created.
    """
    if not path.exists():
        if not make:
            raise ConfigError(f"{path} does not exist: put the key there, 64 hexadecimal digits, mode 0600")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, bytes(Account.create().key).hex().encode(), private=True)
    with whole(path, "a private key of 64 hexadecimal digits"):
        key = bytes.fromhex(path.read_text(encoding="ascii").strip().removeprefix("0x"))
        if len(key) != _KEY_BYTES:
            raise ValueError("no key")
        account: LocalAccount = _account(key)
        return account


def household_account(folder: Path) -> LocalAccount:
    """The account of a household's folder, made if nothing was done with it yet. Raises DamagedFile, LostFile."""
    return account_from_file(household_key(folder, "wallet.key"))


def household_key(folder: Path, name: str) -> Path:
    """The file of a household's key. Raises LostFile if it is gone and days have been signed for the household.

    A new key would mean a new household, without tokens, record or signed days, and not enrolled.
    """
    vault = folder / VAULT
    if vault.exists():
        check_kept(
            folder / name, f"{vault.name} beside it has days that were signed with it",
            f"Without it the household is lost: to begin as a new one, move {folder} away and enrol it anew.",
        )  # fmt: skip
    return folder / name


def later_key(folder: Path, first_day: int) -> Path:
    """The file of the key of a meter that replaces another one from a day on."""
    return folder / f"meter-{first_day}.key"


def later_keys(folder: Path) -> dict[int, Path]:
    """The keys of the meters after the first, by the first day of each."""
    named = ((_LATER_METER.fullmatch(path.name), path) for path in sorted(folder.glob("meter-*.key")))
    return {int(found[1]): path for found, path in named if found is not None}


def _account(key: bytes) -> LocalAccount:
    """Raises ValueError for a number that is not a key; the library's message, which may quote it, is dropped."""
    try:
        account: LocalAccount = Account.from_key(key)
    except (ValueError, EthValidationError):
        raise ValueError("no key") from None
    return account
