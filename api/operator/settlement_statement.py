"""The statements of a settlement for people: of all members for the assembly, of one member for its household."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from api.operator.report.pdf import Document
from api.operator.report.text import Table
from api.operator.statements import Tariff, community_cents
from api.protocol.period import SIDES, Side
from api.protocol.settlement import Settlement
from data.day import DayClock
from data.interval import IntervalMinutes

_WH_PER_KWH = 1000
_KEYS = {"pro_rata": "in proportion to what each took", "priority": "class by class", "static": "fixed parts",
         "equal": "equal parts"}  # fmt: skip
_BY: dict[IntervalMinutes, str] = {60: "hour by hour", 15: "by the quarter of an hour"}
_AUDIT = "wattproof audit-settlement settlement.json"


@dataclass(frozen=True)
class Statements:
    """A settlement with the prices it is paid by, and its homes' names by household."""

    settlement: Settlement
    tariff: Tariff
    names: Mapping[str, str]
    clock: DayClock

    @property
    def title(self) -> str:
        return self.settlement.period.community

    @property
    def dates(self) -> str:
        of = self.settlement.period
        return f"{self.clock.date_of(of.first)} to {self.clock.date_of(of.last)}"

    def of_all(self, picture: bytes) -> Document:
        """For the assembly and its accountant. `picture`: of the period, PNG."""
        of, tariff = self.settlement.period, self.tariff
        return Document(
            title=self.title,
            subtitle=f"Shared energy, {self.dates}",
            headline=(
                ("Taken from the grid by all", _kwh(of.imported_wh)),
                ("Fed in by all", _kwh(of.exported_wh)),
                (f"Shared: the smaller of both, {_BY[of.interval]}", _kwh(of.shared_wh)),
                ("Exported beyond the community", _kwh(of.exported_wh - of.shared_wh)),
                ("Split among those who took", _KEYS[of.key.kind]),
                ("Premium on shared energy", f"{tariff.paid_in(of.shared_wh):,} cents at {tariff.premium} a kWh"),
                ("Of it for those who fed in", f"{tariff.producers_percent} %"),
                ("Root of all shares", "0x" + self.settlement.root.hex()),
            ),
            tables=(self._members(),),
            check=(
                "Every share follows from days that the member's own meter signed, and is proven in zero knowledge: "
                "no reading was shown to anybody. Shares and remainder add up to the shared energy to the watt-hour. "
                f"Whoever has the period's file can repeat all checks: {_AUDIT}"
            ),
            pictures=(("Each day, and the mean day of the period", picture),),
        )

    def of_member(self, household: str) -> Document:
        """For one household: nothing of any other."""
        of, settlement = self.settlement.period, self.settlement
        took, fed_in = (settlement.shares.get((household, side)) for side in SIDES)
        cents = [self._cents(household, side) for side in SIDES]
        total = f"{sum(c for c in cents if c is not None):,}"
        return Document(
            title=self.title,
            subtitle=f"Shared energy of {self.names.get(household, household)}, {self.dates}",
            headline=(
                ("Household", household),
                ("Days as a member", f"{self._days(household)} of {len(of.days)}"),
                ("Shared, of what it took", "not proven yet" if took is None else _kwh(took.wh)),
                ("Shared, of what it fed in", "not proven yet" if fed_in is None else _kwh(fed_in.wh)),
                ("Premium, cents", total if None not in cents else f"{total} so far"),
                ("Shared by the whole community", _kwh(of.shared_wh)),
                ("Split among those who took", _KEYS[of.key.kind]),
                ("Root of all shares", "0x" + settlement.root.hex()),
            ),
            tables=(),
            check=(
                "Your gateway proved these shares from the days that your meter signed, and shows them beside your "
                f"readings (wattproof page HOME). The period's file proves them to whoever audits it: {_AUDIT}"
            ),
        )

    def _members(self) -> Table:
        settlement = self.settlement
        rows = []
        for household in sorted(settlement.period.households, key=lambda one: self.names.get(one, one)):
            shares = (settlement.shares.get((household, side)) for side in SIDES)
            energy = ("-" if share is None else _kwh(share.wh) for share in shares)
            cents = (self._cents(household, side) for side in SIDES)
            money = ("-" if each is None else f"{each:,}" for each in cents)
            status = "late" if household in settlement.late else "proven"
            name = self.names.get(household, household)
            rows.append((name, str(self._days(household)), *energy, *money, status))
        left = (f"{settlement.remainder(side):,} Wh" for side in SIDES)
        rows.append(("the community", "", *left, f"{community_cents(settlement, self.tariff):,}", "", "remainder"))
        heads = ("Home", "Days", "Shared, taken", "Shared, fed in", "Premium, taken (cents)",
                 "Premium, fed in (cents)", "Status")  # fmt: skip
        return Table("Members", heads, tuple(rows))

    def _days(self, household: str) -> int:
        return sum(household in record.households for record in self.settlement.period.days)

    def _cents(self, household: str, side: Side) -> int | None:
        share = self.settlement.shares.get((household, side))
        return None if share is None else self.tariff.cents(share.wh, side)


def _kwh(wh: int) -> str:
    return f"{wh / _WH_PER_KWH:,.3f} kWh"
