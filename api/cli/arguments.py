"""Types of arguments and options that several commands share, each checked before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.day_names import DayName, day_named
from data.home_name import HOME_NAME_RULE, is_home_name

if TYPE_CHECKING:
    from api.config.settings import CommunitySettings


def _home_name(name: str) -> str:
    """Raises BadParameter for a name that is unfit for a home, or for a file in the state folder."""
    if not is_home_name(name):
        raise typer.BadParameter(f"{name!r} cannot be used: {HOME_NAME_RULE}")
    return name


def _home_names(names: list[str] | None) -> list[str] | None:
    return names if names is None else [_home_name(name) for name in names]


CONFIG = Path("community.yaml")
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="the community's settings")]
ServedConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="the community's settings; by default community.yaml here, else the demo's"),
]
HomeArgument = Annotated[str, typer.Argument(callback=_home_name, help="name of the home")]
HomeOption = Annotated[str, typer.Option("--home", callback=_home_name, help="name of the home")]
HomesOption = Annotated[
    list[str] | None,
    typer.Option("--home", callback=_home_names, help="a home's name; all homes in the data by default"),
]
DayArgument = Annotated[
    DayName, typer.Argument(parser=day_named, metavar="DAY", help="2017-05-30, yesterday, or the number of the day")
]
NewestDayArgument = Annotated[
    DayName | None,
    typer.Argument(
        parser=day_named,
        metavar="[DAY]",
        help="2017-05-30, yesterday, or the number of the day; the newest by default",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="print the findings and the verdict as JSON")]
BundleArgument = Annotated[Path, typer.Argument(help="a bundle, as written by the API or `prove`")]


def community_named(name: str) -> CommunitySettings:
    """The community with this name, and its identifier. Raises BadParameter for an unfit name."""
    from pydantic import ValidationError

    from api.config.settings import CommunitySettings

    try:
        return CommunitySettings(name=name)
    except ValidationError:
        raise typer.BadParameter("a community's name has 1 to 100 characters", param_hint="--community") from None
