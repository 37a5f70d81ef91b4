"""`wattproof source`: live meters, before an agent polls them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.arguments import CONFIG, ConfigOption
from api.cli.terminal import console

if TYPE_CHECKING:
    from data.sources.settings import LiveSettings
    from data.sources.source import Reading

_SHOWN = 5
source_app = typer.Typer(no_args_is_help=True, help="Live meters: list the sources, and test one.")


@source_app.command("list")
def source_list() -> None:
    """List the sources, and the settings under data.live that each needs."""
    from data.plug_ins import SOURCES, plug_ins
    from data.sources.source import BUILT_IN

    for name, built_in in BUILT_IN.items():
        console.print(f"{name}: {built_in.what}. Needs {built_in.needs}")
    for point in plug_ins(SOURCES):
        console.print(f"{point.name}: plugged in by {point.value}")


@source_app.command("test")
def source_test(
    source: Annotated[str | None, typer.Argument(help="a source's name; by default that of data.live")] = None,
    config: ConfigOption = CONFIG,
    path: Annotated[Path | None, typer.Option(help="serial port, folder or file")] = None,
    address: Annotated[str | None, typer.Option(help="host:port or URL")] = None,
    secret_file: Annotated[Path | None, typer.Option(help="file with a token, or USER:PASSWORD")] = None,
    option: Annotated[list[str] | None, typer.Option(help="NAME=VALUE of the source")] = None,
) -> None:
    """Poll a meter once, and show what it returns. Nothing is stored."""
    from data.sources.source import source_named

    settings = _settings(source, config, path, address, secret_file, option or [])
    readings = list(source_named(settings).poll(None))
    if not readings:
        console.print(f"{settings.source}: reached, but it reports nothing yet")
    for reading in readings[-_SHOWN:]:
        console.print(_line(reading))
    if len(readings) > _SHOWN:
        console.print(f"(the last {_SHOWN} of {len(readings)})")


def _settings(
    source: str | None,
    config: Path,
    path: Path | None,
    address: str | None,
    secret_file: Path | None,
    options: list[str],
) -> LiveSettings:
    from data.errors import SourceError
    from data.sources.settings import LiveSettings

    if source is None:
        from api.config.community_yaml import load

        live = load(config).data.live
        if live is None:
            raise SourceError(f"{config} has no data.live: name a source here, or set one there")
        return live
    pairs: dict[str, str | int | float | bool] = dict(option.partition("=")[::2] for option in options)
    return LiveSettings(source=source, path=path, address=address, secret_file=secret_file, options=pairs)


def _line(reading: Reading) -> str:
    """A line about a reading: the person is asking their own meter."""
    from data.sources.source import Register

    out = "" if reading.exported is None else f", exported {reading.exported / 1000:.3f} kWh"
    if isinstance(reading, Register):
        return f"{reading.taken:%Y-%m-%d %H:%M:%S} UTC: registers at {reading.imported / 1000:.3f} kWh imported{out}"
    flag = ", filled" if reading.filled else ", with its quarters" if reading.quarters is not None else ""
    return f"{reading.start:%Y-%m-%d %H:%M} UTC: an hour of {reading.imported / 1000:.3f} kWh imported{out}{flag}"
