"""The commands that the docs tell people to type exist, with their options; files that they name are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from api.config.demo_settings import demo_config
from tests.support.commands import program

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_SPAN = re.compile(r"`(wattproof [^`]+)`|^(?:\$ )?(?:sudo -u wattproof )?(wattproof [^#\n]+)", re.MULTILINE)


def commands(page: Path) -> list[str]:
    """What follows `wattproof` in code, a span on two lines as one."""
    text = page.read_text(encoding="utf-8")
    return [" ".join((span or line).split()) for span, line in _SPAN.findall(text)]


def parsed(command: str) -> tuple[click.Command, list[str]]:
    """The command of the program, and the words after it."""
    words = shlex.split(command)[1:]
    found: click.Command = program()
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


def test_every_command_of_the_program_has_its_line() -> None:
    listed = {" ".join(command.split()[1:]) for command in commands(ROOT / "docs" / "commands.md")}

    def names(group: click.Group, prefix: str = "") -> list[str]:
        return [
            name
            for key, command in group.commands.items()
            for name in (names(command, f"{key} ") if isinstance(command, click.Group) else [prefix + key])
        ]

    assert listed == set(names(program()))


def test_there_are_commands_to_look_at() -> None:
    for name, fewest in (("README.md", 3), ("docs/community.md", 8), ("docs/deployment.md", 8)):
        assert len(commands(ROOT / name)) >= fewest, name


def test_the_demos_proofs_are_where_the_docs_look_for_them() -> None:
    proofs = demo_config(Path("out/demo"), None).api.proofs_dir
    for name in ("README.md", "docs/quick-start.md"):
        said = re.findall(r"wattproof verify (out/demo/\S+)", (ROOT / name).read_text(encoding="utf-8"))
        assert said, name
        for path in said:
            assert Path(path).parent.parent == proofs, f"{name} says {path}"


def test_a_newcomer_finds_what_the_first_steps_need() -> None:
    assert "source .venv/bin/activate" in (ROOT / "README.md").read_text(encoding="utf-8")
    text = (ROOT / "docs" / "community.md").read_text(encoding="utf-8")
    for said in ("wattproof init --role server", "source: none", "wattproof keys --home", "wattproof identity"):
        assert said in text


def test_the_readme_says_in_one_step_where_to_change_what() -> None:
    """The code that it names is there: a baseline, a deadline, a column of the trace, the text of a refusal."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.split("## Where to change what")[1].split("\n\n")[1]
    rows = [line.split("|")[1:3] for line in table.splitlines()[2:]]
    assert {"a baseline", "the deadline of a forecast", "a column of the trace", "the text of a refusal"} <= {
        what.strip() for what, _ in rows
    }
    for _, where in rows:
        names, paths = re.findall(r"`([A-Za-z_]+)` in", where), re.findall(r"`([a-z]+/[^`]+)`", where)
        for path in paths:
            assert (ROOT / path).exists(), path
        for name, path in zip(names, paths, strict=False):
            assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8")), f"{name} in {path}"


def test_pictures_and_pages_that_the_readme_shows_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r'(?:src|srcset)="([^"]+)"|\]\((docs/[^)#]+)', text)
    assert len(shown) >= 10
    for source, link in shown:
        assert (ROOT / (source or link)).exists(), source or link
