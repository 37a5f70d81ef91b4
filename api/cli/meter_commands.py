"""`wattproof identity` and `replace-meter`: a household's line for the manager, and its next meter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.arguments import CONFIG, ConfigOption, HomeArgument
from api.cli.day_names import DayName, day_named

if TYPE_CHECKING:
    from api.config.community_yaml import Config
    from api.gateway.home import Home


def identity(home: HomeArgument, config: ConfigOption = CONFIG) -> None:
    """Print a home's wallet and meter addresses, created if necessary, as an entry for `community.members`."""
    from api.config.community_yaml import load

    settings = load(config)
    _print_line(_home(settings, home), settings)


def replace_meter(
    home: HomeArgument,
    first: Annotated[
        DayName,
        typer.Option(
            "--from", parser=day_named, metavar="DAY", help="the new meter's first day, which has not begun"
        ),
    ],
    config: ConfigOption = CONFIG,
) -> None:
    """Make the key of the meter that replaces a home's from a day on, and print the entry for `community.members`.

    The manager puts it in place of the old one, and restarts the server before that day begins. The old meter signs
    the days before, so its key is kept. As long as the day has not begun, the command can name another one.
    """
    import time
    from datetime import UTC, datetime

    from api.config.community_yaml import load
    from api.gateway.replaced_meter import replace_meter as replace
    from data.day import DayClock

    settings = load(config)
    clock, own = DayClock(settings.data.day_start_utc), _home(settings, home)
    today = clock.day_of(datetime.fromtimestamp(time.time(), UTC)) if settings.replay is None else None
    replace(own, first.number(clock), today)
    _print_line(own, settings)


def _home(settings: Config, home: str) -> Home:
    from api.gateway.home import Home

    return Home(home, settings.api.homes_dir / home)


def _print_line(home: Home, settings: Config) -> None:
    from api.gateway.replaced_meter import member_line
    from data.day import DayClock

    typer.echo(member_line(home, DayClock(settings.data.day_start_utc)))
