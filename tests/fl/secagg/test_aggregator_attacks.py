"""What an aggregator that lies to members about each other could open: nothing below what a session calls certain.

The lies are searched for on the members' rules as sets (`bench.sum_attacks`), and played to real members, which must
do what the sets say. (`python -m bench.privacy` searches all sizes up to 300.) Beyond the number of colluders that a
session is safe from, the same search opens a single vector.
"""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from bench.sum_attacks import LIES, Rules, Tale, masked, more_random, revealing, search, signing, smallest_sum
from fl.protection_settings import SecAggSettings
from fl.secagg.aggregator import (
    MaskedVector,
    MaskingRefused,
    Member,
    PublicKeys,
    Session,
    Words64,
    default_threshold,
    masked_statement,
    survivors_statement,
)
from fl.secagg.roster import identity_of, sign
from fl.secagg.session import own_mask, pair_mask
from fl.secagg.shamir import restore
from tests.support.laws import examples, is_deep

pytestmark = pytest.mark.slow

SIZES = (*range(3, 26), 48, 65, 100, 101) if is_deep() else (*range(3, 12), 15, 20, 25, 48)
KEYS = [ec.generate_private_key(ec.SECP384R1()) for _ in range(12)]


def rules_of(members: int, part: float = 2 / 3, colluders: int = 0, fewest: int = 3) -> Rules:
    secure = SecAggSettings(enabled=True, threshold=part)
    return Rules(members, secure.shares_needed(members), fewest, colluders)


def session_of(rules: Rules) -> Session:
    names = tuple(f"home-{k:03}" for k in range(rules.members))
    roster = {name: identity_of(KEYS[k % len(KEYS)].public_key()) for k, name in enumerate(names)}
    return Session(b"attack", names, rules.threshold, 2, Words64(), roster, rules.fewest)


# The bound.


@pytest.mark.parametrize("part", [2 / 3, 0.6, 0.9])
def test_no_lie_opens_a_sum_of_fewer_homes_than_are_certain(part: float) -> None:
    for members in SIZES:
        rules = rules_of(members, part)
        assert search(rules)[0] == rules.certain == session_of(rules).certain, members


@pytest.mark.parametrize("part", [2 / 3, 0.6, 0.9])
def test_homes_in_league_with_the_aggregator_take_their_own_number_off_and_no_more(part: float) -> None:
    for members in SIZES:
        most = session_of(rules_of(members, part)).colluders
        for colluders in {1, most} if most else ():
            rules = rules_of(members, part, colluders)
            assert search(rules)[0] == rules.certain - colluders, (members, colluders)


def test_one_colluder_more_than_a_session_is_safe_from_opens_a_single_vector() -> None:
    """The search does find what there is to find: then two halves of the honest members are quorums with them."""
    for members in SIZES:
        rules = rules_of(members, colluders=session_of(rules_of(members)).colluders + 1)
        if members > rules.certain > rules.colluders + 1:
            assert search(rules) == (1, "two sums"), members


