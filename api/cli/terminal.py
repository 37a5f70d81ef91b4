"""What commands share: the console, its marks, exit codes, and how a failing command ends.

    0   done; for checks: everything that was checked holds
    1   it could not be done: invalid settings, a damaged or missing file, no server, or a fault of this program
    2   a wrong command line
    3   something was checked and is invalid (`verify`, `audit`)
    4   something is missing: records (`audit`), the forecast or claim of a home (`forecast`, `claim`)
    130, 143 it was stopped by Ctrl-C, by SIGTERM (`wattproof.main`)

An expected error is one line that says what is wrong and what to do. An unexpected one is printed as an outline,
which holds no values (`data.failures`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

import typer
from rich.console import Console
from rich.markup import escape

from api.protocol.finding import Kind
from data.failures import describe, is_ours, outline

FAILED, REFUSED, INCOMPLETE = 1, 3, 4
_EXTRA_OF = {"dp_accounting": "privacy", "opentelemetry": "tracing"} | dict.fromkeys(
    ("web3", "eth_tester", "eth", "vyper", "snekmate", "fastapi", "starlette", "uvicorn", "sqlalchemy", "matplotlib",
     "sklearn", "ray", "torch"), "server",
)  # fmt: skip
"""Packages that a gateway's installation leaves out, and the extra that brings them (pyproject.toml)."""
console = Console(width=None if sys.stdout.isatty() else 120)


@dataclass(frozen=True)
class Marks:
    """The marks before findings and sentences, as rich markup."""

    held: str
    failed: str
    missing: str
    bullet: str

    @classmethod
    def of(cls, console: Console) -> Marks:
        """Marks that the console's encoding can write: two that both came out as `?` would be indistinguishable."""
        try:
            "✓✗•".encode(console.encoding)
        except UnicodeEncodeError:
            return cls(r"[green]\[ok][/]", r"[red]\[FAILED][/]", r"[yellow]\[MISSING][/]", "-")
        return cls("[green]✓[/]", "[red]✗[/]", "[yellow]?[/]", "•")

    def of_kind(self, kind: Kind) -> str:
        """The mark before a finding."""
        return {"held": self.held, "failed": self.failed, "missing": self.missing, "noted": self.bullet}[kind]


def run(command: Callable[[], object]) -> None:
    """Run a command; ends the process with its exit code, whatever the outcome."""
    for stream in (sys.stdout, sys.stderr):
        _write_anything(stream)
    try:
        command()
    except Exception as error:  # noqa: BLE001 - nothing that a command raises may reach Python's own traceback
        _tell(error)
        sys.exit(FAILED)


def tell_version(wanted: bool) -> None:
    """Print the version and exit, if requested."""
    if wanted:
        from importlib.metadata import version

        console.print(f"wattproof {version('wattproof')}", highlight=False)
        raise typer.Exit


def _write_anything(stream: TextIO) -> None:
    """A character that the terminal cannot write becomes a question mark, not an error."""
    if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
        reconfigure(errors="replace")


def _tell(error: Exception) -> None:
    console = Console(stderr=True)
    if (extra := _missing_extra(error)) is not None:
        console.print(
            f"[bold red]Error:[/] this needs more than a gateway's installation: pip install 'wattproof\\[{extra}]'",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
        return
    if is_ours(error) or (isinstance(error, OSError) and error.strerror):
        console.print(f"[bold red]Error:[/] {escape(describe(error))}", highlight=False, soft_wrap=True)
        return
    console.print("[bold red]Internal error.[/] This is a fault in Wattproof: please report these lines.")
    console.print(
        "They hold no values: messages of libraries are left out, since they may quote readings, keys or passwords."
    )
    console.print(escape(outline(error)), highlight=False, soft_wrap=True)


def _missing_extra(error: Exception) -> str | None:
    """The extra that brings a package whose import has failed, if one does."""
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    return None if name is None else _EXTRA_OF.get(name.partition(".")[0])
