"""`wattproof settle` and `wattproof audit-settlement`: a period's shared energy split, and checked from outside."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from api.cli.arguments import JsonOption
from api.cli.terminal import console

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from api.config.community_yaml import Config
    from api.protocol.settlement import Settlement
    from data.day import DayClock

DEMO = Path("out/settlement")
_HOW = "write a month (2017-05), or the first and last day (2017-05-01..2017-05-31)"
_WH_PER_KWH = 1000


@dataclass(frozen=True)
class PeriodName:
    """A period by its first and last date, both in it."""

    first: date
    last: date

    def __str__(self) -> str:
        from api.operator.settled_periods import period_name

        return period_name(self.first, self.last)

    def days(self, clock: DayClock) -> range:
        return range(clock.day_on(self.first), clock.day_on(self.last) + 1)


def period_named(text: str | PeriodName) -> PeriodName:
    """Raises BadParameter for what names no period."""
    if isinstance(text, PeriodName):
        return text
    first, between, last = text.partition("..")
    try:
        if between:
            named = PeriodName(date.fromisoformat(first), date.fromisoformat(last))
        else:
            start = date.fromisoformat(f"{text}-01")
            named = PeriodName(start, start.replace(day=calendar.monthrange(start.year, start.month)[1]))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no period: {_HOW}") from None
    if not 0 <= (named.last - named.first).days < 366:
        raise typer.BadParameter(f"{text}: a period has its days in order, and 366 at most")
    return named


def settle(
    period: Annotated[PeriodName, typer.Argument(parser=period_named, metavar="PERIOD", help=_HOW)],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="the community's settings; the demo homes with their PV, if not given"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="folder of the settlement and its statements; in the state folder by default")
    ] = None,
    pdf: Annotated[
        bool,
        typer.Option("--pdf", help="write statements as PDF, too: of all members, and of each for its household"),
    ] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="put the root of all shares on the community's chain")
    ] = False,
    pay: Annotated[
        bool,
        typer.Option("--pay", help="publish, and pay every share in tokens (settlement.tokens_per_kwh), once each"),
    ] = False,
    incomplete: Annotated[
        bool,
        typer.Option(
            "--incomplete", help="leave out days without totals: of too few homes, or not opened by gateways"
        ),
    ] = False,
) -> None:
    """Settle the shared energy of a period, every share proven: among the homes on this machine, or by gateways.

    Writes settlement.json (for whoever audits), members.csv, hours.csv and a picture, light and dark. Running it
    again for a period gives the same settlement, with the shares of members that were late.

    With settlement.gateways it opens the period: the members' gateways prove their shares, the server settles when
    all are in or the time for them has passed. Run again, it tells who is late, and writes the statements.
    """
    from api.one_machine.settled_homes import SettledHomes
    from api.one_machine.settlement_files import kept_settlement, write_settlement
    from api.operator.report.pdf import require_pdf

    if pdf:
        require_pdf("leave out --pdf")
    settings = _demo() if config is None else _load(config)
    if settings.settlement.gateways:
        if out is not None or publish or pay:
            raise typer.BadParameter(
                "with settlement.gateways the server writes the settlement to its state folder, publishes its root "
                "and pays: leave out --out, --publish and --pay"
            )
        _settle_by_gateways(settings, period, pdf=pdf, incomplete=incomplete)
        return
    homes = SettledHomes.of(settings)
    days = period.days(homes.clock)
    folder = out or settings.api.settlements_dir / str(period)
    kept = kept_settlement(
        folder, settings.community.name, days, settings.settlement.interval_minutes, incomplete=incomplete
    )
    settlement = homes.settle(days, kept, incomplete=incomplete)
    write_settlement(folder, homes, settlement, days, pdf=pdf)
    settled = settlement.period.day_numbers
    _tell(settlement, homes.names, homes.clock, homes.self_consumed(settled))
    if left_out := [str(homes.clock.date_of(day)) for day in days if day not in settled]:
        console.print(f"Days without totals, of which nothing is settled: {', '.join(left_out)}.", highlight=False)
    for absence in homes.absences(settlement):
        console.print(absence, highlight=False)
    console.print(f"Written to {folder}: check it with `wattproof audit-settlement {folder}/settlement.json`.")
    if publish or pay:
        _publish(settings, settlement, folder if pay else None)


def _publish(settings: Config, settlement: Settlement, paid_in: Path | None) -> None:
    """`paid_in`: the period's folder, where its shares are to be paid, too."""
    from api.config.traced import traced
    from api.operator.chain_session import finality_blocks, is_final
    from api.operator.community import Community
    from api.operator.settlement_payment import is_paid_out, pay_settlement
    from api.operator.settlement_root import is_published, publish_settlement

    community = Community(settings)
    chain = community.open_chain(settlement.period.last + 1)
    depth = finality_blocks(community, chain)
    try:
        address = publish_settlement(community, chain, settlement)
        with traced(settings.tracing, "wattproof-one-machine"):
            paid = None if paid_in is None else pay_settlement(community, chain, settlement, paid_in)

        def holds(block: int | None) -> bool:
            published = is_published(community, chain, settlement, block)
            return published and (paid is None or is_paid_out(community, chain, settlement, block))

        final = is_final(chain, depth, holds)
    finally:
        chain.close()
    if paid is not None:
        console.print(
            f"Paid: {paid.paid} of {paid.funded} paid in (smallest unit of the token {paid.token}), by the escrow "
            f"{paid.contract}.", highlight=False,
        )  # fmt: skip
    console.print(f"The root 0x{settlement.root.hex()} is in the settlement registry {address}.", highlight=False)
    if not final:
        console.print(
            f"It is final when {depth} blocks have followed. Run the same command again then: it sends again what a "
            "reorganisation has taken back, and nothing else.", highlight=False,
        )  # fmt: skip


