"""`wattproof data`: the demo homes, and a household's own readings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.arguments import HomeOption
from api.terminal import console

data_app = typer.Typer(no_args_is_help=True, help="Get the demo homes, or bring in your own meter's readings.")


@data_app.command("fetch")
def data_fetch(cache: Annotated[Path, typer.Option(help="where to keep it")] = Path(".cache/wattproof")) -> None:
    """Get the 17 demo homes (MIT-licensed CityLearn data, 2 MB) by hash; works offline afterwards."""
    from data.citylearn import fetch

    console.print(f"The demo homes are in {fetch(cache)}")


@data_app.command("import")
def data_import(
    file: Annotated[Path, typer.Argument(help="CSV: timestamp,kwh and, if you have it, export_kwh")],
    home: HomeOption,
    out: Annotated[Path, typer.Option(help="the home's table: made, or added to")],
    timezone: Annotated[str | None, typer.Option(help="zone of times without UTC offset, e.g. Europe/Rome")] = None,
    end_stamps: Annotated[bool, typer.Option(help="a time is the end of its interval, not the start")] = False,
    cumulative: Annotated[bool, typer.Option(help="readings are a register that only grows")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="other values for hours it has are corrections")] = False,
) -> None:
    """Add a household's own readings at 15, 30 or 60 minutes to its table.

    Hours that are there stay; wrong lines are named, and nothing is half-written.
    """
    from data.append import append_table
    from data.errors import ImportRefused
    from data.importer import ImportOptions, import_file

    options = ImportOptions(home, timezone, "end" if end_stamps else "start", cumulative)
    if file.exists() and out.exists() and out.samefile(file):
        raise ImportRefused(file, "is --out, too, and would be overwritten: name another file for the table")
    imported = import_file(file, options)
    now = append_table(out, imported.readings, replace=replace)
    console.print(
        f"{len(imported.readings)} hours of {home} read "
        f"({imported.filled_hours} filled over short gaps, {imported.cut_hours} cut out)"
    )
    console.print(
        f"{now.added} added to {out}, {now.measured} measured that were filled, {now.replaced} replaced: "
        f"{now.hours} hours in all"
    )
