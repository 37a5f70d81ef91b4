"""What `--help` says: every argument and option of every command explains itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Annotated, get_args, get_origin, get_type_hints

import click
import pytest
from typer.models import ParameterInfo

from api.cli.main import app
from tests.support.commands import CliRunner, program


def commands() -> Iterator[tuple[list[str], click.Command]]:
    for name, command in program().commands.items():
        if isinstance(command, click.Group):
            yield from (([name, inner], found) for inner, found in command.commands.items())
        else:
            yield [name], command


def declared(command: click.Command) -> dict[str, str]:
    """The help that the code gives each parameter."""
    function = inspect.unwrap(command.callback) if command.callback else None
    assert function is not None
    hints = get_type_hints(function, include_extras=True)
    found = {}
    for name, hint in hints.items():
        if get_origin(hint) is Annotated:
            info = next(part for part in get_args(hint) if isinstance(part, ParameterInfo))
            found[name] = info.help or ""
    return found


@pytest.mark.parametrize("names", [names for names, _ in commands()], ids=" ".join)
def test_help_explains_every_argument_and_option(names: list[str]) -> None:
    command = next(found for known, found in commands() if known == names)
    said = " ".join(CliRunner().invoke(app, [*names, "--help"], env={"COLUMNS": "200"}).output.split())
    for parameter, text in declared(command).items():
        assert text, f"{' '.join(names)}: {parameter} has no help"
        assert " ".join(text.split()) in said.replace(" │ │ ", " "), f"{parameter} is not explained: {text!r}"
