"""`wattproof report` and `wattproof page`: what a manager hands to the assembly, what a home sees of itself."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.arguments import CONFIG, ConfigOption, HomeArgument
from api.cli.day_names import day_named
from api.cli.terminal import console

if TYPE_CHECKING:
    from data.day import DayClock

_MONTH = re.compile(r"(\d{4})-(\d{2})")
_KINDS = (".html", ".pdf")


def report(
    period: Annotated[
        str, typer.Argument(metavar="DAY|MONTH", help="2017-05-30, yesterday, a day's number, or 2017-05")
    ],
    out: Annotated[Path, typer.Option(help="the file to write, .html or .pdf")],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="the community's settings; community.yaml here, else the demo's"),
    ] = None,
) -> None:
    """Write a day's or a month's report: energy, forecast, accuracy, rewards, and every proof checked once more.

    On the community's machine. Exit codes: 0 written, and all proofs hold; 3 written, and a proof does not hold; 1
    not written; 2 wrong command line.
    """
    from api.cli.served import settings_to_serve
    from api.operator.community import Community
    from api.operator.report import make_report
    from api.operator.report.as_html import as_html
    from api.operator.report.as_pdf import as_pdf
    from api.operator.report.pictures import pictures
    from data.atomic import write_bytes

    if out.suffix not in _KINDS:
        raise typer.BadParameter(f"{out} ends in neither .html nor .pdf", param_hint="--out")
    settings, _ = settings_to_serve(config)
    community = Community(settings)
    days, title = _days(period, community.clock)
    made = make_report(community, days, title)
    if made is None:
        raise typer.BadParameter(f"nothing is known of {title} here: `wattproof days` lists the days there are")
    form, written = ("svg", as_html) if out.suffix == ".html" else ("png", as_pdf)
    write_bytes(out, written(made, pictures(made, settings.data.day_start_utc, form)))
    console.print(f"{out}: {len(made.days)} days, {made.proofs - len(made.bad)} of {made.proofs} proofs hold")
    if made.bad:
        console.print("\n".join(made.bad), style="red", markup=False)
        raise typer.Exit(3)


def _days(period: str, clock: DayClock) -> tuple[list[int], str]:
    """The days of a period, and its name. Raises BadParameter."""
    month = _MONTH.fullmatch(period)
    if month is None:
        day = day_named(period).number(clock)
        return [day], f"{clock.date_of(day):%Y-%m-%d}"
    year, number = int(month[1]), int(month[2])
    if not (1970 <= year <= 2188 and 1 <= number <= 12):
        raise typer.BadParameter(f"{period!r} is no month: write it like 2017-05")
    first = clock.day_on(date(year, number, 1))
    after = clock.day_on(date(year + number // 12, number % 12 + 1, 1))
    return list(range(first, after)), period


def page(
    home: HomeArgument,
    config: ConfigOption = CONFIG,
    port: Annotated[int, typer.Option(min=0, max=65535, help="of 127.0.0.1; 0: any that is free")] = 8100,
) -> None:
    """On a gateway: serve the home's own page, with its forecasts and readings, to this machine alone."""
    from api.config.community_yaml import load
    from api.gateway.local_page import LocalPage
    from api.gateway.own_days import OwnDays

    own = OwnDays(load(config), home)
    try:
        served = LocalPage(port, own.shown)
    except OSError as error:
        raise typer.BadParameter(
            f"cannot listen on port {port} ({error.strerror}): name another with --port"
        ) from None
    with served:
        console.print(
            f"Open {served.link}\nWho has this link sees the readings: keep it. Stop with Ctrl-C.", highlight=False
        )
        served.serve_forever()
