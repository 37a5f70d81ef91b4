"""Commands run in the test's own process, where it is not the process that is tested: starting one takes seconds."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

from typer.testing import CliRunner

from api.cli.main import app


def output(*arguments: str) -> str:
    """What a command of `wattproof` prints. Raises what it raises."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def output_in(folder: Path, *arguments: str) -> str:
    """`output` of a command that is run in a folder."""
    with chdir(folder):
        return output(*arguments)
