"""`wattproof renew-operator`: another key for the operator."""

from __future__ import annotations

import typer
from rich.markup import escape

from api.cli.arguments import CONFIG, ConfigOption
from api.cli.terminal import console


def renew_operator(config: ConfigOption = CONFIG) -> None:
    """Hand the community's contracts over to a new operator's key, and use that from now on. Stop the server first.

    The old key stays beside it, as operator-older-ADDRESS.key, until the change is final. Whatever interrupts the
    command, run again it goes on. Coins and tokens of the old address stay there: move them with a wallet program.
    """
    from api.config.community_yaml import load
    from api.operator.community import Community
    from api.operator.operator_key import renew_operator_key

    community = Community(load(config))
    chain = community.open_chain()
    try:
        renewed = renew_operator_key(community, chain)
    finally:
        chain.close()
    for name in renewed.contracts:
        console.print(f"{name} obeys the new key")
    typer.echo(f"The operator's address is {renewed.now} (before: {renewed.before}).")
    console.print(
        f"The key before is in {escape(str(renewed.older_key))}: destroy it once the change is final. If a "
        "reorganisation takes part of it back, run this command again.",
        highlight=False,
    )
