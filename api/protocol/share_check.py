"""Shares of a period, checked against its published terms."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from api.protocol import settlement_file
from api.protocol.period import CheckedPeriod, Side, check
from api.protocol.settlement import Share, verify_share


@lru_cache(maxsize=4)
def checked_terms(terms: bytes) -> CheckedPeriod:
    """The period of published terms, checked: once a process, for it takes some seconds. Raises PeriodError."""
    settlement, meters = settlement_file.read(terms)
    return check(settlement.period, meters, fewest_days=1)


def verify_shares(terms: bytes, household: str, shares: Mapping[Side, Share]) -> None:
    """Accept a member's shares by returning. Raises PeriodError, ProofError for one that is not the member's."""
    checked = checked_terms(terms)
    for side, share in shares.items():
        verify_share(checked, household, side, share)
