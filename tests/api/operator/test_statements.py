"""Amounts are whole cents, and the premium is conserved as the energy is."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.operator.statements import Tariff, community_cents
from api.protocol.period import Period, Side
from api.protocol.settlement import Settlement, Share


@dataclass(frozen=True)
class OfSharedEnergy:
    """As much of a period as money is about."""

    shared_wh: int


def settlement(shared_wh: int, shares: dict[tuple[str, Side], int]) -> Settlement:
    return Settlement(
        cast("Period", cast("Any", OfSharedEnergy(shared_wh))), {key: Share(wh, b"") for key, wh in shares.items()}
    )


@given(
    st.lists(st.integers(0, 10**7), min_size=1, max_size=9),
    st.lists(st.integers(0, 10**7), min_size=1, max_size=9),
    st.decimals(0, 1000, places=3),
    st.integers(0, 100),
)
def test_a_premium_is_split_to_the_cent(
    taken: list[int], fed_in: list[int], premium: Decimal, producers_percent: int
) -> None:
    """Whatever the split, the community's part is not negative: nobody is paid what nobody has paid."""
    shares: dict[tuple[str, Side], int] = {(f"t{k}", "import"): wh for k, wh in enumerate(taken)}
    shares |= {(f"f{k}", "export"): wh for k, wh in enumerate(fed_in)}
    of, tariff = settlement(max(sum(taken), sum(fed_in)), shares), Tariff(premium, producers_percent)
    paid = sum(tariff.cents(share.wh, side) for (_, side), share in of.shares.items())
    assert community_cents(of, tariff) >= 0
    assert paid + community_cents(of, tariff) == tariff.paid_in(of.period.shared_wh)


@pytest.mark.parametrize(
    ("premium", "percent", "side", "cents"),
    [("11.0", 50, "import", 550), ("11.0", 50, "export", 550), ("11.005", 0, "import", 1100), ("11", 0, "export", 0)],
)
def test_a_hundred_kilowatt_hours_are_paid_as_the_settings_say(
    premium: str, percent: int, side: Side, cents: int
) -> None:
    assert Tariff(Decimal(premium), percent).cents(100_000, side) == cents
