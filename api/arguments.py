"""What command lines take: types of arguments and options that several commands share, each checked before anything
is done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from api.settings import CommunitySettings

CONFIG = Path("community.yaml")
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="the community's settings")]
DayArgument = Annotated[int, typer.Argument(min=0, max=80_000, help="community day: whole days since 1970-01-01")]
BundleArgument = Annotated[Path, typer.Argument(help="a bundle, as the API or `prove` gives it")]


def community_named(name: str) -> CommunitySettings:
    """The community of a name, with its identifier. Raises BadParameter for what can't be one."""
    from pydantic import ValidationError

    from api.settings import CommunitySettings

    try:
        return CommunitySettings(name=name)
    except ValidationError:
        raise typer.BadParameter("a community's name has 1 to 100 letters", param_hint="--community") from None
