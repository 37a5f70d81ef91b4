"""What command lines take: types of arguments and options that several commands share, each checked before anything
is done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.home_name import HOME_NAME_RULE, is_home_name

if TYPE_CHECKING:
    from api.config.settings import CommunitySettings


def _home_name(name: str) -> str:
    """Raises BadParameter for what can't be a home's name, nor a file's in the state folder."""
    if not is_home_name(name):
        raise typer.BadParameter(f"{name!r} can't be used: {HOME_NAME_RULE}")
    return name


def _home_names(names: list[str] | None) -> list[str] | None:
    return names if names is None else [_home_name(name) for name in names]


CONFIG = Path("community.yaml")
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="the community's settings")]
HomeArgument = Annotated[str, typer.Argument(callback=_home_name, help="name of the home")]
HomeOption = Annotated[str, typer.Option("--home", callback=_home_name, help="name of the home")]
HomesOption = Annotated[
    list[str] | None,
    typer.Option("--home", callback=_home_names, help="a home's name; all homes of the data, if none is given"),
]
DayArgument = Annotated[int, typer.Argument(min=0, max=80_000, help="community day: whole days since 1970-01-01")]
NewestDayArgument = Annotated[
    int | None,
    typer.Argument(min=0, max=80_000, help="community day: whole days since 1970-01-01; the newest, if not given"),
]
BundleArgument = Annotated[Path, typer.Argument(help="a bundle, as the API or `prove` gives it")]


def community_named(name: str) -> CommunitySettings:
    """The community of a name, with its identifier. Raises BadParameter for what can't be one."""
    from pydantic import ValidationError

    from api.config.settings import CommunitySettings

    try:
        return CommunitySettings(name=name)
    except ValidationError:
        raise typer.BadParameter("a community's name has 1 to 100 letters", param_hint="--community") from None
