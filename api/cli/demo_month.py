"""The demo's month of shared energy: the homes with the PV of the data set, settled, each share proven.

Their meters are others than those that the forecasts are proven of: these count what is taken and what is fed in.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rich.table import Table

from api.one_machine.settled_homes import SettledHomes
from api.one_machine.settlement_files import kept_settlement, write_settlement
from api.operator.community import Community
from api.operator.settled_periods import period_name
from api.operator.settlement_root import publish_settlement
from api.protocol.period import SIDES
from data.atomic import write_bytes
from rewards.chain import Chain

_WH_PER_KWH = 1000


def settle_month(community: Community, chain: Chain, day: int) -> dict[str, Any]:
    """Settle the month that a day is in, write its files and pictures, publish its root; its figures (Wh).

    Raises PeriodError where it cannot be settled: among two homes, for instance.
    """
    config = community.config
    homes = SettledHomes.of(config)
    date = homes.clock.date_of(day)
    first = date.replace(day=1)
    after = (first + timedelta(days=31)).replace(day=1)
    days = range(homes.clock.day_on(first), homes.clock.day_on(after))
    name = period_name(first, after - timedelta(days=1))
    folder = config.api.settlements_dir / name
    settlement = homes.settle(days, kept_settlement(folder, config.community.name, days))
    of = settlement.period
    write_settlement(folder, homes, settlement, days)
    for drawn, kept in (("period", "shared_energy"), ("period-dark", "shared_energy_dark")):
        write_bytes(config.api.state_dir / f"{kept}.png", (folder / f"{drawn}.png").read_bytes())
    return {
        "period": name,
        "homes": len(of.households),
        "days": len(of.days),
        "key": of.key.kind,
        "self_consumed_wh": sum(homes.self_consumed(days) or []),
        "shared_wh": of.shared_wh,
        "exported_wh": of.exported_wh - of.shared_wh,
        "fed_in_wh": of.exported_wh,
        "taken_wh": of.imported_wh,
        "shares_proven": len(settlement.shares),
        "remainder_wh": {side: settlement.remainder(side) for side in SIDES},
        "root": "0x" + settlement.root.hex(),
        "registry": publish_settlement(community, chain, settlement),
    }


def month_table(month: dict[str, Any]) -> Table:
    """The month's generation by use, and what the homes took from the grid."""
    table = Table(title=f"Shared energy of {month['period']}: {month['homes']} homes with PV", show_header=True)
    for head in ("", "kWh", "of what the roofs made"):
        table.add_column(head, justify="right" if head else "left")
    made = month["self_consumed_wh"] + month["fed_in_wh"]
    rows = (
        ("self-consumed at home", "self_consumed_wh"), ("shared in the community", "shared_wh"),
        ("exported beyond it", "exported_wh"),
    )  # fmt: skip
    for said, key in rows:
        table.add_row(said, f"{month[key] / _WH_PER_KWH:,.1f}", f"{month[key] / made:.1%}" if made else "-")
    table.add_row("taken from the grid", f"{month['taken_wh'] / _WH_PER_KWH:,.1f}", "")
    left = " and ".join(f"{wh} Wh" for wh in month["remainder_wh"].values())
    table.caption = f"{month['shares_proven']} shares proven, their root on the chain; left over by rounding: {left}"
    return table
