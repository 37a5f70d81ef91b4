"""`wattproof backup` and `restore`: what a machine must not lose, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.arguments import CONFIG, ConfigOption
from api.cli.terminal import console


def backup(
    out: Annotated[Path, typer.Option(help="the file to write; never one that is there")],
    config: ConfigOption = CONFIG,
) -> None:
    """Write keys, wallets, vaults, rounds, database, chain and readings of this machine to one file, while it runs.

    It holds secrets: keep it encrypted. A PostgreSQL database is not in it (pg_dump writes that).
    """
    from api.cli.backup import write_backup
    from api.config.community_yaml import load

    settings = load(config)
    count = write_backup(settings, out)
    console.print(f"{out}: {count} files. It holds private keys and readings: keep it encrypted.", highlight=False)
    if settings.api.database_url is not None:
        console.print("The database (api.database_url) is not in it: back it up with its own tools, such as pg_dump.")


def restore(
    file: Annotated[Path, typer.Argument(help="a backup")],
    config: ConfigOption = CONFIG,
) -> None:
    """Put a backup back where the settings say, on a machine that has no state yet.

    The home stays out of the totals of days that it may have been summed in before. Stop the old machine for good
    first: two gateways of one home would contradict each other.
    """
    from api.cli.backup import restore_backup
    from api.config.community_yaml import load

    for folder in restore_backup(load(config), file):
        console.print(f"Restored: {folder}", highlight=False)
