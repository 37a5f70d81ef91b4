"""A key in a file, and the account it is of. Loads little: the agent's own process signs with it."""

from __future__ import annotations

from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from api.config import ConfigError
from data.atomic import write_bytes


def account_from_file(path: Path, *, make: bool = True) -> LocalAccount:
    """The account whose key is in a file (64 hex digits); a new one, mode 0600, where there is none.

    Raises ConfigError for a file that holds no key, or is missing where none is to be made.
    """
    if not path.exists():
        if not make:
            raise ConfigError(f"{path} does not exist: put the key there, 64 hexadecimal digits, mode 0600")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, bytes(Account.create().key).hex().encode(), private=True)
    try:
        account: LocalAccount = Account.from_key(bytes.fromhex(path.read_text(encoding="ascii").strip()))
    except ValueError:
        raise ConfigError(f"{path} does not hold a private key of 64 hexadecimal digits") from None
    return account
