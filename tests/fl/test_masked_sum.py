"""A sum under masks: exact, survives dropouts, gives nothing else away, and refuses what would."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from fl.masked_sum import (
    MaskingRefused,
    Member,
    PrimeField,
    PublicKeys,
    Session,
    TooFewMembers,
    Words64,
    default_threshold,
    sum_in_process,
    unmask,
)
from fl.protection_settings import SecAggSettings
from fl.roster import identity_of
from tests.support.laws import examples

R = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001  # scalar field of BLS12-381
NAMES = ("ada", "bob", "cyd", "dan", "eve")


def a_session(count: int = 5, threshold: int | None = None, **other: object) -> Session:
    names = tuple(sorted(NAMES[:count] + tuple(f"home-{k:03}" for k in range(count - 5))))
    fields = {"label": b"test", "length": 3, "ring": Words64()} | other
    return Session(members=names, threshold=threshold or default_threshold(count), **fields)  # type: ignore[arg-type]


class Run:
    """The protocol step by step, so that a test can meddle between the steps."""

    def __init__(self, session: Session, identities: dict[str, ec.EllipticCurvePrivateKey] | None = None) -> None:
        self.session = session
        self.members = {name: Member(session, name, (identities or {}).get(name)) for name in session.members}
        self.keys = {name: member.keys() for name, member in self.members.items()}

    def share(self) -> None:
        neighbours = self.session.holders
        self.sealed = {n: m.share({h: self.keys[h] for h in neighbours(n)}) for n, m in self.members.items()}

    def envelopes(self, name: str) -> dict[str, bytes]:
        return {sender: box[name] for sender, box in self.sealed.items() if name in box}

    def mask(self, vectors: dict[str, list[int]]) -> None:
        self.masked = {name: self.members[name].mask(v, self.envelopes(name)) for name, v in vectors.items()}

    def reveal(self, answering: set[str] | None = None) -> None:
        self.reveals = {
            name: self.members[name].reveal(self.masked.keys() & set(self.session.holders(name)))
            for name in self.masked.keys() & (answering or self.masked.keys())
        }

    def total(self) -> list[int]:
        return list(unmask(self.session, self.keys, self.session.members, self.masked, self.reveals))


def some_vectors(session: Session) -> dict[str, list[int]]:
    return {name: [k + 1, -k, 10**6 * k] for k, name in enumerate(session.members)}


def plain_sum(session: Session, vectors: dict[str, list[int]]) -> list[int]:
    return [sum(column) % session.ring.modulus for column in zip(*vectors.values(), strict=True)]


def until_reveal(session: Session, gone: set[str] = frozenset()) -> Run:  # type: ignore[assignment]
    run = Run(session)
    run.share()
    run.mask({name: v for name, v in some_vectors(session).items() if name not in gone})
    return run


@pytest.mark.parametrize("ring", [Words64(), PrimeField(R)], ids=["words", "field"])
@examples(15)
@given(data=st.data())
def test_the_sum_is_that_of_those_who_stayed(ring: Words64 | PrimeField, data: st.DataObject) -> None:
    session = a_session(ring=ring)
    staying = data.draw(st.sets(st.sampled_from(session.members), min_size=session.threshold))
    entry = st.integers(-(2**63), 2**63 - 1)
    vectors = {name: data.draw(st.lists(entry, min_size=3, max_size=3)) for name in sorted(staying)}
    total, summed = sum_in_process(session, vectors)
    assert list(total) == plain_sum(session, vectors)
    assert set(summed) == staying


def test_forecasts_and_blindings_add_up_in_the_scalar_field() -> None:
    session = a_session(ring=PrimeField(R), length=25)
    vectors = {name: [k * 100] * 24 + [R - 1 - k] for k, name in enumerate(session.members)}
    total, _ = sum_in_process(session, vectors)
    assert list(total) == plain_sum(session, vectors)


def test_a_sparse_graph_gives_the_same_sum() -> None:
    session = a_session(20, threshold=5, degree=8)
    assert all(len(session.holders(name)) == 9 for name in session.members)
    vectors = some_vectors(session)
    for name in session.members[3:6]:
        del vectors[name]
    assert list(sum_in_process(session, vectors)[0]) == plain_sum(session, vectors)


def test_members_that_never_shared_are_in_no_mask() -> None:
    session = a_session()
    run = Run(session)
    run.members.pop("eve")
    run.share()
    vectors = {name: v for name, v in some_vectors(session).items() if name != "eve"}
    run.mask(vectors)
    run.reveal()
    assert list(unmask(session, run.keys, vectors.keys(), run.masked, run.reveals)) == plain_sum(session, vectors)


def test_dropouts_after_masking_do_not_matter_while_the_threshold_answers() -> None:
    run = until_reveal(a_session())
    run.reveal(answering={"ada", "bob", "cyd", "dan"})
    assert run.total() == plain_sum(run.session, some_vectors(run.session))


def test_too_many_dropouts_are_refused_by_members_and_by_the_aggregator() -> None:
    run = until_reveal(a_session(), gone={"dan", "eve"})
    with pytest.raises(TooFewMembers, match="4 must"):
        run.reveal()
    run = until_reveal(a_session())
    run.reveal(answering={"ada", "bob", "cyd"})
    with pytest.raises(TooFewMembers, match=r"3 shares .* 4 are needed"):
        run.total()


def test_state_survives_a_restart_between_messages() -> None:
    session = a_session(3)
    members = {name: Member(session, name) for name in session.members}

    def again(name: str) -> Member:
        members[name] = Member.load(session, name, members[name].save())
        return members[name]

    keys = {name: again(name).keys() for name in session.members}
    sealed = {name: again(name).share(keys) for name in session.members}
    vectors = some_vectors(session)
    masked = {n: again(n).mask(vectors[n], {s: b[n] for s, b in sealed.items() if n in b}) for n in session.members}
    reveals = {name: again(name).reveal(masked.keys()) for name in session.members}
    assert list(unmask(session, keys, session.members, masked, reveals)) == plain_sum(session, vectors)


# What a single masked vector shows.


@pytest.mark.parametrize("ring", [Words64(), PrimeField(R)], ids=["words", "field"])
def test_one_masked_vector_is_uniform_whatever_it_hides(ring: Words64 | PrimeField) -> None:
    length = 4096
    session = a_session(3, length=length, ring=ring)
    run = Run(session)
    run.share()
    run.mask({name: [0] * length for name in session.members})
    for data in run.masked.values():
        values = [int(value) for value in ring.from_bytes(data)]
        sixteenths = np.bincount([16 * value // ring.modulus for value in values], minlength=16)
        chi_square = float(((sixteenths - length / 16) ** 2 / (length / 16)).sum())
        assert chi_square < 50  # 15 degrees of freedom: one in 10^5
        low_bits = sum(value & 1 for value in values)
        assert abs(low_bits - length / 2) < 5 * np.sqrt(length) / 2


def test_the_masks_of_two_sessions_and_two_members_differ() -> None:
    first, second = until_reveal(a_session()), until_reveal(a_session())
    assert len(set(first.masked.values()) | set(second.masked.values())) == 10


def test_all_masked_vectors_without_shares_still_hide_the_sum() -> None:
    run = until_reveal(a_session())
    ring = run.session.ring
    total = ring.vector([0, 0, 0])
    for data in run.masked.values():
        total = ring.add(total, ring.from_bytes(data))
    assert list(total) != plain_sum(run.session, some_vectors(run.session))


def test_secrets_are_in_no_repr() -> None:
    run = until_reveal(a_session(3))
    secrets = run.members["ada"]._secrets
    assert secrets.seed.hex() not in repr(secrets) and repr(secrets.seed) not in repr(secrets)
    assert "Member object" in repr(run.members["ada"])


# What members refuse.


def test_a_member_masks_and_reveals_once_only() -> None:
    run = until_reveal(a_session(3))
    ada = run.members["ada"]
    with pytest.raises(MaskingRefused, match="asked for `mask` but is at `reveal`"):
        ada.mask([1, 2, 3], run.envelopes("ada"))
    ada.reveal({"ada", "bob", "cyd"})
    with pytest.raises(MaskingRefused, match="at `done`"):
        ada.reveal({"ada", "bob"})


def test_no_aggregator_gathers_both_secrets_of_a_member() -> None:
    """It tells half of them that eve survived, and the other half that she did not."""
    run = until_reveal(a_session())
    everybody, without = set(NAMES), set(NAMES) - {"eve"}
    told = {"ada": everybody, "bob": everybody, "cyd": without, "dan": without}
    shares = [run.members[name].reveal(survivors)["eve"] for name, survivors in told.items()]
    threshold = run.session.threshold
    assert len(shares[:2]) < threshold and len(shares[2:]) < threshold
    assert 2 * threshold > len(NAMES)


# What a lying aggregator can still do: the attacks that the homes' own conditions are made for.


def test_two_members_with_two_neighbours_each_could_be_opened_alone() -> None:
    """Why a home takes part with no fewer neighbours than its own settings say (`fl.secagg_home`)."""
    run = Run(a_session(9, threshold=2, degree=2))
    victim = run.session.members[0]
    pair = (victim, next(name for name in run.session.holders(victim) if name != victim))
    run.sealed = {name: run.members[name].share({n: run.keys[n] for n in pair}) for name in pair}
    vectors = {name: some_vectors(run.session)[name] for name in pair}
    run.mask(vectors)
    reveals = {name: run.members[name].reveal(pair) for name in pair}
    opened = unmask(run.session, run.keys, pair, run.masked, reveals)
    assert list(opened) == plain_sum(run.session, vectors)


@pytest.mark.parametrize("part", [1, 2 / 3, 0.55])
@pytest.mark.parametrize("count", [6, 9, 12])
def test_an_aggregator_that_tells_each_member_something_else_opens_what_is_certain_and_no_less(
    count: int, part: float
) -> None:
    secure = SecAggSettings(enabled=True, threshold=part, fewest_homes=count)
    session, certain = a_session(count, threshold=secure.shares_needed(count)), secure.certain_homes()
    for wanted in range(1, certain):
        with pytest.raises(TooFewMembers):
            opened_by_lies(session, wanted)
    few = {name: some_vectors(session)[name] for name in session.members[:certain]}
    assert opened_by_lies(session, certain) == plain_sum(session, few)
    assert certain <= session.threshold


def opened_by_lies(session: Session, wanted: int) -> list[int]:
    """The sum of the first members alone: all are told that these are alive, and each that others of the rest are.

    So the seeds of the first come back, and of the rest, whose masked vectors are kept out, the mask keys.
    """
    run = until_reveal(session)
    first, named = set(session.members[:wanted]), dict.fromkeys(session.members[wanted:], 0)
    reveals: dict[str, dict[str, bytes]] = {}
    for name in session.members:
        alive = first | {name}
        for other in sorted(named, key=lambda n: named[n]):
            if len(alive) < session.threshold:
                alive.add(other)
        for other in alive & named.keys():
            named[other] += 1
        shares = run.members[name].reveal(alive)
        reveals[name] = {n: share for n, share in shares.items() if n in first or n not in alive}
    masked = {name: run.masked[name] for name in first}
    return list(unmask(session, run.keys, session.members, masked, reveals))


@pytest.mark.parametrize("survivors", [{"bob", "cyd", "dan", "eve"}, {"ada", "bob", "cyd", "mallory"}])
def test_impossible_survivors_are_refused(survivors: set[str]) -> None:
    with pytest.raises(MaskingRefused, match="survivors must be"):
        until_reveal(a_session()).members["ada"].reveal(survivors)


def swap(keys: dict[str, PublicKeys]) -> dict[str, PublicKeys]:
    return keys | {"ada": replace(keys["ada"], mask_key=Member(a_session(), "ada").keys().mask_key)}


@pytest.mark.parametrize(
    ("meddle", "complaint"),
    [
        (swap, "came back missing or changed"),
        (lambda keys: {k: v for k, v in keys.items() if k != "ada"}, "came back missing"),
        (lambda keys: keys | {"eve": keys["dan"]}, "same key"),
        (lambda keys: {k: keys[k] for k in ("ada", "bob", "cyd")}, "sent keys, 4 must"),
        (lambda keys: keys | {"mallory": keys["dan"]}, "no neighbours"),
        (lambda keys: keys | {"eve": replace(keys["eve"], channel_key=bytes(32))}, "public key is not one"),
    ],
)
def test_wrong_keys_are_refused(
    meddle: Callable[[dict[str, PublicKeys]], dict[str, PublicKeys]], complaint: str
) -> None:
    run = Run(a_session())
    with pytest.raises(MaskingRefused, match=complaint):
        run.members["ada"].share(meddle(run.keys))


def test_swapped_keys_are_seen_where_there_is_a_roster() -> None:
    identities = {name: ec.generate_private_key(ec.SECP384R1()) for name in NAMES}
    roster = {name: identity_of(key.public_key()) for name, key in identities.items()}
    session = a_session(roster=roster)
    vectors = some_vectors(session)
    assert list(sum_in_process(session, vectors, identities)[0]) == plain_sum(session, vectors)

    run = Run(session, identities)
    forged = run.keys | {"bob": Member(session, "bob", ec.generate_private_key(ec.SECP384R1())).keys()}
    with pytest.raises(MaskingRefused, match="keys of bob are not signed"):
        run.members["ada"].share(forged)


def test_an_envelope_of_another_sender_or_changed_is_refused() -> None:
    run = Run(a_session())
    run.share()
    box = run.envelopes("ada")
    with pytest.raises(MaskingRefused, match="not sealed by it"):
        run.members["ada"].mask([1, 2, 3], box | {"bob": box["cyd"]})
    run = Run(a_session())
    run.share()
    box = run.envelopes("ada")
    with pytest.raises(MaskingRefused, match="not sealed by it"):
        run.members["ada"].mask([1, 2, 3], box | {"bob": bytes([box["bob"][0] ^ 1]) + box["bob"][1:]})


# What the aggregator refuses.


@pytest.mark.parametrize("gone", [set(), {"eve"}], ids=["seed", "mask key"])
def test_a_lying_share_is_found_out(gone: set[str]) -> None:
    run = until_reveal(a_session(), gone)
    run.reveal()
    share = run.reveals["ada"]["eve"]
    run.reveals["ada"]["eve"] = share[:-1] + bytes([share[-1] ^ 1])
    with pytest.raises(MaskingRefused, match=r"do not fit together|something else"):
        run.total()
    run.reveals["ada"]["eve"] = share[:-1]
    with pytest.raises(MaskingRefused, match="wrong length"):
        run.total()


def test_a_malformed_vector_is_refused_by_name() -> None:
    run = until_reveal(a_session())
    run.reveal()
    whole = run.masked["bob"]
    run.masked["bob"] = whole[:-8]
    with pytest.raises(MaskingRefused, match="bob has 2 entries, not 3"):
        run.total()
    run.masked["bob"] = whole[:-1]
    with pytest.raises(MaskingRefused, match="bob is malformed"):
        run.total()


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"members": ("a", "b")}, "gives its parts away"),
        ({"members": ("b", "a", "c")}, "sorted"),
        ({"threshold": 2}, "more than half"),
        ({"threshold": 6}, "at most all"),
        ({"degree": 3}, "even"),
        ({"roster": {"ada": bytes(32)}}, "not in the roster: bob"),
    ],
)
def test_an_unsafe_session_can_not_be_made(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(MaskingRefused, match=complaint):
        replace(a_session(), **fields)  # type: ignore[arg-type]


def test_survivors_in_separate_parts_are_refused() -> None:
    session = a_session(20, threshold=3, degree=4)
    left = set(session.holders(session.members[0]))
    far = next(n for n in session.members if not set(session.holders(n)) & left)
    assert not session.joined({session.members[0], far})
    assert session.joined(session.members)
