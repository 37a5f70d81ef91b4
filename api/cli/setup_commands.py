"""`wattproof init`, `doctor`, `status` and `days`: initial settings, what is missing to run, its state, and which
days exist."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.arguments import CONFIG, ConfigOption, HomesOption, JsonOption, ServedConfigOption
from api.cli.terminal import INCOMPLETE, Marks, console

if TYPE_CHECKING:
    from api.protocol.finding import Finding

_COMMENT_COLUMN = 38


class Role(StrEnum):
    """The role of a machine in its community."""

    SERVER = "server"
    GATEWAY = "gateway"
    ONE_MACHINE = "one-machine"


_NEXT = {
    Role.SERVER: (
        "wattproof keys --home NAME --home NAME ...    # certificates, and a key for each gateway",
        "wattproof coordinator                         # trains with the gateways",
        "wattproof serve                               # beside it: forecasts, claims, the page",
    ),
    Role.GATEWAY: (
        "wattproof data import EXPORT --home NAME --out NAME.csv    # the home's readings",
        "wattproof identity NAME                                    # a line for the manager's community.members",
        "wattproof agent NAME                                       # trains, forecasts, proves, submits",
    ),
    Role.ONE_MACHINE: (
        "wattproof data import EXPORT --home NAME --out NAME.csv    # for each home",
        "wattproof train                                            # the model, before the day that it is for",
        "wattproof forecast                                         # each day, within the hour after it begins",
    ),
}


def init(
    role: Annotated[Role, typer.Option(help="the role of this machine")],
    name: Annotated[str, typer.Option(help="the community's name; the same on every machine, and never changed")],
    home: HomesOption = None,
    host: Annotated[str, typer.Option(help="the coordinator's host name")] = "coordinator.example",
    day_start_utc: Annotated[
        int,
        typer.Option(min=0, max=23, help="UTC hour of the community's midnight: 23 for Rome, Madrid, Paris, Berlin"),
    ] = 23,
    out: Annotated[
        Path, typer.Option(help="the settings file to write; an existing one is never overwritten")
    ] = CONFIG,
) -> None:
    """Write commented settings for a server, a gateway, or all homes on one machine."""
    from api.config.community_yaml import ConfigError, load
    from data.atomic import write_bytes

    if out.exists():
        raise ConfigError(f"{out} already exists and was not changed: name another file with --out, or edit it")
    homes = home or (["elm-3"] if role is Role.GATEWAY else ["elm-3", "elm-5", "elm-7"])
    template = files(__package__).joinpath("templates", f"{role}.yaml").read_text(encoding="utf-8")
    tables = ", ".join(f"{one}.csv" for one in homes)
    text = _aligned(
        Template(template).substitute(
            name=json.dumps(name, ensure_ascii=False), files=tables, start=day_start_utc, host=json.dumps(host)[1:-1]
        )
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(out, text.encode())
    try:
        load(out)
    except ConfigError:
        out.unlink()
        raise
    console.print(f"Wrote {out}. Review it, then run:", highlight=False)
    for command in _NEXT[role]:
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)
    console.print("`wattproof doctor` shows what is still missing.")


def _aligned(text: str) -> str:
    """The settings with the comments behind values in one column, whatever was filled in."""
    return re.sub(
        r"^([^#\n]*\S)  +(# .*)$", lambda line: f"{line[1]:<{_COMMENT_COLUMN}}  {line[2]}", text, flags=re.MULTILINE
    )


def doctor(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Check settings, readings, keys, ports, disk and chain without changing anything, and say how to fix each
    problem.

    Exit codes: 0 nothing is wrong; 4 something is missing or wrong; 1 the settings are invalid; 2 wrong command line.
    """
    from api.cli.doctor import examine_machine

    _print(examine_machine(config), as_json)


def status(home: HomesOption = None, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Show this machine's state: readings, today's forecast or why there is none, model, outbox, clock, server.

    Exit codes: 0 all is well; 4 something is missing; 1 it could not be determined; 2 wrong command line.
    """
    from api.cli.status import machine_status
    from api.config.community_yaml import load

    _print(list(machine_status(load(config), home)), as_json)


def _print(findings: list[Finding], as_json: bool) -> None:
    """Print findings, and end with INCOMPLETE where one of them is bad."""
    bad = sum(finding.is_bad for finding in findings)
    if as_json:
        shown = [{"kind": one.kind, "what": one.what, "remedy": one.problem} for one in findings]
        typer.echo(json.dumps({"healthy": not bad, "findings": shown}, indent=2))
    else:
        marks = Marks.of(console)
        for one in findings:
            console.print(f"{marks.of_kind(one.kind)} ", end="")
            console.print(one.what, markup=False, highlight=False, soft_wrap=True)
            if one.problem:
                console.print(f"    {one.problem}", markup=False, highlight=False, soft_wrap=True)
        console.print("Nothing is wrong." if not bad else f"{bad} problem{'' if bad == 1 else 's'} found.")
    if bad:
        raise typer.Exit(INCOMPLETE)


def days(config: ServedConfigOption = None, as_json: JsonOption = False) -> None:
    """List the community's days: how many forecasts, whether the totals are open, and how far the readings reach."""
    from api.cli.served import settings_to_serve
    from api.one_machine.days_known import days_known

    known = days_known(settings_to_serve(config)[0])
    if as_json:
        typer.echo(json.dumps([one.as_json() for one in known.days], indent=2))
        return
    for one in known.days:
        totals = [
            name for name, there in (("forecast", one.forecast_total), ("measured", one.measured_total)) if there
        ]
        opened = f"{' and '.join(totals)} total open" if totals else "no total open"
        console.print(f"{one.date}  day {one.day}  {one.forecasts} forecasts, {opened}", highlight=False)
    console.print(known.readings, highlight=False)
