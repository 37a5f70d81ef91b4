"""A day as one root: a leaf counts as its household's registration, and as nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.batches import Leaf, Tree
from rewards.errors import (
    DuplicateForecast,
    EarlyForecast,
    LateForecast,
    LeafRefused,
    NotTheHousehold,
    Paused,
    Refused,
    UnknownHousehold,
    WrongHead,
)
from rewards.signing import NO_HEAD, forecast_digest
from tests.rewards.conftest import DAY, DAY_START, Town, account, enrol
from tests.support.laws import examples

COMMITMENT, PROOF = b"\x88" * 48, b"\x05" * 32
HOMES = (2, 21, 22)


def leaf(town: Town, home: int = 2, **changes: object) -> Leaf:
    return replace(Leaf(account(home).address, DAY, 1, NO_HEAD, COMMITMENT, PROOF), **changes)  # type: ignore[arg-type]


def digest(town: Town, one: Leaf) -> bytes:
    return one.digest(town.chain.chain_id, str(town.contracts.forecast_registry.address))


def number(town: Town, home: int) -> int:
    return int(town.contracts.forecast_registry.functions.number_of(account(home).address).call())


def tree(town: Town, *leaves: Leaf) -> Tree:
    numbers = {account(home).address: number(town, home) for home in HOMES}
    return Tree({numbers[one.household]: digest(town, one) for one in leaves})


def hand_in(town: Town, root: bytes, day: int = DAY) -> None:
    town.chain.send(town.operator, town.contracts.forecast_registry.functions.submit_root(day, root))


def register(town: Town, one: Leaf, path: list[bytes], *, home: int = 2, signature: bytes | None = None) -> None:
    signed = signature or one.sign(account(home), town.chain.chain_id, str(town.contracts.forecast_registry.address))
    call = town.contracts.forecast_registry.functions.register_leaf(
        one.household, one.day, one.round, one.commitment, one.proof_hash, signed, path
    )
    town.chain.send(town.operator, call)


@pytest.fixture
def street(town: Town) -> Town:
    for home in HOMES[1:]:
        town.chain.fund(account(home).address)
        enrol(town, account(home))
    return town


def test_a_leaf_of_the_root_is_its_households_registration(street: Town) -> None:
    leaves = [leaf(street, home, commitment=bytes([home]) * 48) for home in HOMES]
    made = tree(street, *leaves)
    hand_in(street, made.root)
    street.chain.advance_to(DAY_START + 2 * 86_400)
    for home, one in zip(HOMES, leaves, strict=True):
        register(street, one, made.path(number(street, home)), home=home)
        kept = street.contracts.forecast_registry.functions.forecast_of(one.household, DAY).call()
        assert kept == forecast_digest(one.commitment, 1, PROOF)
    with pytest.raises(DuplicateForecast):
        register(street, leaves[0], made.path(number(street, 2)))


def test_a_household_has_one_place_and_a_day_one_root(street: Town) -> None:
    """The attack: two signed leaves, of which the better one is shown when the day is over."""
    first, second = leaf(street), leaf(street, commitment=b"\x99" * 48)
    other = number(street, 21)
    both = Tree({number(street, 2): digest(street, first), other: digest(street, second)})
    hand_in(street, both.root)
    with pytest.raises(LeafRefused, match="root exists"):
        hand_in(street, tree(street, second).root)
    with pytest.raises(LeafRefused, match="not in the root"):
        register(street, second, both.path(other))
    with pytest.raises(LeafRefused, match="not in the root"):
        register(street, second, both.path(number(street, 2)))
    register(street, first, both.path(number(street, 2)))


def test_what_a_household_registered_itself_stands_before_a_leaf(street: Town) -> None:
    made = tree(street, leaf(street, commitment=b"\x99" * 48))
    hand_in(street, made.root)
    submit = street.contracts.forecast_registry.functions.submit(DAY, 1, NO_HEAD, COMMITMENT, PROOF)
    street.chain.send(street.household, submit)
    with pytest.raises(DuplicateForecast):
        register(street, leaf(street, commitment=b"\x99" * 48), made.path(number(street, 2)))


def test_a_leaf_that_the_household_has_not_signed_is_refused(street: Town) -> None:
    """The attack: an operator puts forecasts of its own into the root."""
    one = leaf(street)
    made = tree(street, one)
    hand_in(street, made.root)
    path = made.path(number(street, 2))
    with pytest.raises(NotTheHousehold):
        register(street, one, path, home=21)
    elsewhere = one.sign(account(2), street.chain.chain_id + 1, str(street.contracts.forecast_registry.address))
    with pytest.raises(NotTheHousehold):
        register(street, one, path, signature=elsewhere)
    for changed in ({"commitment": b"\x99" * 48}, {"proof_hash": b"\x06" * 32}):
        with pytest.raises(LeafRefused):
            register(street, replace(one, **changed), path)  # type: ignore[arg-type]
    with pytest.raises(NotTheHousehold):  # signed with a head that is not in force
        register(street, replace(one, head=b"\1" * 32), path)


def test_paths_of_other_lengths_are_refused(street: Town) -> None:
    one = leaf(street, 22)
    made = tree(street, one, leaf(street))
    hand_in(street, made.root)
    path = made.path(number(street, 22))
    for wrong in (path[:-1], [*path, bytes(32)], path[::-1], [], [bytes(32)] * 16):
        with pytest.raises(LeafRefused, match="not in the root"):
            register(street, one, wrong, home=22)
    register(street, one, path, home=22)


def test_a_root_comes_in_time_from_the_operator_and_its_leaves_soon_after_the_day(street: Town) -> None:
    made, registry = tree(street, leaf(street)), street.contracts.forecast_registry.functions
    path = made.path(number(street, 2))
    with pytest.raises(Refused, match="not the owner"):
        street.chain.send(street.household, registry.submit_root(DAY, made.root))
    with pytest.raises(EarlyForecast):
        hand_in(street, made.root, DAY + 3)
    with pytest.raises(LeafRefused, match="no root"):
        register(street, leaf(street), path)
    street.chain.send(street.operator, registry.pause())
    with pytest.raises(Paused):
        hand_in(street, made.root)
    street.chain.send(street.operator, registry.unpause())
    hand_in(street, made.root)
    street.chain.advance_to(DAY_START + 3601)
    with pytest.raises(LateForecast):
        hand_in(street, made.root, DAY - 1)
    street.chain.advance_to(DAY_START + 4 * 86_400 + 1)
    with pytest.raises(LeafRefused, match="late leaf"):
        register(street, leaf(street), path)


def test_only_who_was_a_member_when_the_root_came_has_a_leaf(street: Town) -> None:
    registry = street.contracts.forecast_registry.functions
    early, late = leaf(street), leaf(street, 21)
    street.chain.send(account(21), registry.leave())
    made = tree(street, early, late)
    hand_in(street, made.root)
    street.chain.send(street.household, registry.leave())
    with pytest.raises(UnknownHousehold):
        register(street, late, made.path(number(street, 21)), home=21)
    street.chain.send(account(21), registry.come_back())
    with pytest.raises(UnknownHousehold):
        register(street, late, made.path(number(street, 21)), home=21)
    register(street, early, made.path(number(street, 2)))  # what was earned before leaving stays


def test_a_head_that_is_in_force_is_in_the_leaf(street: Town) -> None:
    registry = street.contracts.forecast_registry.functions
    street.chain.send(street.household, registry.pin_head(1, b"\7" * 32))
    without, with_head = leaf(street), leaf(street, head=b"\7" * 32)
    made = tree(street, with_head)
    hand_in(street, made.root)
    path = made.path(number(street, 2))
    with pytest.raises((NotTheHousehold, WrongHead)):
        register(street, without, path)
    register(street, with_head, path)


@examples(50)
@given(st.dictionaries(st.integers(1, 300), st.binary(min_size=32, max_size=32), min_size=1, max_size=40))
def test_every_path_leads_to_the_root(digests: dict[int, bytes]) -> None:
    from eth_hash.auto import keccak

    made = Tree(digests)
    for place, known in digests.items():
        node, path = keccak(b"\0" + known), made.path(place)
        for k, beside in enumerate(path):
            node = keccak(b"\1" + (beside + node if place >> k & 1 else node + beside))
        assert node == made.root and place >> len(path) == 0


def test_a_tree_of_nobody_or_of_a_number_without_a_place_is_refused() -> None:
    for digests in ({}, {0: bytes(32)}, {1 << 16: bytes(32)}):
        with pytest.raises(ValueError, match="numbered 1 to 65535"):
            Tree(digests)
