"""Prints the findings of checks on the console: for one bundle, for several in one batch, for a whole day.

Each function returns the exit code that follows from the findings (`api.cli.terminal`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from api.cli.terminal import FAILED, INCOMPLETE, REFUSED, Marks
from api.config.settings import CommunitySettings
from api.protocol.bundle import Bundle, NotABundle, examine, parse
from api.protocol.explained import explain
from api.protocol.finding import Finding
from zkp.errors import MalformedProof

if TYPE_CHECKING:  # checking bundles needs neither chain nor server, which take seconds to load
    from api.audit.source import Fetch, Registries
    from rewards.chain import Chain
    from rewards.deploy import Contracts


def verify_one(console: Console, file: Path, community: CommunitySettings | None) -> int:
    """Print every check of a bundle, and what it proves, or what fails, why, and what that means. Returns the exit
    code."""
    bundle = read_bundle(file)
    if isinstance(bundle, Finding):
        tell(console, bundle)
        return exit_code([bundle])
    findings = examine(bundle, community)
    for finding in findings:
        _mark(console, finding)
    last = findings[-1]
    if last.is_bad:
        console.print(f"[bold red]The proof does not hold:[/] {escape(str(last.problem))}.", soft_wrap=True)
        console.print(last.meaning, soft_wrap=True)
        return exit_code(findings)
    console.print("[bold green]The proof holds.[/]")
    marks = Marks.of(console)
    for line in explain(bundle):
        console.print(f"{marks.bullet} {escape(line)}", highlight=False, soft_wrap=True)
    return 0


def verify_many(console: Console, files: Sequence[Path], community: CommunitySettings | None) -> int:
    """Print a line for each file, with the reason if it is invalid or unreadable. Returns the exit code."""
    from api.protocol.batch import bad_bundles

    each = list(dict.fromkeys(files))
    read = {file: read_bundle(file) for file in each}
    bundles = {file: found for file, found in read.items() if not isinstance(found, Finding)}
    bad = {file: found for file, found in read.items() if isinstance(found, Finding)}
    parsed = list(bundles)
    bad |= {
        parsed[k]: replace(found, what=f"{parsed[k]}: {found.what}")
        for k, found in bad_bundles(list(bundles.values()), community).items()
    }
    findings = [bad.get(file, Finding(str(file))) for file in each]
    for finding in findings:
        tell(console, finding)
    held = sum(not finding.is_bad for finding in findings)
    unread = sum(finding.kind == "missing" for finding in findings)
    console.print(f"{held} of {len(each)} hold{f', {unread} could not be read' if unread else ''}.")
    return exit_code(findings)


def read_bundle(file: Path) -> Bundle | Finding:
    """A file's bundle, or what is wrong with the file."""
    try:
        return parse(file.read_bytes())
    except OSError as error:
        return Finding.missing(f"{file}: cannot be read", error.strerror or type(error).__name__)
    except NotABundle as problem:
        return Finding.failed(f"{file}: not a Wattproof bundle", str(problem))
    except MalformedProof as problem:
        return Finding.failed(f"{file}: a damaged Wattproof bundle", str(problem))


def exit_code(findings: Sequence[Finding]) -> int:
    """What is invalid outweighs what can't be read."""
    kinds = {finding.kind for finding in findings}
    return REFUSED if "failed" in kinds else FAILED if "missing" in kinds else 0


def audit_day(
    console: Console, fetch: Fetch, day: int, community: str, registries: Registries | None, before: Sequence[Finding]
) -> int:
    """Print all findings of an audit, what it leaves unchecked, and the verdict. Returns the exit code. Raises
    AuditError.

    `before`: findings that count towards the verdict and have been printed.
    """
    from api.audit.day import audit

    findings = list(before)
    for finding in audit(fetch, day, community, registries):
        tell(console, finding)
        findings.append(finding)
    if registries is None:
        console.print(
            "Not checked: whether meters, models and registrations match the chain, and whether the server left out "
            "forecasts or claims; its own lists were used. Use --rpc-url and --contracts to ask the chain."
        )
    console.print("Not checked: whether the weather feed was accurate, and whether the meters measure correctly.")
    verdict = _verdict(day, findings)
    _mark(console, verdict)
    return audit_exit_code(findings)


def audit_exit_code(findings: Sequence[Finding]) -> int:
    """What is invalid outweighs what is missing."""
    kinds = {finding.kind for finding in findings}
    return REFUSED if "failed" in kinds else INCOMPLETE if "missing" in kinds else 0


def _verdict(day: int, findings: Sequence[Finding]) -> Finding:
    count = Counter(finding.kind for finding in findings)
    failed, missing = (f"{n} {what}{'' if n == 1 else 's'}" for n, what in (
        (count["failed"], "check"), (count["missing"], "record")
    ))  # fmt: skip
    if count["failed"]:
        also = f", and {missing} missing" if count["missing"] else ""
        return Finding(f"Verdict: day {day} does NOT hold: {failed} failed{also}.", "failed")
    if count["missing"]:
        return Finding(f"Verdict: day {day} is incomplete: no check failed, but {missing} missing.", "missing")
    return Finding(f"Verdict: day {day} holds: all {count['held']} checks passed.")


def audit_contracts(console: Console, chain: Chain, contracts: Contracts, community: bytes) -> Finding:
    """Whether all contracts, the verifier included, are this version's, and which are not. Raises a ChainError."""
    from rewards.bytecode_check import differences

    wrong = differences(chain, contracts, community)
    finding = (
        Finding.failed(
            "The contracts on the chain are NOT those of this version", f"what differs: {'; '.join(wrong)}"
        )
        if wrong
        else Finding("The contracts on the chain are those of this version, the skill verifier included.")
    )
    tell(console, finding)
    return finding


def _mark(console: Console, finding: Finding) -> None:
    console.print(
        f"{Marks.of(console).of_kind(finding.kind)} {escape(finding.what)}", highlight=False, soft_wrap=True
    )


def tell(console: Console, finding: Finding) -> None:
    _mark(console, finding)
    if finding.problem is not None:
        console.print(f"  {escape(finding.problem)}. {finding.meaning}".rstrip(), highlight=False, soft_wrap=True)
