"""What is going on in a community right now: forecasts coming in, sums under way, rounds of training."""

from __future__ import annotations

import contextlib
import math

from pydantic import BaseModel
from sqlalchemy import func, select

from api.operator.community import Community
from api.operator.database.tables import CommunityTotal, Forecast, Household, MaskedSum, MeasuredTotal, ModelRound
from fl.store import RoundStore


class TrainingNow(BaseModel):
    """The last round that was saved, and its training loss; None where homes tell none, as in a one-shot training."""

    round: int
    loss: float | None


class Progress(BaseModel):
    """The newest day that anything is known of. `sums`: by kind, how the gateways' sum stands.

    `total`, `measured`: the newest day with an opened total, of forecasts and of readings; `round`: the newest one
    that is published.
    """

    day: int
    start: str
    registered: int
    enrolled: int
    sums: dict[str, str]
    total: int | None
    measured: int | None
    round: int | None
    training: TrainingNow | None


def progress(community: Community) -> Progress | None:
    """How things stand; None before anything was forecast."""
    with community.sessions() as session:
        day = session.scalar(select(func.max(Forecast.day)))
        total = session.scalar(select(func.max(CommunityTotal.day)))
        measured = session.scalar(select(func.max(MeasuredTotal.day)))
        if day is None and total is None:
            return None
        newest = max(one for one in (day, total) if one is not None)
        registered = session.scalar(select(func.count()).select_from(Forecast).where(Forecast.day == newest)) or 0
        enrolled = session.scalar(select(func.count()).select_from(Household)) or 0
        sums = {s.kind: s.phase for s in session.scalars(select(MaskedSum).where(MaskedSum.day == newest))}
        published = session.scalar(select(func.max(ModelRound.number)))
    return Progress(
        day=newest, start=community.clock.start_of(newest).isoformat(), registered=registered, enrolled=enrolled,
        sums=sums, total=total, measured=measured, round=published, training=_training(community),
    )  # fmt: skip


def _training(community: Community) -> TrainingNow | None:
    store = RoundStore(community.folder / "rounds")
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # one is being written, or of another release
        if rounds := store.rounds():
            report = store.report(rounds[-1])
            loss = report.train_loss if math.isfinite(report.train_loss) else None
            return TrainingNow(round=report.round, loss=loss)
    return None
