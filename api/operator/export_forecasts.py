"""Forecasts of export that gateways submit: kept in the database without the chain, the first of a day for good."""

from __future__ import annotations

from sqlalchemy import select

from api.operator.community import Community
from api.operator.database.engine import add_once
from api.operator.database.tables import ExportForecast, ExportRound
from api.protocol.bundle import InferenceBundle, encode
from api.protocol.bundle_parts import to_hex


def model_in_force(community: Community, day: int) -> ExportRound | None:
    """The model that a day's export is forecast with: the newest that was published before the day starts."""
    chosen = select(ExportRound).where(ExportRound.published_at < community.start_of(day))
    with community.sessions() as session:
        found: ExportRound | None = session.scalar(chosen.order_by(ExportRound.number.desc()).limit(1))
    return found


def kept_export(community: Community, household: str, day: int) -> ExportForecast | None:
    """A household's forecast of export of a day, if there is one."""
    with community.sessions() as session:
        return session.get(ExportForecast, (household, day))


def keep_export(community: Community, bundle: InferenceBundle) -> None:
    """Put a checked forecast of export into the database, once."""
    row = ExportForecast(
        household=bundle.household, day=bundle.context.day, round=bundle.context.round, commitment=bundle.forecast,
        proof_hash=to_hex(bundle.proof_hash), bundle=encode(bundle),
    )  # fmt: skip
    with community.sessions.begin() as session:
        add_once(session, row)