def _demo() -> Config:
    from api.config.demo_settings import demo_config

    return demo_config(DEMO, None)


def _load(config: Path) -> Config:
    from api.config.community_yaml import load

    return load(config)


def _settle_by_gateways(settings: Config, period: PeriodName, *, pdf: bool, incomplete: bool) -> None:
    """Open the period, or tell how it stands; the statements, once the server has settled it."""
    from api.operator.community import Community
    from api.operator.open_periods import OpenPeriods
    from api.operator.settlement_files import SettlementFolder

    community, name = Community(settings), str(period)
    periods = OpenPeriods(community)
    opened = periods.open(name, period.days(community.clock), incomplete=incomplete)
    settlement, _ = periods.settlement(name)
    files = SettlementFolder.of(community, name)
    _tell(settlement, files.names, community.clock, None)
    late = ", ".join(sorted(files.names.get(household, household) for household in settlement.late))
    if absent := settlement.period.absent:
        console.print(f"Days without totals, of which nothing is settled: {len(absent)}.")
    if opened.is_closed:
        files.draw(settlement, None, pdf=pdf)
        console.print(f"Settled{f', without {late}' if late else ''}; written to {files.folder}.", highlight=False)
    else:
        console.print(
            f"{name} is open: the server settles it when all shares are in, or {settings.settlement.share_days} days "
            f"after its opening. Awaited: {late or 'nobody'}.", highlight=False,
        )  # fmt: skip


def _tell(settlement: Settlement, names: Mapping[str, str], clock: DayClock, own: Sequence[int] | None) -> None:
    """The period in one table, and each member's shares in another. `own`: Wh self-consumed each day, if known."""
    from api.protocol.period import SIDES

    of = settlement.period
    totals = [("taken from the grid by all", of.imported_wh), ("fed in by all", of.exported_wh)]
    totals += [("shared", of.shared_wh), ("exported beyond it", of.exported_wh - of.shared_wh)]
    totals += [] if own is None else [("self-consumed behind the meters", sum(own))]
    dates = " to ".join(str(clock.date_of(day)) for day in (of.first, of.last))
    by = "" if of.interval == 60 else ", by the quarter of an hour"
    console.print(f"Shared energy of {of.community}, {dates}, by the key {of.key.kind}{by}", highlight=False)
    table = Table("", "kWh")
    for name, wh in totals:
        table.add_row(name, f"{wh / _WH_PER_KWH:,.1f}")
    console.print(table)
    members = Table("home", "shared, of what it took (Wh)", "shared, of what it fed in (Wh)")
    for household in sorted(of.households, key=lambda household: names.get(household, household)):
        shares = [settlement.shares.get((household, side)) for side in SIDES]
        members.add_row(names.get(household, household), *("late" if s is None else f"{s.wh:,}" for s in shares))
    members.add_row("remainder", *(f"{settlement.remainder(side):,}" for side in SIDES))
    console.print(members)


def audit_settlement(
    file: Annotated[Path, typer.Argument(help="settlement.json, as `settle` writes it")],
    rpc_url: Annotated[str | None, typer.Option(help="your own node of the chain, for the enrolled meters")] = None,
    contracts: Annotated[Path | None, typer.Option(help="the contracts' addresses (contracts.json)")] = None,
    registry: Annotated[
        Path | None, typer.Option(help="the settlement registry's address (settlement-registry.json)")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a settled period from its file, without trusting anybody: signatures, totals, every share, conservation.

    Exit codes: 0 everything holds; 3 a check failed; 1 the audit could not be made; 2 wrong command line.
    """
    from api.audit.settlement import audit_settlement as audited
    from api.cli.check_json import audit_file

    if (rpc_url is None) != (contracts is None and registry is None):
        raise typer.BadParameter(
            "--rpc-url goes with --contracts or --registry: a node, and where the contracts are on it"
        )
    meter_at = None if rpc_url is None or contracts is None else _meters(rpc_url, contracts)
    root_of = None if rpc_url is None or registry is None else _roots(rpc_url, registry)
    made = audited(file.read_bytes(), meter_at, root_of=root_of)
    raise typer.Exit(
        audit_file(console, made, "The settlement holds.", "The settlement does NOT hold.", as_json=as_json)
    )


def _roots(rpc_url: str, registry: Path) -> Callable[[int, int], bytes | None]:
    from functools import partial

    from api.operator.settlement_root import registry_address
    from rewards.chain import Chain
    from rewards.settlements import root_of, settlements_at

    return partial(root_of, settlements_at(Chain.at(rpc_url), registry_address(registry)))


def _meters(rpc_url: str, contracts: Path) -> Callable[[str, int], str]:
    from api.audit.source import ChainRegistries
    from rewards.chain import Chain
    from rewards.deploy import Addresses, Contracts

    return ChainRegistries(Contracts.of(Chain.at(rpc_url), Addresses.read(contracts))).meter_at
