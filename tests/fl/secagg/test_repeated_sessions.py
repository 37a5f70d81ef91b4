"""One session begun twice, and an aggregator that mixes the two: keys, envelopes, signatures of one run in the other.

Every honest member runs twice, as after a loss of its memory, with fresh secrets and no memory of the first run. The
aggregator has some members of its own, passes on whatever it likes, and is judged by what it then knows: never both
secrets of a member's run, and no sum of fewer honest vectors than are certain. (Agents and gateways do not even begin
a session twice, `fl.secagg.sum_record`, `api.gateway.secure_sum.state`; this is what holds without their memory.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.sum_attacks import _parts
from fl.secagg.aggregator import MaskingRefused, Member, PublicKeys, Session, masked_statement, survivors_statement
from fl.secagg.roster import sign
from tests.fl.secagg.test_aggregator_attacks import KEYS, rules_of, session_of
from tests.support.laws import examples

Run = tuple[str, int]


class Choices(Protocol):
    """What the aggregator makes up its mind about."""

    def swaps(self) -> bool:
        """Whether a member is shown the other run of another member than its own number."""

    def part_of(self, names: set[str]) -> set[str]:
        """Whom to say a vector is to be masked with, of those that can be."""

    def lost(self, names: list[str]) -> set[str]:
        """Who is said to have dropped out, of those that could be in the sum."""


@dataclass
class Drawn:
    """Any of them."""

    data: st.DataObject

    def swaps(self) -> bool:
        return self.data.draw(st.integers(0, 3)) == 0

    def part_of(self, names: set[str]) -> set[str]:
        return self.data.draw(st.sets(st.sampled_from(sorted(names)))) if self.data.draw(st.booleans()) else names

    def lost(self, names: list[str]) -> set[str]:
        return {self.data.draw(st.sampled_from(names))} if self.data.draw(st.booleans()) else set()


class Honest:
    """The same for all, and as it is."""

    def swaps(self) -> bool:
        return False

    def part_of(self, names: set[str]) -> set[str]:
        return names

    def lost(self, names: list[str]) -> set[str]:
        return set()


class TwoSums(Honest):
    """Every second member that is asked hears of a sum that lacks the last member."""

    def __init__(self) -> None:
        self._asked = 0

    def lost(self, names: list[str]) -> set[str]:
        self._asked += 1
        return {names[-1]} if self._asked % 4 < 2 else set()  # both runs of a member alike


@dataclass
class Mixer:
    """The aggregator. `session`: of which it has the first `colluders` members."""

    session: Session
    colluders: int
    choices: Choices
    members: dict[Run, Member] = field(default_factory=dict)
    keys: dict[Run, PublicKeys] = field(default_factory=dict)
    seen: dict[Run, dict[str, Run]] = field(default_factory=dict)  # whose keys a run was given, by name
    boxes: dict[Run, dict[str, bytes]] = field(default_factory=dict)
    shared: dict[Run, set[str]] = field(default_factory=dict)  # by runs that sent a masked vector
    signatures: list[tuple[str, bytes, bytes]] = field(default_factory=list)  # name, statement, signature
    known: dict[tuple[Run, str], set[str]] = field(
        default_factory=dict
    )  # (owner, kind) -> holders whose share is known

    @property
    def own(self) -> set[str]:
        return set(self.session.members[: self.colluders])

    def key(self, name: str) -> object:
        return KEYS[self.session.place(name) - 1]

    def play(self) -> None:
        for name in self.session.members:
            for run in (0, 1):
                self.members[name, run] = Member(self.session, name, KEYS[self.session.place(name) - 1])
                self.keys[name, run] = self.members[name, run].keys()
        for run in self.members:
            self._share(run)
        for run in self.members:
            self._check(run)
        honest = [run for run in self.members if run[0] not in self.own]
        for run in honest:
            self._mask(run)
        agreed = [run for run in honest if self._agree(run)]
        for run in agreed:
            self._reveal(run)

    def _choose(self, run: Run, name: str) -> Run:
        """Which of a member's runs this one gets to see: mostly that of its own number."""
        number = 1 - run[1] if self.choices.swaps() else run[1]
        return run if name == run[0] else (name, number)

    def _share(self, run: Run) -> None:
        self.seen[run] = {name: self._choose(run, name) for name in self.session.members}
        self.boxes[run] = self.members[run].share({name: self.keys[other] for name, other in self.seen[run].items()})
        for holder in self.own:  # its own members tell it all they get
            for kind in ("seed", "key"):
                self.known.setdefault((run, kind), set()).add(holder)

    def _check(self, run: Run) -> None:
        name = run[0]
        given_ = {
            other: self.boxes[self._choose(run, other)][name] for other in self.session.members if other != name
        }
        self.members[run].check(given_)

    def _mask(self, run: Run) -> None:
        some = self.choices.part_of(set(self.members[run]._secrets.shares))
        try:
            masked = self.members[run].mask([1, 2], some | {run[0]})
        except MaskingRefused:
            return
        self.shared[run] = some | {run[0]}
        self.signatures.append((run[0], masked_statement(self.session, self._view(run)), masked.signature))

    def _view(self, run: Run) -> dict[str, PublicKeys]:
        return {name: self.keys[self.seen[run][name]] for name in self.shared[run]}

    def _signature(self, name: str, statement: bytes) -> bytes:
        if name in self.own:
            return sign(KEYS[self.session.place(name) - 1], statement)
        return next((s for n, told, s in self.signatures if (n, told) == (name, statement)), b"")

    def _agree(self, run: Run) -> bool:
        if run not in self.shared:
            return False
        statement = masked_statement(self.session, self._view(run))
        can = [name for name in sorted(self.shared[run]) if self._signature(name, statement)]
        alive = set(can)
        if len(can) > self.session.certain:
            alive -= self.choices.lost(can)
        try:
            signature = self.members[run].agree({name: self._signature(name, statement) for name in alive})
        except MaskingRefused:
            return False
        self.signatures.append((run[0], survivors_statement(self.session, self._view(run), alive), signature))
        return True

    def _reveal(self, run: Run) -> None:
        alive = set(self.members[run]._secrets.survivors)
        statement = survivors_statement(self.session, self._view(run), alive)
        try:
            shares = self.members[run].reveal(
                {name: self._signature(name, statement) for name in self.session.members}
            )
        except MaskingRefused:
            return
        for owner in shares:
            kind = "seed" if owner in alive else "key"
            self.known.setdefault((self.seen[run][owner], kind), set()).add(run[0])

    def knows(self, run: Run, kind: str) -> bool:
        return len(self.known.get((run, kind), set())) >= self.session.threshold

    def smallest_sum(self) -> int | None:
        """Vectors in the smallest sum that it can open: see `bench.sum_attacks.smallest_sum`."""
        runs = list(self.shared)
        hidden = np.zeros((len(runs), len(runs)), dtype=bool)
        closed = np.zeros(len(runs), dtype=bool)
        for i, run in enumerate(runs):
            for name in self.shared[run] - {run[0]} - self.own:
                other = self.seen[run][name]
                if self.knows(run, "key") or self.knows(other, "key"):
                    continue
                if other not in runs or run[0] not in self.shared[other] or self.seen[other][run[0]] != run:
                    closed[i] = True  # a mask that nobody takes off again
                else:
                    hidden[i, runs.index(other)] = True
        opened = np.array([self.knows(run, "seed") for run in runs], dtype=bool) & ~closed
        while True:
            lost = opened & (hidden & ~opened[None, :]).any(axis=1)
            if not lost.any():
                break
            opened &= ~lost
        return min((len(part) for part in _parts(hidden, opened)), default=None)


