"""`wattproof green-hours`: how green each hour of a day is, from where the settings say; registering it by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.arguments import CONFIG, ConfigOption, DayArgument
from api.cli.terminal import console


def green_hours(
    day: DayArgument,
    config: ConfigOption = CONFIG,
    register: Annotated[
        bool, typer.Option("--register", help="register them on the chain, before the day starts and once")
    ] = False,
) -> None:
    """Show how green each hour of a day is, by the source in `rewards.green_hours`, and what share a load has that is
    the same in every hour: only what is above it counts.

    The server registers each next day's by itself. Exit codes: 0 done; 1 the source does not tell them, or the
    contract refuses them; 2 wrong command line.
    """
    from api.config.community_yaml import load
    from api.operator.chain_session import open_chain_session
    from api.operator.community import Community
    from api.operator.green_hours import green_hours as hours_by_source
    from api.operator.green_hours import register_green_hours
    from data.errors import DataError
    from rewards.green_rule import base_of

    settings = load(config)
    if settings.rewards.green_hours == "none":
        raise DataError(
            "rewards.green_hours names no source: set sun, shared_energy or a CSV file of hours and weights"
        )
    community = Community(settings)
    number = day.number(community.clock)
    weights = hours_by_source(community, number)
    if register:
        weights = register_green_hours(community, open_chain_session(community, number), number)
    for start, weight in zip(community.clock.hours(number), weights, strict=True):
        console.print(f"{start:%Y-%m-%d %H:%M} UTC  {weight:3d}")
    said = "registered; a" if register else "a"
    console.print(f"Day {number}: {said} load that is the same in every hour is {base_of(weights)} % green")
