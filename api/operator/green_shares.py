"""Green shares: claims that the contract has taken, kept for auditors, and their payment.

A claim is public: it was sent to the contract. Every step can be repeated.
"""

from __future__ import annotations

from eth_hash.auto import keccak
from sqlalchemy import delete, select, update

from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.database.engine import add_once, put
from api.operator.database.tables import GreenClaim, GreenHours
from api.operator.database.unsettled import GREEN, GREEN_PAYMENT, mark, sending, take_on
from api.protocol.bundle import GreenBundle, encode, verify
from api.protocol.bundle_parts import from_hex, to_hex
from rewards.claims import claims_close
from rewards.errors import AlreadyClaimed
from rewards.green import GreenDay, GreenGranted, claim_green, pay_green_day, recall_green


def settle_green(community: Community, chain_session: ChainSession, bundle: GreenBundle) -> GreenGranted:
    """Have the contract take a claim, and store it; also one that is submitted again, should it be missing.

    It is in the database before it is sent: where the chain does not answer, `api.operator.settlement` goes on with
    it. Raises AlreadyClaimed, and what `send_green` raises.
    """
    taken = recall_green(chain_session.contracts, bundle.household, bundle.context.day)
    if taken is None:
        with sending(community.sessions, GREEN, bundle.household, bundle.context.day, encode(bundle)):
            return send_green(community, chain_session, bundle)
    if taken.proof_hash == keccak(from_hex(bundle.proof)):
        verify(bundle)  # the parts around the proof could be another claim's
        keep_green(community, bundle.household, bundle.context.day, taken, bundle)
    raise AlreadyClaimed("claim_green", "already claimed")


def send_green(community: Community, chain_session: ChainSession, bundle: GreenBundle) -> GreenGranted:
    """Have the contract check and take a claim, and store it. Raises InvalidProof, MeterError, Refused."""
    granted = claim_green(chain_session.chain, chain_session.contracts, community.operator, green_day_of(bundle))
    keep_green(community, bundle.household, bundle.context.day, granted, bundle)
    return granted


def green_day_of(bundle: GreenBundle) -> GreenDay:
    """A bundle as the contract is called with it. Raises MeterError, InvalidStatement."""
    return GreenDay(bundle.statement(), from_hex(bundle.proof), from_hex(bundle.actual.signature))


def keep_green(
    community: Community, household: str, day: int, granted: GreenGranted, bundle: GreenBundle | None
) -> None:
    """Put a claim that was taken into the database, once; its bundle as well where that is the one, and known."""
    row = GreenClaim(
        household=household, day=day, tier=granted.tier, points=granted.points, amount=None,
        proof_hash=to_hex(granted.proof_hash), bundle=None,
    )  # fmt: skip
    with community.sessions.begin() as session:
        add_once(session, row)
        if bundle is not None and keccak(from_hex(bundle.proof)) == granted.proof_hash:
            mine = GreenClaim.household == household, GreenClaim.day == day, GreenClaim.bundle.is_(None)
            session.execute(update(GreenClaim).where(*mine).values(bundle=encode(bundle)))


def keep_hours(community: Community, day: int, weights: tuple[int, ...] | None) -> None:
    """Put a day's weights, as registered, into the database; None: there are none."""
    with community.sessions.begin() as session:
        if weights is None:
            session.execute(delete(GreenHours).where(GreenHours.day == day))
        else:
            put(session, GreenHours(day=day, weights=list(weights)))


def hours_of_day(community: Community, day: int) -> tuple[int, ...] | None:
    """The weights of a day's hours; None where there are none."""
    with community.sessions() as session:
        row = session.get(GreenHours, day)
    return None if row is None else tuple(row.weights)


def greens_of_day(community: Community, day: int) -> list[GreenClaim]:
    """The claims of a day, by household."""
    with community.sessions() as session:
        return list(session.scalars(select(GreenClaim).where(GreenClaim.day == day).order_by(GreenClaim.household)))


def kept_green(community: Community, household: str, day: int) -> GreenClaim | None:
    """A claim that was taken; None where there is none."""
    with community.sessions() as session:
        return session.get(GreenClaim, (household, day))


def green_days_to_pay(community: Community, chain_session: ChainSession) -> list[int]:
    """Days that have green claims which are not paid, and take no more."""
    with community.sessions() as session:
        open_days = list(session.scalars(select(GreenClaim.day).where(GreenClaim.amount.is_(None)).distinct()))
    now = chain_session.chain.now
    return sorted(day for day in open_days if claims_close(chain_session.contracts, day) <= now)


def pay_claimed_green(community: Community, chain_session: ChainSession, day: int) -> dict[str, int]:
    """Finalise a green day and have its households paid, after their forecasts; what each gets, in 10^-18 tokens.

    A claim whose forecast is void, which the chain will never pay, counts as paid with nothing. Raises ClaimsOpen and
    other Refused.
    """
    claimed = [claim.household for claim in greens_of_day(community, day)]
    contracts = chain_session.contracts
    paid = pay_green_day(chain_session.chain, contracts, community.operator, day, claimed)
    void = {h for h in claimed if not contracts.rewards.functions.claim_of(h, day).call()[1]}
    with community.sessions.begin() as session:
        for household, amount in (paid | dict.fromkeys(void, 0)).items():
            row = session.get(GreenClaim, (household, day))
            if row is not None and row.amount is None:
                row.amount = str(amount)
                if household not in void:
                    take_on(session, GREEN_PAYMENT, household, day)
                    mark(session, GREEN_PAYMENT, household, day, "mined")
    return paid
