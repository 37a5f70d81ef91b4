"""What a settlement comes to in money, and its statements as CSV (RFC 4180): of all members, and hour by hour.

A premium is paid for each shared kWh and split between those who fed in and those who took. Amounts are whole cents,
rounded down; what is left over of the premium is the community's, as the remainder of the energy is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from api.protocol.period import SIDES, Side
from api.protocol.schemas import SharedEnergyHours, SurplusHours
from api.protocol.settlement import Settlement
from data.day import HOURS_PER_DAY

_MILLI, _WH_PER_KWH, _PERCENT = 1000, 1000, 100
_MEMBER_COLUMNS = (
    "home", "household", "days", "shared_taken_wh", "shared_fed_in_wh", "premium_taken_cents",
    "premium_fed_in_cents", "status",
)  # fmt: skip
_HOUR_COLUMNS = ("start_utc", "taken_wh", "fed_in_wh", "shared_wh")


@dataclass(frozen=True)
class Tariff:
    """`premium`: cents a shared kWh, to a thousandth; `producers_percent` of it for those who fed in."""

    premium: Decimal = Decimal(0)
    producers_percent: int = 50

    def cents(self, wh: int, side: Side) -> int:
        """What a share on one side is paid with, rounded down."""
        percent = self.producers_percent if side == "export" else _PERCENT - self.producers_percent
        return wh * self._milli * percent // (_MILLI * _WH_PER_KWH * _PERCENT)

    def paid_in(self, shared_wh: int) -> int:
        """What all of the shared energy is paid with, rounded down."""
        return shared_wh * self._milli // (_MILLI * _WH_PER_KWH)

    @property
    def _milli(self) -> int:
        return int(self.premium * _MILLI)


def community_cents(settlement: Settlement, tariff: Tariff) -> int:
    """What of the premium is left for the community when all proven shares are paid."""
    given = sum(tariff.cents(share.wh, side) for (_, side), share in settlement.shares.items())
    return tariff.paid_in(settlement.period.shared_wh) - given


def members_csv(settlement: Settlement, tariff: Tariff, names: Mapping[str, str]) -> bytes:
    """A row for each member, and one for the community's remainder. `names`: of homes, by household."""
    of = settlement.period
    rows = []
    for household in sorted(of.households, key=lambda household: names.get(household, household)):
        shares = [settlement.shares.get((household, side)) for side in SIDES]
        days = sum(household in record.households for record in of.days)
        energy = ["" if share is None else share.wh for share in shares]
        cents = ["" if s is None else tariff.cents(s.wh, side) for s, side in zip(shares, SIDES, strict=True)]
        status = "late" if household in settlement.late else "proven"
        rows.append([names.get(household, ""), household, days, *energy, *cents, status])
    left = [settlement.remainder(side) for side in SIDES]
    rows.append(["(community)", "", len(of.days), *left, community_cents(settlement, tariff), "", "remainder"])
    return _table(_MEMBER_COLUMNS, rows)


def hours_csv(period: SharedEnergyHours) -> bytes:
    """The hours of the period, or its quarters of an hour: what all took and fed in, and what was shared."""
    rows = []
    for day in period.hours:
        step, first = timedelta(minutes=period.interval_minutes), datetime.fromisoformat(day.start)
        starts = (first + k * step for k in range(len(day.taken_wh)))
        columns = day.taken_wh, day.fed_in_wh, day.shared_wh
        rows += [[f"{start:%Y-%m-%dT%H:%M:%SZ}", *row] for start, *row in zip(starts, *columns, strict=True)]
    return _table(_HOUR_COLUMNS, rows)


def surplus_csv(day: SurplusHours) -> bytes:
    """A day's forecast load and export by hour, and which hours have a surplus."""
    starts = (datetime.fromisoformat(day.start) + timedelta(hours=hour) for hour in range(HOURS_PER_DAY))
    rows = [
        [f"{start:%Y-%m-%dT%H:%M:%SZ}", load, export, int(hour in day.hours)]
        for hour, (start, load, export) in enumerate(zip(starts, day.load_wh, day.export_wh, strict=True))
    ]
    return _table(("start_utc", "forecast_load_wh", "forecast_export_wh", "surplus"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue().encode()
