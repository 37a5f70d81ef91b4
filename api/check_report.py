"""What checks find, told on the console: of one bundle, of several in one batch, of a whole day.

Each function returns whether everything held.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from api.audit import audit
from api.audit_source import Fetch, Registries, community_of
from api.batch import bad_bundles
from api.bundle import Bundle, Finding, examine, explain, parse
from rewards.chain import Chain
from rewards.deploy import Contracts
from rewards.deployed import differences
from zkp.errors import MalformedProof


def verify_one(console: Console, file: Path) -> bool:
    """Every check of a bundle; what it proves, or what fails, why, and what that means. Raises MalformedProof."""
    bundle = parse(file.read_bytes())
    findings = examine(bundle)
    for finding in findings:
        _mark(console, finding)
    last = findings[-1]
    if last.problem is not None:
        console.print(f"[bold red]The proof does not hold:[/] {escape(last.problem)}.")
        console.print(last.meaning)
        return False
    console.print("[bold green]The proof holds.[/]")
    for line in explain(bundle):
        console.print("• " + escape(line))
    return True


def verify_many(console: Console, files: Sequence[Path]) -> bool:
    """A line for each file, with the reason where it does not hold."""
    bundles: dict[Path, Bundle] = {}
    bad: dict[Path, Finding] = {}
    for file in files:
        try:
            bundles[file] = parse(file.read_bytes())
        except MalformedProof as problem:
            bad[file] = Finding("It is a bundle.", str(problem))
    parsed = list(bundles)
    bad |= {parsed[k]: finding for k, finding in bad_bundles(list(bundles.values())).items()}
    each = list(dict.fromkeys(files))
    for file in each:
        finding = bad.get(file)
        if finding is None:
            _mark(console, Finding(str(file)))
        else:
            _tell(console, Finding(f"{file}: {finding.what}", finding.problem, finding.meaning))
    console.print(f"{len(each) - len(bad)} of {len(each)} hold.")
    return not bad


def audit_day(console: Console, fetch: Fetch, day: int, community: str | None, registries: Registries | None) -> bool:
    """All findings of an audit, and what it leaves unchecked. Raises AuditError."""
    name = community or community_of(fetch)
    console.print(f"Day {day} of {escape(repr(name))}", highlight=False)
    held = True
    for finding in audit(fetch, day, name, registries):
        _tell(console, finding)
        held = held and finding.problem is None
    if registries is None:
        console.print(
            "Meters, models and registrations were compared with the server's own lists: with --rpc-url and "
            "--contracts they are compared with the chain."
        )
    console.print("Not checked: that the weather was true, and that meters measure right.")
    return held


def audit_contracts(console: Console, chain: Chain, contracts: Contracts, community: bytes) -> bool:
    """Whether the contracts are this version's, verifier and all; what is not is said. Raises a ChainError."""
    wrong = differences(chain, contracts, community)
    if not wrong:
        console.print(
            "[green]✓[/] The contracts on the chain are those of this version, the skill verifier with them."
        )
        return True
    console.print("[red]✗[/] The contracts on the chain are not those of this version.")
    console.print(f"  What differs: {escape('; '.join(wrong))}.", highlight=False)
    return False


def _mark(console: Console, finding: Finding) -> None:
    mark = "[green]✓[/]" if finding.problem is None else "[red]✗[/]"
    console.print(f"{mark} {escape(finding.what)}", highlight=False)


def _tell(console: Console, finding: Finding) -> None:
    _mark(console, finding)
    if finding.problem is not None:
        console.print(f"  {escape(finding.problem)}. {finding.meaning}".rstrip(), highlight=False)
