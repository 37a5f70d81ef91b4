"""What the server has taken on and the chain has not made final yet (`api.operator.settlement`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session, sessionmaker

from api.operator.database.tables import Unsettled
from data.errors import DataError
from rewards.errors import JournalUnwritable, NodeUnreachable, Refused, StaleTransaction
from zkp.errors import ProofError

FORECAST, CLAIM, PAYMENT, GREEN, GREEN_PAYMENT = "forecast", "claim", "payment", "green", "green-pay"
_ORDER = (FORECAST, CLAIM, GREEN, PAYMENT, GREEN_PAYMENT)


def take_on(session: Session, kind: str, household: str, day: int, bundle: bytes = b"", raw: bytes = b"") -> None:
    """Note what is to be on the chain, before it is sent; what is on it already stays as it is. `raw`: a household's
    own transaction."""
    row = session.get(Unsettled, (kind, household, day))
    if row is None or row.state != "mined":
        session.merge(
            Unsettled(kind=kind, household=household, day=day, bundle=bundle, raw=raw, state="waiting", reason="")
        )
        session.flush()


@contextmanager
def sending(sessions: sessionmaker[Session], kind: str, household: str, day: int, bundle: bytes) -> Iterator[None]:
    """Have a claim sent while the block runs: noted before, mined after; forgotten if it is refused.

    Where the chain does not answer or takes nothing now, it stays noted: `api.operator.settlement` goes on with it.
    """
    mine = kind, household, day
    with sessions.begin() as session:
        take_on(session, *mine, bundle)
    try:
        yield
    except (NodeUnreachable, JournalUnwritable, StaleTransaction):
        raise
    except (Refused, ProofError, DataError):
        with sessions.begin() as session:
            withdraw(session, *mine)
        raise
    with sessions.begin() as session:
        mark(session, *mine, "mined")


def let_go(session: Session, kind: str, household: str, day: int) -> None:
    """Forget what is final."""
    _forget(session, Unsettled.kind == kind, Unsettled.household == household, Unsettled.day == day)


def withdraw(session: Session, kind: str, household: str, day: int) -> None:
    """Forget what was refused to who brought it, unless the chain holds another one of that day."""
    mine = Unsettled.kind == kind, Unsettled.household == household, Unsettled.day == day
    _forget(session, *mine, Unsettled.state == "waiting")


def _forget(session: Session, *which: ColumnElement[bool]) -> None:
    session.execute(delete(Unsettled).where(*which))


def mark(session: Session, kind: str, household: str, day: int, state: str, reason: str = "") -> None:
    """Note how it stands: waiting, mined (the latest block shows it) or refused, and why."""
    key = Unsettled.kind == kind, Unsettled.household == household, Unsettled.day == day
    session.execute(update(Unsettled).where(*key).values(state=state, reason=reason[:500]))


def unsettled(session: Session) -> Sequence[Unsettled]:
    """All that is not final and not refused: forecasts before claims, claims before payments, each before what goes
    with it of green shares."""
    rows = session.scalars(select(Unsettled).where(Unsettled.state != "refused")).all()
    return sorted(rows, key=lambda row: (_ORDER.index(row.kind), row.day, row.household))
