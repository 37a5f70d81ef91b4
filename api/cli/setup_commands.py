"""`wattproof init`, `doctor`, `status` and `days`: settings to begin with, what is missing to run, how this machine
stands, and which days there are."""

from __future__ import annotations

import json
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.arguments import CONFIG, ConfigOption, HomesOption, JsonOption
from api.cli.terminal import INCOMPLETE, Marks, console

if TYPE_CHECKING:
    from api.protocol.finding import Finding


class Role(StrEnum):
    """What a machine does in its community."""

    SERVER = "server"
    GATEWAY = "gateway"
    ONE_MACHINE = "one-machine"


_NEXT = {
    Role.SERVER: "wattproof keys --home NAME ..., then wattproof coordinator, and wattproof serve beside it",
    Role.GATEWAY: "wattproof identity NAME, for the manager, then wattproof agent NAME",
    Role.ONE_MACHINE: "wattproof data import EXPORT --home NAME --out NAME.csv for each home, then wattproof train",
}


def init(
    role: Annotated[Role, typer.Option(help="what this machine does")],
    name: Annotated[str, typer.Option(help="the community's name; the same on every machine, and for ever")],
    home: HomesOption = None,
    host: Annotated[str, typer.Option(help="the coordinator's name in the network")] = "coordinator.example",
    day_start_utc: Annotated[
        int,
        typer.Option(min=0, max=23, help="UTC hour of the community's midnight: 23 for Rome, Madrid, Paris, Berlin"),
    ] = 23,
    out: Annotated[Path, typer.Option(help="the settings to write; never one that is there")] = CONFIG,
) -> None:
    """Write settings with comments for a server, a gateway, or all homes on one machine."""
    from api.config.community_yaml import ConfigError, load
    from data.atomic import write_bytes

    if out.exists():
        raise ConfigError(f"{out} is there already and stays as it is: name another file with --out, or edit it")
    homes = home or (["elm-3"] if role is Role.GATEWAY else ["elm-3", "elm-5", "elm-7"])
    template = files(__package__).joinpath("templates", f"{role}.yaml").read_text(encoding="utf-8")
    tables = ", ".join(f"{one}.csv" for one in homes)
    text = Template(template).substitute(
        name=json.dumps(name, ensure_ascii=False), files=tables, start=day_start_utc, host=json.dumps(host)[1:-1]
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(out, text.encode())
    try:
        load(out)
    except ConfigError:
        out.unlink()
        raise
    console.print(f"{out} is written. Look through it, then: {_NEXT[role]}", highlight=False)
    console.print("`wattproof doctor` says what is missing.")


def doctor(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Look at settings, readings, keys, ports, disk and chain, change nothing, and say what to do about each.

    Exit codes: 0 nothing is wrong; 4 something is missing; 1 the settings can't be used; 2 wrong command line.
    """
    from api.cli.doctor import examine_machine

    _tell(examine_machine(config), as_json)


def status(home: HomesOption = None, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Tell how this machine stands: readings, today's forecast or why there is none, model, outbox, clock, server.

    Exit codes: 0 all is well; 4 something is missing; 1 it could not be told; 2 wrong command line.
    """
    from api.cli.status import machine_status
    from api.config.community_yaml import load

    _tell(list(machine_status(load(config), home)), as_json)


def _tell(findings: list[Finding], as_json: bool) -> None:
    """Print findings, and end with INCOMPLETE where one of them is bad."""
    bad = sum(finding.is_bad for finding in findings)
    if as_json:
        told = [{"kind": one.kind, "what": one.what, "remedy": one.problem} for one in findings]
        typer.echo(json.dumps({"healthy": not bad, "findings": told}, indent=2))
    else:
        marks = Marks.of(console)
        for one in findings:
            console.print(f"{marks.of_kind(one.kind)} ", end="")
            console.print(one.what, markup=False, highlight=False, soft_wrap=True)
            if one.problem:
                console.print(f"    {one.problem}", markup=False, highlight=False, soft_wrap=True)
        console.print("Nothing is wrong." if not bad else f"{bad} to look at.")
    if bad:
        raise typer.Exit(INCOMPLETE)


def days(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """List the days of the community: forecasts, whether the totals are open, and up to when there are readings."""
    from api.config.community_yaml import load
    from api.one_machine.days_known import days_known

    known = days_known(load(config))
    if as_json:
        typer.echo(json.dumps([one.as_json() for one in known.days], indent=2))
        return
    for one in known.days:
        totals = [
            name for name, there in (("forecast", one.forecast_total), ("measured", one.measured_total)) if there
        ]
        opened = f"total of {' and '.join(totals)} open" if totals else "no total open"
        console.print(f"{one.date}  day {one.day}  {one.forecasts} forecasts, {opened}", highlight=False)
    console.print(known.readings, highlight=False)
