"""The commands that the docs tell people to type exist, with their options; files that they name are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import typer

from api.cli.main import app
from api.config.demo_settings import demo_config

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_SPAN = re.compile(r"`(wattproof [^`]+)`|^(?:\$ )?(?:sudo -u wattproof )?(wattproof [^#\n]+)", re.MULTILINE)


def commands(page: Path) -> list[str]:
    """What follows `wattproof` in code, a span on two lines as one."""
    text = page.read_text(encoding="utf-8")
    return [" ".join((span or line).split()) for span, line in _SPAN.findall(text)]


def parsed(command: str) -> tuple[click.Command, list[str]]:
    """The command of the program, and the words after it."""
    found, words = typer.main.get_command(app), shlex.split(command)[1:]
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        assert name in found.commands, f"there is no `wattproof {name}`: {command}"
        found = found.commands[name]
    return found, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_exists(page: Path) -> None:
    for command in commands(page):
        found, words = parsed(command)
        known = {"--help"}.union(*(option.opts + option.secondary_opts for option in found.params))
        unknown = [word for word in words if word.startswith("-") and word.split("=")[0] not in known]
        assert not unknown, f"{page.name}: {command}"


def test_there_are_commands_to_look_at() -> None:
    assert len(commands(ROOT / "README.md")) >= 5 and len(commands(ROOT / "docs" / "deployment.md")) >= 8


def test_the_demos_proofs_are_where_the_docs_look_for_them() -> None:
    proofs = demo_config(Path("out/demo"), None).api.proofs_dir
    for name in ("README.md", "docs/quick-start.md"):
        said = re.findall(r"wattproof verify (out/demo/\S+)", (ROOT / name).read_text(encoding="utf-8"))
        assert said, name
        for path in said:
            assert Path(path).parent.parent == proofs, f"{name} says {path}"


def test_a_newcomers_readme_has_what_the_first_steps_need() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for said in ("source .venv/bin/activate", "source: none", "wattproof keys --home"):
        assert said in text