@pytest.mark.parametrize(("members", "claimed"), [(15, 8), (30, 15), (60, 30), (100, 51)])
def test_without_the_consistency_round_the_same_lies_open_less_than_was_claimed(members: int, claimed: int) -> None:
    """2h - h^2/t, as the docs had it before: false for members that believe any survivors they are told."""
    old = Rules(members, default_threshold(members), 3, consistent=False)
    assert claimed == -(-(2 * members * old.threshold - members**2) // old.threshold)
    assert search(old)[0] < claimed < search(rules_of(members))[0]


def test_the_fewest_that_a_home_asks_for_are_what_it_gets() -> None:
    """14 count on 14, whatever the session's size; and more members never make less certain."""
    for members in (*range(14, 24), 60):
        assert search(rules_of(members, fewest=14))[0] >= 14
        assert session_of(rules_of(members, fewest=14)).certain >= 14
    certain = [session_of(rules_of(members)).certain for members in range(3, 301)]
    assert certain == sorted(certain)


@pytest.mark.parametrize(("members", "colluders"), [(3, 0), (4, 0), (4, 1), (5, 1), (5, 2)])
def test_of_all_tales_that_can_be_told_to_few_members_none_opens_less(members: int, colluders: int) -> None:
    rules = rules_of(members, colluders=colluders)
    assert colluders <= session_of(rules).colluders
    told = [list(_worlds(rules, member)) for member in range(colluders, members)]
    own = [(np.ones(members, dtype=bool), np.ones(members, dtype=bool))] * colluders
    smallest = rules.members
    for choice in product(*told):
        worlds = [*own, *choice]
        tale = Tale(np.array([shared for shared, _ in worlds]), np.array([alive for _, alive in worlds]))
        smallest = min(smallest, smallest_sum(rules, tale) or rules.members)
    assert smallest == rules.certain - colluders


def _worlds(rules: Rules, member: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """All that a member can be told and takes: sets to be masked with, and survivors among them; or nothing."""
    nothing = np.zeros(rules.members, dtype=bool)
    worlds = [(nothing, nothing)]
    for shared in _subsets(range(rules.members), rules.certain):
        if member in shared:
            for alive in _subsets(shared, rules.certain):
                worlds.append((_row(rules, shared), _row(rules, alive)))
    return worlds


def _subsets(of: range | tuple[int, ...], fewest: int) -> list[tuple[int, ...]]:
    return [chosen for size in range(fewest, len(of) + 1) for chosen in combinations(of, size)]


def _row(rules: Rules, chosen: tuple[int, ...]) -> np.ndarray:
    return np.isin(np.arange(rules.members), chosen)


# The same tales, told to real members.


class Played:
    """Real members, told a tale by an aggregator that has all secrets of the colluders, and their keys."""

    def __init__(self, rules: Rules, tale: Tale) -> None:
        self.rules, self.session, names = rules, session_of(rules), session_of(rules).members
        self.tale = {
            name: ({names[j] for j in np.flatnonzero(s)}, {names[j] for j in np.flatnonzero(a)})
            for name, s, a in zip(names, tale.shared, tale.survivors, strict=True)
        }
        self.own = set(names[: rules.colluders])
        self.members = {name: Member(self.session, name, self.key(name)) for name in names}
        self.keys = {name: member.keys() for name, member in self.members.items()}
        self.sealed = {name: member.share(self.keys) for name, member in self.members.items()}
        for name, member in self.members.items():
            assert member.check({sender: box[name] for sender, box in self.sealed.items() if sender != name}) == {}
        self.shares_of_own = {name: dict(self.members[name]._secrets.shares) for name in self.own}
        self.masked = {name: out for name in names if (out := self._mask(name)) is not None}
        self.signed = {name: said for name in self.masked if (said := self._agree(name)) is not None}
        self.revealed = {name: shares for name in self.signed if (shares := self._reveal(name)) is not None}

    def keys_of(self, names: set[str]) -> dict[str, PublicKeys]:
        return {name: self.keys[name] for name in names}

    def key(self, name: str) -> ec.EllipticCurvePrivateKey:
        return KEYS[self.session.place(name) - 1]

    def value(self, name: str) -> list[int]:
        return [10 ** self.session.place(name), 7]

    def _mask(self, name: str) -> MaskedVector | None:
        try:
            return None if name in self.own else self.members[name].mask(self.value(name), self.tale[name][0])
        except MaskingRefused:
            return None

    def _agree(self, name: str) -> bytes | None:
        shared, alive = self.tale[name]
        statement = masked_statement(self.session, self.keys_of(shared))
        signatures = {
            other: sign(self.key(other), statement)
            if other in self.own
            else (self.masked[other].signature if other in self.masked else b"")
            for other in alive
        }
        try:
            return self.members[name].agree(signatures)
        except MaskingRefused:
            return None

    def _reveal(self, name: str) -> dict[str, bytes] | None:
        shared, alive = self.tale[name]
        statement = survivors_statement(self.session, self.keys_of(shared), alive)
        try:
            return self.members[name].reveal(self.signed | {own: sign(self.key(own), statement) for own in self.own})
        except MaskingRefused:
            return None

    def vector_alone(self, victim: str) -> list[int]:
        """The victim's own vector, from its seed and its mask key."""
        seeds, keys = {}, {}
        for own, shares in self.shares_of_own.items():
            seeds[self.session.place(own)], keys[self.session.place(own)] = shares[victim][:32], shares[victim][32:]
        for name, shares in self.revealed.items():
            kind = seeds if victim in self.tale[name][1] else keys
            kind[self.session.place(name)] = shares[victim]
        need = self.session.threshold
        seed, key = (restore({p: kind[p] for p in sorted(kind)[:need]}) for kind in (seeds, keys))
        ring = self.session.ring
        vector = ring.subtract(ring.from_bytes(self.masked[victim].vector), own_mask(self.session, seed))
        for peer in self.tale[victim][0] - {victim}:
            mask = pair_mask(
                self.session, victim, peer, key, PublicKeys.from_bytes(self.keys[peer].to_bytes()).mask_key
            )
            vector = (ring.subtract if victim < peer else ring.add)(vector, mask)
        return [int(entry) for entry in vector]


def _names_of(rules: Rules, which: np.ndarray) -> set[str]:
    return {session_of(rules).members[k] for k in np.flatnonzero(which)}


@examples(40)
@given(data=st.data(), members=st.integers(3, 7), seed=st.integers(0, 2**32))
def test_real_members_do_what_the_sets_say(data: st.DataObject, members: int, seed: int) -> None:
    colluders = data.draw(st.integers(0, members // 2))
    rules = rules_of(members, data.draw(st.sampled_from([2 / 3, 0.6, 0.8])), colluders)
    lies = LIES | more_random(4, seed)
    tales = [tale for lie in lies.values() for tale in lie(rules)]
    tale = data.draw(st.sampled_from(tales))
    played = Played(rules, tale)
    assert set(played.masked) == _names_of(rules, masked(rules, tale))
    assert set(played.signed) == _names_of(rules, signing(rules, tale))
    assert set(played.revealed) == _names_of(rules, revealing(rules, tale))


def test_a_single_homes_vector_comes_out_when_too_many_collude_and_not_before() -> None:
    """Six members, four needed: safe from one colluder, not from two. The attack is real, and so is its end."""
    for colluders, opened in ((2, True), (1, False)):
        rules = rules_of(6, colluders=colluders)
        tales = [tale for tale in LIES["two sums"](rules)]
        found = [Played(rules, tale) for tale in tales if smallest_sum(rules, tale) == 1]
        assert bool(found) == opened
        for played in found:
            victim = max(played.masked)
            assert played.vector_alone(victim) == played.value(victim)
