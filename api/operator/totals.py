"""The community's totals of a day, forecast and measured, each opened by a masked sum and checked as it is opened.

Homes submit values and blinding under masks that cancel, so that only the sums are revealed; these open the sum of
the commitments: registered forecasts, or the days that meters signed (zkp/statements/total.py). Each total is opened
once, and the measured one covers exactly the homes in the forecast's: two sums over different homes would reveal
their difference. Here the sums of homes on this machine are run; those of gateways: `api.operator.secure_sum`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session as Database

from api.operator.database.tables import (
    CommunityTotal,
    ExportForecast,
    ExportTotal,
    Forecast,
    MeasuredTotal,
    SharedDay,
)
from api.protocol.bundle_parts import from_hex
from api.protocol.secure_sum import LENGTHS, REGISTER, Kind
from data.meter import SignedDay
from data.quantity import Quantity
from fl.secagg.rings import Vector
from zkp.algebra.field import MODULUS, signed
from zkp.statements import total


def keep_total(
    database: Database, day: int, opened: total.Total, households: Sequence[str], quantity: Quantity = "load"
) -> None:
    """Keep a day's total of these households' forecasts. Raises InvalidProof unless it opens their sum."""
    forecasts, totals = (Forecast, CommunityTotal) if quantity == "load" else (ExportForecast, ExportTotal)
    of_day = forecasts.day == day, forecasts.household.in_(households)
    commitments = database.scalars(select(forecasts.commitment).where(*of_day))
    total.verify([from_hex(commitment) for commitment in commitments], opened)
    database.add(
        totals(day=day, values=list(opened.values), blinding=hex(opened.blinding), households=list(households))
    )


def keep_measured(database: Database, day: int, opened: total.Total, signed: Sequence[SignedDay]) -> None:
    """Keep a day's measured total, of these signed days. Raises InvalidProof unless it opens their sum."""
    total.verify_measured(day, [s.commitment for s in signed], opened)
    database.add(
        MeasuredTotal(
            day=day, values=list(opened.values), blinding=hex(opened.blinding),
            signed_days=[s.to_json() for s in signed],
        )
    )  # fmt: skip


def kept_total(row: CommunityTotal | ExportTotal | MeasuredTotal) -> total.Total:
    """The total of a row."""
    return total.Total(tuple(row.values), int(row.blinding, 16))


def is_kept(database: Database, day: int, kind: Kind) -> bool:
    """Whether a day's total of a kind was opened."""
    tables: dict[Kind, type[CommunityTotal | ExportTotal | MeasuredTotal | SharedDay]] = {
        "forecast": CommunityTotal, "measured": MeasuredTotal, "shared": SharedDay, "export": ExportTotal,
    }  # fmt: skip
    return database.get(tables[kind], day) is not None


def as_totals(summed: Vector, kind: Kind) -> tuple[total.Total, ...]:
    """The totals in an opened sum of a kind: of shared energy one for each block of each register, import by
    classes."""
    length = REGISTER if kind == "shared" else LENGTHS[kind]
    return tuple(as_total(summed[start : start + length]) for start in range(0, len(summed), length))


def as_total(summed: Vector) -> total.Total:
    """The opened sum of vectors [values, blinding], each modulo the group's order."""
    *values, blinding = (int(v) for v in summed)
    return total.Total(tuple(signed(v) for v in values), blinding % MODULUS)
