"""Commands run in the test's own process, where it is not the process that is tested: starting one takes seconds."""

from __future__ import annotations

from contextlib import chdir
from functools import cache
from pathlib import Path
from typing import Any

import click
import typer
from click.testing import CliRunner as ClickRunner
from click.testing import Result

from api.cli.main import app


@cache
def program(commands: typer.Typer = app) -> click.Group:
    """What Typer makes of its commands, which takes it 30 ms each time."""
    made = typer.main.get_command(commands)
    assert isinstance(made, click.Group)
    return made


class CliRunner(ClickRunner):
    """Typer's, which does not make the program anew for each command that is run."""

    def invoke(self, commands: typer.Typer, *arguments: Any, **named: Any) -> Result:  # type: ignore[override]
        return super().invoke(program(commands), *arguments, **named)


def output(*arguments: str) -> str:
    """What a command of `wattproof` prints. Raises what it raises."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def output_in(folder: Path, *arguments: str) -> str:
    """`output` of a command that is run in a folder."""
    with chdir(folder):
        return output(*arguments)
