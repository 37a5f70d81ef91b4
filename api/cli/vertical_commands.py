"""`wattproof vertical`: learning with a partner that has further columns of the same homes."""

from __future__ import annotations

import json

import typer

from api.cli.arguments import CONFIG, ConfigOption, DayArgument, HomeArgument, NewestDayArgument
from api.cli.terminal import console

vertical_app = typer.Typer(
    no_args_is_help=True, help="Learn with a partner that has other columns of the same homes."
)


@vertical_app.command("id")
def identity(home: HomeArgument, config: ConfigOption = CONFIG) -> None:
    """On a gateway: print what the household hands to the partner, signed by its meter, as NAME.id.json."""
    from api.config.community_yaml import load
    from api.gateway.vertical import HomeParts, own_id

    signed = own_id(HomeParts.of(load(config), home))
    told = {"household": signed.household, "partner": signed.partner, "signature": signed.signature.hex()}
    typer.echo(json.dumps(told))


@vertical_app.command("partner")
def partner(config: ConfigOption = CONFIG) -> None:
    """On the partner's machine: take part in sessions with its customers' records."""
    from api.config.community_yaml import load
    from fl.vertical.errors import require_pytorch

    require_pytorch()
    from api.gateway.partner import run_partner

    run_partner(load(config))


@vertical_app.command("lead")
def lead(day: NewestDayArgument = None, config: ConfigOption = CONFIG) -> None:
    """On the coordinator: learn once with the homes and the partner that are online, and have the homes forecast.

    A day that is named is forecast from the days before it, and that is all; otherwise each new day, until stopped.
    """
    from api.config.community_yaml import load
    from api.http.connections import BoundedProtocol
    from api.operator.community import Community
    from api.operator.vertical import vertical_app as session_app
    from fl.deployment.coordinator import run_coordinator

    community = Community(load(config))
    app = session_app(community, None if day is None else day.number(community.clock))
    run_coordinator(community.config.federation.deployment, app, BoundedProtocol)


@vertical_app.command("show")
def show(home: HomeArgument, day: DayArgument, config: ConfigOption = CONFIG) -> None:
    """On a gateway: print the household's own forecast of a day with the partner's values (Wh)."""
    from api.config.community_yaml import load
    from api.gateway.vertical import kept_forecast
    from data.day import DayClock
    from data.errors import DataError

    settings = load(config)
    number = day.number(DayClock(settings.data.day_start_utc))
    found = kept_forecast(settings.api.homes_dir / home, number)
    if found is None:
        raise DataError(f"there is no forecast of day {number} with a partner's values here: a session makes it")
    with_partner = (
        "with the partner's values" if found["with_partner"] else "by the meter alone: the partner was away"
    )
    console.print(f"Day {number}, {with_partner}")
    console.print(" ".join(f"{value:.0f}" for value in found["typical_wh"]), highlight=False)
