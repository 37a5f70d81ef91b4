"""`verify --json` and `audit --json`: findings and verdict, for programs. Exit codes are those of the commands.

    {"verdict": "holds", "exit_code": 0, "bundles": [{"file", "verdict", "findings", "proves"}]}
    {"verdict": "incomplete", "exit_code": 4, "day", "community", "findings": [...]}

A finding has kind, what, problem and meaning.

Verdicts: holds; does-not-hold (exit code 3); incomplete (4, records are missing); not-checked (1, cannot be read).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from api.cli.check_report import audit_exit_code, exit_code, read_bundle, tell
from api.cli.terminal import FAILED, INCOMPLETE, REFUSED
from api.config.settings import CommunitySettings
from api.protocol.bundle import examine
from api.protocol.explained import explain
from api.protocol.finding import Finding

if TYPE_CHECKING:
    from api.audit.source import Fetch, Registries

_VERDICTS = {0: "holds", REFUSED: "does-not-hold", INCOMPLETE: "incomplete", FAILED: "not-checked"}


def verify_json(files: Sequence[Path], community: CommunitySettings | None) -> int:
    """Print the checks of each bundle and the verdict. The exit code."""
    bundles, codes = [], []
    for file in dict.fromkeys(files):
        bundle = read_bundle(file)
        findings = [bundle] if isinstance(bundle, Finding) else examine(bundle, community)
        code = exit_code(findings)
        proves = [] if isinstance(bundle, Finding) or code else list(explain(bundle))
        bundles.append(
            {"file": str(file), "verdict": _VERDICTS[code], "findings": _as_json(findings), "proves": proves}
        )
        codes.append(code)
    worst = max(codes)  # an invalid bundle (3) outweighs an unreadable one (1)
    _print({"verdict": _VERDICTS[worst], "exit_code": worst, "bundles": bundles})
    return worst


def audit_json(
    fetch: Fetch, day: int, community: str, registries: Registries | None, before: Sequence[Finding]
) -> int:
    """Print all findings of an audit and the verdict. The exit code. Raises AuditError."""
    from api.audit.day import audit

    findings = [*before, *audit(fetch, day, community, registries)]
    code = audit_exit_code(findings)
    content = {"verdict": _VERDICTS[code], "exit_code": code, "day": day, "community": community}
    _print(content | {"chain_asked": registries is not None, "findings": _as_json(findings)})
    return code


def audit_file(console: Console, made: Iterable[Finding], holds: str, fails: str, *, as_json: bool) -> int:
    """Print the findings of a file's audit as they are made, and the verdict in one of these sentences; or all of it
    as JSON at the end. The exit code."""
    findings = []
    for finding in made:
        findings.append(finding)
        if not as_json:
            tell(console, finding)
    code = audit_exit_code(findings)
    if as_json:
        findings_json(findings, code)
    else:
        console.print(f"[bold red]{fails}[/]" if code else f"[bold green]{holds}[/]")
    return code


def findings_json(findings: Sequence[Finding], code: int) -> None:
    """Print findings and the verdict that an exit code stands for."""
    _print({"verdict": _VERDICTS[code], "exit_code": code, "findings": _as_json(findings)})


def _as_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [
        {"kind": one.kind, "what": one.what, "problem": one.problem, "meaning": one.meaning or None}
        for one in findings
    ]


def _print(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content, indent=2))
