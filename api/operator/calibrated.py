"""The past days in the database that a day's forecast is calibrated on (`api.protocol.calibration`)."""

from __future__ import annotations

from sqlalchemy import select

from api.operator.community import Community
from api.operator.database.tables import CommunityTotal, ComputedTotals, MeasuredTotal
from api.protocol.calibration import PastDay


def past_days(community: Community, before: int) -> list[PastDay]:
    """All usable days before `before`, in order; proven totals take precedence over computed ones of the same day."""
    with community.sessions() as session:
        computed = session.scalars(select(ComputedTotals).where(ComputedTotals.day < before)).all()
        forecast = session.scalars(select(CommunityTotal).where(CommunityTotal.day < before)).all()
        measured = {m.day: m for m in session.scalars(select(MeasuredTotal).where(MeasuredTotal.day < before))}
    days = {c.day: PastDay(c.day, tuple(c.forecast), tuple(c.measured), proven=False) for c in computed}
    for total in forecast:
        other = measured.get(total.day)
        if not total.typical:
            continue  # of an older release, and a forecast of another kind
        if other is not None and {s["household"] for s in other.signed_days} == set(total.households):
            days[total.day] = PastDay(total.day, tuple(total.forecast), tuple(other.values), proven=True)
    return [days[day] for day in sorted(days)]