@examples(15)
@given(data=st.data(), members=st.integers(4, 7))
def test_two_runs_of_one_session_that_are_mixed_show_no_more_than_one_sum_each(
    data: st.DataObject, members: int
) -> None:
    rules = rules_of(members, data.draw(st.sampled_from([2 / 3, 3 / 4])))
    session = session_of(rules)
    mixer = Mixer(session, data.draw(st.integers(0, session.colluders)), Drawn(data))
    mixer.play()
    for run in mixer.shared:
        assert not (mixer.knows(run, "seed") and mixer.knows(run, "key")), run
    smallest = mixer.smallest_sum()
    assert smallest is None or smallest >= session.certain - mixer.colluders


def test_the_judge_sees_what_there_is_to_see() -> None:
    """Without lies each run opens its own sum, of all members."""
    mixer = Mixer(session_of(rules_of(6)), 0, Honest())
    mixer.play()
    assert mixer.smallest_sum() == 6


@pytest.mark.parametrize(("colluders", "opened"), [(1, 4), (2, 1)])
def test_the_judge_sees_a_single_vector_where_too_many_collude(colluders: int, opened: int) -> None:
    """Six members, four needed: safe from one colluder, when one of two sums opens; not from two."""
    mixer = Mixer(session_of(rules_of(6)), colluders, TwoSums())
    mixer.play()
    assert mixer.smallest_sum() == opened
