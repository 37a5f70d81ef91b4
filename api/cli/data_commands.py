"""`wattproof data`: the demo homes, and a household's own readings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.arguments import CONFIG, ConfigOption, HomeOption
from api.cli.terminal import console

data_app = typer.Typer(no_args_is_help=True, help="Get the demo homes, or import your own meter's readings.")


@data_app.command("fetch")
def data_fetch(cache: Annotated[Path, typer.Option(help="where to keep it")] = Path(".cache/wattproof")) -> None:
    """Download the 17 demo homes (MIT-licensed CityLearn data, 2 MB), pinned by hash; works offline afterwards."""
    from data.citylearn import fetch

    console.print(f"The demo homes are in {fetch(cache)}")


@data_app.command("import")
def data_import(
    file: Annotated[Path, typer.Argument(help="a portal's or meter's export: CSV, xlsx, JSON, XML, NEM12, P1 log")],
    home: HomeOption,
    out: Annotated[Path, typer.Option(help="the home's table: created, or added to")],
    quarters: Annotated[
        Path | None,
        typer.Option(help="also keep the quarters of an hour, in this table: to settle shared energy by them"),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="time zone of times without a UTC offset, e.g. Europe/Rome")
    ] = None,
    end_stamps: Annotated[bool, typer.Option(help="a time is the end of its interval, not the start")] = False,
    cumulative: Annotated[bool, typer.Option(help="readings are a cumulative register")] = False,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="columns: timestamp=NAME,kwh=NAME (or #2; wh, kw, export_kwh)"),
    ] = None,
    where: Annotated[list[str] | None, typer.Option(help="use only rows with COLUMN=VALUE")] = None,
    preset: Annotated[str | None, typer.Option(help="who exported it, e.g. enedis (see: data presets)")] = None,
    dates: Annotated[str | None, typer.Option(help="order of 01/02/2026: dmy or mdy")] = None,
    accept_unusual: Annotated[bool, typer.Option(help="the figures are right, although unusual for a home")] = False,
    no_export: Annotated[
        bool, typer.Option("--no-export", help="the home feeds nothing into the grid: its export is 0")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="values that differ from existing ones are corrections")
    ] = False,
) -> None:
    """Add a household's own readings, at any interval that divides an hour, to its table.

    Existing hours stay; faulty lines are named, and nothing is written in part. Check the closing line: a wrong time
    zone shows in the hour of the peak, a wrong unit in the kWh per day.
    """
    from data.append import Addition, append_tables
    from data.errors import DataError, ImportRefused
    from data.importing.command_options import column_roles, date_order, row_filter
    from data.importing.importer import import_file
    from data.importing.options import ImportOptions
    from data.importing.summary import summary
    from data.importing.times import zone_named
    from data.table import QUARTER

    options = ImportOptions(
        home, timezone, "end" if end_stamps else "start", cumulative, columns=column_roles(map_ or ()), preset=preset,
        where=row_filter(where or ()), dates=date_order(dates), accept_unusual=accept_unusual,
        no_export=no_export, quarters=quarters is not None,
    )  # fmt: skip
    for option, table in (("--out", out), ("--quarters", quarters)):
        if table is not None and file.exists() and table.exists() and table.samefile(file):
            raise ImportRefused(file, f"is also {option}, and would be overwritten: name another file for the table")
    if quarters is not None and quarters.resolve() == out.resolve():
        raise DataError(f"{out} is both --out and --quarters: hours and quarters of an hour are two tables")
    imported = import_file(file, options)
    additions = [Addition(out, imported.readings)]
    if quarters is not None and imported.quarters is not None:
        additions.append(Addition(quarters, imported.quarters, QUARTER))
    now, *fine = append_tables(additions, replace=replace)
    console.print(f"{home}: {summary(imported, None if timezone is None else zone_named(file, timezone))}")
    console.print(
        f"{now.added} added to {out}, {now.measured} measured that were filled, {now.replaced} replaced: "
        f"{now.hours} hours in all"
    )
    for part in fine:
        console.print(
            f"{part.added} added to {quarters}, {part.replaced} replaced: {part.hours} quarters of an hour in all"
        )
    if imported.hours_only:
        console.print(f"warning: hours only, no quarters of an hour: {imported.hours_only}")
    for warning in imported.warnings:
        console.print(f"warning: {warning}")


@data_app.command("weather")
def data_weather(config: ConfigOption = CONFIG) -> None:
    """Update the weather feed from Open-Meteo, as `serve` does automatically (weather_from: open-meteo)."""
    from api.config.community_yaml import load
    from api.operator.weather import update_feed

    settings = load(config).data
    console.print(f"{update_feed(settings)} hours added to {settings.weather}")


@data_app.command("presets")
def data_presets() -> None:
    """List the known exporters: their columns, and what else is known about their files."""
    from data.importing.presets import OTHER_KINDS, PRESETS

    for name, preset in PRESETS.items():
        known = [f"columns {', '.join(preset.names)}"]
        known += [f"times are {preset.stamp}s of intervals"] if preset.stamp else []
        known += ["a register"] if preset.is_register else []
        known += [f"usually --timezone {preset.zone}"] if preset.zone else []
        console.print(f"{name}: {preset.exporter}; {'; '.join(known)}")
    for kind in OTHER_KINDS.values():
        console.print(kind)
