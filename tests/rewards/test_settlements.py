"""The registry of settled periods: every root stays, the last one counts, and nobody else publishes one."""

from __future__ import annotations

import pytest
from web3.contract import Contract

from rewards.chain import Chain
from rewards.errors import Refused
from rewards.events import events
from rewards.settlements import deploy_settlements, is_share, publish_root, root_of
from tests.rewards.conftest import COMMUNITY, account

DAYS = (17_287, 17_317)
ROOT, LATER = b"\1" * 32, b"\2" * 32
OPERATOR = account(1)


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain.embedded()


@pytest.fixture
def registry(chain: Chain) -> Contract:
    return deploy_settlements(chain, OPERATOR, COMMUNITY)


def test_a_root_is_published_once_and_a_later_one_counts_beside_it(chain: Chain, registry: Contract) -> None:
    assert root_of(registry, *DAYS) is None
    assert publish_root(chain, registry, OPERATOR, DAYS, ROOT, 1_771_605)
    assert not publish_root(chain, registry, OPERATOR, DAYS, ROOT, 1_771_605), "a repeat costs nothing"
    assert publish_root(chain, registry, OPERATOR, DAYS, LATER, 1_771_605)
    assert root_of(registry, *DAYS) == LATER
    told = list(events(registry, "Settled", 0))
    assert [(one["number"], one["root"], one["shared_wh"]) for one in told] == [
        (1, ROOT, 1_771_605), (2, LATER, 1_771_605),
    ]  # fmt: skip
    assert registry.functions.root_at(*DAYS, 1).call() == ROOT
    assert root_of(registry, DAYS[0], DAYS[1] - 1) is None, "another period"


@pytest.mark.parametrize(
    ("days", "root", "reason"),
    [
        (DAYS, bytes(32), "empty root"),
        (DAYS[::-1], ROOT, "no period"),
        ((0, 366), ROOT, "no period"),
        ((0, (1 << 32) - 1), ROOT, "no period"),
    ],
)
def test_what_is_no_period_is_refused(
    chain: Chain, registry: Contract, days: tuple[int, int], root: bytes, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        chain.send(OPERATOR, registry.functions.settle(*days, root, 1))


def test_the_root_that_counts_is_not_published_again(chain: Chain, registry: Contract) -> None:
    chain.send(OPERATOR, registry.functions.settle(*DAYS, ROOT, 1))
    with pytest.raises(Refused, match="root is published"):
        chain.send(OPERATOR, registry.functions.settle(*DAYS, ROOT, 2))


def test_nobody_but_the_operator_publishes(chain: Chain, registry: Contract) -> None:
    other = account(9)
    chain.fund(other.address)
    with pytest.raises(Refused, match="caller is not the owner"):
        chain.send(other, registry.functions.settle(*DAYS, ROOT, 1))


def test_before_there_is_a_root_nothing_is_a_share(registry: Contract) -> None:
    assert not is_share(registry, DAYS, account(2).address, 0, 0, bytes(32), [])
