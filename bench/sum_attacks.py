"""A search for what an aggregator that cheats could open: the fewest honest vectors in a sum it can find.

The aggregator tells each member whom to be masked with and who is in the sum, to each something else if it likes; of
some members it has all secrets. What it then has follows from the members' rules, which stand here a second time, as
sets (`tests/fl/secagg/test_aggregator_attacks.py` plays the same tales to real members and compares): `revealing`,
whose shares come back; `smallest_sum`, what these open. A mask that two members have agreed, and that nobody can
restore, hides both unless they are added up; so the sums that can be opened are the parts in which members hang
together by them.

`LIES` are the strategies, hand-made and random ones. A search proves nothing: docs/federation-privacy.md does. It
shows that the proof's figure is met, and that the rules without the consistency round (`consistent=False`, as they
were before) give less: the same strategies find sums far smaller than the bound that was claimed for these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

Sets = NDArray[np.bool_]
"""[members, members]: a row for each member, the set that it is told."""


@dataclass(frozen=True)
class Rules:
    """A session as the attacker sees it. The first `colluders` of the members are its own.

    Attributes:
        threshold: signatures and shares that are needed; `fewest`: vectors that must be in a sum, for each member.
        consistent: with the consistency round; without it, members reveal for whatever survivors they are told.
    """

    members: int
    threshold: int
    fewest: int
    colluders: int = 0
    consistent: bool = True

    @property
    def certain(self) -> int:
        return max(self.threshold, self.fewest)

    @property
    def honest(self) -> NDArray[np.bool_]:
        return np.arange(self.members) >= self.colluders


@dataclass(frozen=True)
class Tale:
    """What each member is told: with whom to be masked (an empty row: it is not asked), and who is in the sum."""

    shared: Sets
    survivors: Sets


def masked(rules: Rules, tale: Tale) -> NDArray[np.bool_]:
    """Honest members that mask their vectors as they are told."""
    fewest = rules.certain if rules.consistent else rules.threshold
    return np.asarray(rules.honest & tale.shared.diagonal() & (tale.shared.sum(axis=1) >= fewest))


def signing(rules: Rules, tale: Tale) -> NDArray[np.bool_]:
    """Honest members that sign the survivors they are told: all of these have signed to be masked with the same."""
    informed, out = tale.shared, masked(rules, tale)
    fits = ~(tale.survivors & ~informed).any(axis=1) & (tale.survivors.sum(axis=1) >= rules.certain)
    signs: NDArray[np.bool_] = out & fits
    _, same = np.unique(informed, axis=0, return_inverse=True)
    for member in np.flatnonzero(signs):
        others = tale.survivors[member] & rules.honest
        signs[member] = bool(out[others].all() and (same[others] == same[member]).all())
    return signs


def revealing(rules: Rules, tale: Tale) -> NDArray[np.bool_]:
    """Honest members that reveal their shares."""
    if not rules.consistent:
        alive = tale.survivors
        fits = ~(alive & ~tale.shared).any(axis=1) & (alive.sum(axis=1) >= rules.threshold)
        return np.asarray(masked(rules, tale) & alive.diagonal() & fits)
    signs = signing(rules, tale)
    same: dict[bytes, list[int]] = {}
    for member in np.flatnonzero(signs):
        same.setdefault(tale.shared[member].tobytes() + tale.survivors[member].tobytes(), []).append(int(member))
    reveals = np.zeros(rules.members, dtype=bool)
    for signers in same.values():
        if len(signers) + rules.colluders >= rules.threshold:
            reveals[signers] = True
    return reveals


def smallest_sum(rules: Rules, tale: Tale) -> int | None:
    """Honest vectors in the smallest sum that can be opened; None if none can."""
    out, reveals, informed = masked(rules, tale), revealing(rules, tale), tale.shared
    if not reveals.any() and rules.colluders < rules.threshold:
        return None
    seeds = (informed & tale.survivors)[reveals].sum(axis=0) + rules.colluders >= rules.threshold
    keys = (informed & ~tale.survivors)[reveals].sum(axis=0) + rules.colluders >= rules.threshold
    honest = rules.honest
    hidden = (
        informed & ~keys[:, None] & ~keys[None, :] & honest[:, None] & honest[None, :]
    )  # masks nobody can restore
    hidden[np.diag_indices(rules.members)] = False
    hidden[~out] = False
    opened = out & seeds
    while True:  # a mask that the other side has not, or whose other side stays closed, hides a vector for good
        one_sided = (hidden & ~(hidden.T & opened[None, :])).any(axis=1)
        if not (opened & one_sided).any():
            break
        opened &= ~one_sided
    return min((len(part) for part in _parts(hidden & opened[:, None] & opened[None, :], opened)), default=None)


def _parts(joined: Sets, among: NDArray[np.bool_]) -> Iterator[list[int]]:
    left = set(np.flatnonzero(among).tolist())
    while left:
        part, edge = set(), {left.pop()}
        while edge:
            part |= edge
            edge = {int(k) for k in np.flatnonzero(joined[sorted(edge)].any(axis=0))} - part
        left -= part
        yield sorted(part)


# Strategies.


def honest_minimum(rules: Rules) -> Iterator[Tale]:
    """No lie at all: as few survivors as members take, all colluders among them."""
    everybody = np.ones(rules.members, dtype=bool)
    yield _same(rules, everybody, _first(rules.members, rules.certain))


def two_sums(rules: Rules) -> Iterator[Tale]:
    """Half of the members hear of one sum, the others of another, which lacks one or more of its vectors."""
    n, everybody = rules.members, np.ones(rules.members, dtype=bool)
    for missing in {1, n - rules.certain}:
        other = everybody.copy()
        other[n - missing :] = missing == 0
        tale = _same(rules, everybody, everybody)
        survivors = tale.survivors.copy()
        survivors[rules.colluders + (n - rules.colluders) // 2 :] = other
        yield replace(tale, survivors=survivors)
        if missing > 1:  # each half its own
            mirrored = other.copy()
            mirrored[rules.colluders : rules.colluders + missing], mirrored[n - missing :] = False, True
            survivors = survivors.copy()
            survivors[: rules.colluders + (n - rules.colluders) // 2] = mirrored
            yield replace(tale, survivors=survivors)


def withheld_envelopes(rules: Rules) -> Iterator[Tale]:
    """Two groups that never get each other's envelopes, over members that are then said to have dropped out."""
    n = rules.members
    for group in _sizes((n - rules.colluders) // 2):
        rest = np.ones(n, dtype=bool)
        rest[rules.colluders : rules.colluders + 2 * group] = False
        shared = np.tile(rest, (n, 1))
        for first in (rules.colluders, rules.colluders + group):
            shared[first : first + group, first : first + group] = True
        shared[rest] = True
        survivors = shared.copy()
        survivors[:, rest & rules.honest] = False
        for spare in (survivors, _filled(rules, shared, survivors)):
            yield Tale(shared, spare)


def lies_about_survivors(rules: Rules) -> Iterator[Tale]:
    """All are told that a few are alive, and each that others of a second group are, as few as it takes."""
    n, steps = rules.members, 12 if rules.consistent else 30
    for group in _sizes(n - rules.colluders, steps):
        for dropped in _sizes(n - rules.colluders - group, steps):
            target = _first(n, rules.colluders + group)
            second = _first(n, rules.colluders + group + dropped) & ~target
            shared = np.ones((n, n), dtype=bool)
            shared[target] = target | second
            survivors = shared & ~second[None, :]
            survivors[np.diag_indices(n)] = True
            yield Tale(shared, _filled(rules, shared, survivors))


def at_random(rules: Rules, seed: int = 0, count: int = 20) -> Iterator[Tale]:
    """Up to three groups, each told something of its own, and some members something else again."""
    draw, n = np.random.default_rng([seed, rules.members, rules.threshold, rules.colluders]), rules.members
    for _ in range(count):
        groups = int(draw.integers(1, 4))
        worlds = []
        for _ in range(groups):
            shared = _drawn(draw, np.ones(n, dtype=bool), rules.certain)
            worlds.append((shared, _drawn(draw, shared, rules.certain)))
        if draw.random() < 0.5:  # masked with the same, and told of other sums
            worlds = [(worlds[0][0], _drawn(draw, worlds[0][0], rules.certain)) for _ in worlds]
        of = draw.integers(0, groups, n)
        shared = np.array([worlds[k][0] for k in of])
        survivors = np.array([worlds[k][1] for k in of])
        for member in np.flatnonzero(draw.random(n) < 0.1):
            shared[member] = _drawn(draw, np.ones(n, dtype=bool), rules.certain)
            survivors[member] = _drawn(draw, shared[member], rules.certain)
        yield Tale(shared, survivors)


Lie = Callable[[Rules], Iterator[Tale]]
LIES: dict[str, Lie] = {
    "none": honest_minimum,
    "two sums": two_sums,
    "withheld envelopes": withheld_envelopes,
    "lies about survivors": lies_about_survivors,
    "at random": at_random,
}


def search(rules: Rules, lies: dict[str, Lie] | None = None) -> tuple[int, str]:
    """The fewest honest vectors in a sum that any strategy opened, and which one; all of them if none opened any."""
    best, by = rules.members - rules.colluders, "none"
    for name, lie in (lies or LIES).items():
        for tale in lie(rules):
            found = smallest_sum(rules, tale)
            if found is not None and found < best:
                best, by = found, name
    return best, by


def more_random(count: int, seed: int) -> dict[str, Lie]:
    """Random strategies only, so many."""
    return {"at random": partial(at_random, seed=seed, count=count)}


def _same(rules: Rules, shared: NDArray[np.bool_], survivors: NDArray[np.bool_]) -> Tale:
    return Tale(np.tile(shared, (rules.members, 1)), np.tile(survivors, (rules.members, 1)))


def _first(members: int, count: int) -> NDArray[np.bool_]:
    return np.asarray(np.arange(members) < count)


def _sizes(most: int, steps: int = 12) -> list[int]:
    """Sizes from 1 to `most`: all of them, or so many where there are more."""
    return sorted({int(k) for k in np.linspace(1, most, min(most, steps))} if most > 0 else set())


def _filled(rules: Rules, shared: Sets, survivors: Sets) -> Sets:
    """The survivors, with as many more for each member as it takes; those that are named least so far."""
    filled, named = survivors.copy(), survivors.sum(axis=0)
    for member in range(rules.members):
        missing = rules.threshold - int(filled[member].sum())
        spare = np.flatnonzero(shared[member] & ~filled[member])
        if missing > 0:
            chosen = spare[np.argsort(named[spare], kind="stable")[:missing]]
            filled[member, chosen] = True
            named[chosen] += 1
    return filled


def _drawn(draw: np.random.Generator, among: NDArray[np.bool_], fewest: int) -> NDArray[np.bool_]:
    places = np.flatnonzero(among)
    count = int(draw.integers(min(fewest, len(places)), len(places) + 1))
    drawn = np.zeros(len(among), dtype=bool)
    drawn[draw.choice(places, count, replace=False)] = True
    return drawn
