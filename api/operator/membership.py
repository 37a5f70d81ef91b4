"""Who is in the community: households join, leave and come back by their own signatures, which are relayed here.

A household that leaves takes its record and what the server keeps of it along. What it has claimed is paid first, and
its claims stay till then. Its address stays, so that it is refused, and so does what others' totals need
(docs/trust.md). Every step can be repeated.
"""

from __future__ import annotations

import logging

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.database.engine import add_once
from api.operator.database.members import keep_meters
from api.operator.database.tables import (
    AssignedMeter,
    Departure,
    ExportForecast,
    Forecast,
    FormerReward,
    GreenClaim,
    Household,
    MaskedSum,
    MaskedSumMessage,
    PaidClaim,
    Reward,
    Unsettled,
)
from api.operator.database.unsettled import FORECAST
from rewards.consent import MembershipFacts, SignedStatement
from rewards.errors import MembershipRefused
from rewards.membership import membership, pass_on

_log = logging.getLogger(__name__)


def where_it_stands(community: Community, chain_session: ChainSession, household: str) -> MembershipFacts:
    """Where a household stands on the chain. Raises NodeUnreachable, Refused."""
    invited = household in community.meters()
    return membership(chain_session.chain, chain_session.contracts, household, invited=invited)


def enrol(community: Community, chain_session: ChainSession, signed: SignedStatement) -> None:
    """Take in an invited household by its signature. Raises MembershipRefused, Refused."""
    facts = where_it_stands(community, chain_session, signed.household)
    if facts.state in ("unknown", "left"):
        why = "has not been invited" if facts.state == "unknown" else "has left, and comes back by its own word"
        raise MembershipRefused("enrol", f"{signed.household} {why}")
    if facts.state == "invited":
        pass_on(chain_session.chain, chain_session.contracts, community.operator, signed)
    community.keep_household(signed.household)


def let_leave(community: Community, chain_session: ChainSession, signed: SignedStatement) -> None:
    """Pass on that a household leaves; from then on it is refused here, and its rows are erased."""
    facts = where_it_stands(community, chain_session, signed.household)
    if facts.state in ("unknown", "invited"):
        raise MembershipRefused("leave", f"{signed.household} is not in the community")
    if facts.state == "enrolled":
        pass_on(chain_session.chain, chain_session.contracts, community.operator, signed)
    with community.sessions.begin() as session:
        add_once(session, Departure(household=signed.household, left_at=facts.now))
        erase(session, signed.household)
    _log.info("household has left", extra={"household": signed.household})


def burn_record(community: Community, chain_session: ChainSession, signed: SignedStatement) -> None:
    """Pass on that a household burns its record, with which it gives up a record for good."""
    if where_it_stands(community, chain_session, signed.household).has_record:
        pass_on(chain_session.chain, chain_session.contracts, community.operator, signed)


def readmit(community: Community, chain_session: ChainSession, signed: SignedStatement) -> None:
    """Pass on that a household that had left comes back. Raises MembershipRefused, Refused."""
    facts = where_it_stands(community, chain_session, signed.household)
    if signed.household not in community.meters() or facts.state in ("unknown", "invited"):
        raise MembershipRefused("come back", f"{signed.household} has not left, or is not invited any more")
    if facts.state == "left":
        pass_on(chain_session.chain, chain_session.contracts, community.operator, signed)
    with community.sessions.begin() as session:
        session.execute(delete(Departure).where(Departure.household == signed.household))
        keep_meters(session, chain_session.contracts)
    community.keep_household(signed.household)


def erase(session: Session, household: str) -> None:
    """Delete the rows of a household that has left: all of them, unless a claim is still to be paid."""
    for table in (Forecast, ExportForecast, PaidClaim, FormerReward):
        session.execute(delete(table).where(table.household == household))
    for paid in (Reward, GreenClaim):
        session.execute(delete(paid).where(paid.household == household, paid.amount.is_not(None)))
    over = MaskedSum.phase.in_(("open", "failed"))  # a sum that goes on needs what it was told
    for members in session.scalars(select(MaskedSum).where(over)):
        for gateway, told in members.members.items():
            if told.get("household") == household:
                key = MaskedSumMessage.day == members.day, MaskedSumMessage.kind == members.kind
                session.execute(delete(MaskedSumMessage).where(*key, MaskedSumMessage.home == gateway))
    done = or_(Unsettled.kind == FORECAST, Unsettled.state == "refused")
    session.execute(delete(Unsettled).where(Unsettled.household == household, done))
    waiting = (select(table.day).where(table.household == household) for table in (Reward, GreenClaim, Unsettled))
    if all(session.scalar(one) is None for one in waiting):
        session.execute(delete(AssignedMeter).where(AssignedMeter.household == household))
        session.execute(delete(Household).where(Household.address == household))


def erase_departed(community: Community) -> None:
    """Delete what was kept of households that have left until their last claim was paid."""
    with community.sessions.begin() as session:
        for household in list(session.scalars(select(Departure.household))):
            erase(session, household)
