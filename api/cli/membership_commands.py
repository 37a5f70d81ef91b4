"""`wattproof leave` and `rejoin`: a household withdraws its consent, or gives it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.arguments import CONFIG, ConfigOption, HomeArgument
from api.cli.terminal import console

if TYPE_CHECKING:
    from api.config.community_yaml import Config
    from api.gateway.membership import Membership


def leave(
    home: HomeArgument,
    config: ConfigOption = CONFIG,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    keep_readings: Annotated[
        bool, typer.Option("--keep-readings", help="leave the tables of data.files and data.quarters where they are")
    ] = False,
) -> None:
    """Leave the community: the home's record is burnt for good, its data erased here and on the server.

    Stop the home's agent first. What is claimed already is still paid; unclaimed days are lost. The wallet's
    key stays, for it holds the tokens. What stays on the chain: docs/trust.md. It can be repeated until it is done.
    """
    from api.config.community_yaml import load
    from api.gateway.membership import erase, kept_of, shared_tables, wallet_folder

    settings = load(config)
    wallet_folder(settings, home)  # of a home that is not here nothing is asked
    paths = kept_of(settings, home, readings=not keep_readings)
    shared = [] if keep_readings else shared_tables(settings, home)
    if not yes:
        console.print("To be erased here:", *map(str, paths), sep="\n  ", markup=False, highlight=False)
        typer.confirm(f"Burn the record of {home} for good, and erase all of this?", abort=True)
    with _membership(settings, home) as membership:
        membership.leave()
    erase(settings, home, paths)
    console.print(f"{home} has left. Its record is burnt, and {len(paths)} files and folders are erased here.")
    for table in shared:
        console.print(
            f"{table} stays, for it has other homes' readings: take those of {home} out of it.", markup=False
        )
    kept = settings.api.homes_dir / home
    console.print(f"Keep {kept / 'wallet.key'}: it holds the tokens.", markup=False, highlight=False)


def rejoin(home: HomeArgument, config: ConfigOption = CONFIG) -> None:
    """Come back to the community after `wattproof leave`. A burnt record stays burnt."""
    from api.config.community_yaml import load

    with _membership(load(config), home) as membership:
        membership.rejoin()
    console.print(f"{home} is a member again.")


@contextmanager
def _membership(settings: Config, home: str) -> Iterator[Membership]:
    """The household's way to its community's API. Raises ConfigError, DataError."""
    from api.config.community_yaml import ConfigError
    from api.gateway.client import ApiClient
    from api.gateway.membership import NotInvited, open_membership
    from api.gateway.trust_on_first_use import OtherChain
    from api.protocol.bounded_client import ApiRefused, Unreachable
    from data.errors import DataError

    if settings.gateway.api_url is None:
        raise ConfigError("gateway.api_url is not set: it names the community's API, which passes the statement on")
    client = ApiClient(settings.gateway.api_url)
    try:
        yield open_membership(settings, home, client)
    except (NotInvited, OtherChain, ApiRefused, Unreachable) as why:
        raise DataError(f"not done, and nothing was erased here: {why}") from why
    finally:
        client.close()
