"""A sum under masks: exact, survives dropouts, gives nothing else away, and refuses what would."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from fl.secagg.aggregator import (
    MaskingRefused,
    Member,
    PrimeField,
    PublicKeys,
    Session,
    SumSpoilt,
    TooFewMembers,
    Unmasked,
    Words64,
    complaint,
    default_threshold,
    duplicated_keys,
    judge,
    sum_in_process,
    unmask,
)
from fl.secagg.envelopes import ephemeral_of
from fl.secagg.roster import identity_of, sign
from fl.secagg.shamir import random_secret
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
        self.sealed = {name: member.share(self.keys) for name, member in self.members.items()}

    def envelopes(self, name: str) -> dict[str, bytes]:
        return {sender: box[name] for sender, box in self.sealed.items() if name in box}

    def check(self) -> None:
        self.complaints = {name: member.check(self.envelopes(name)) for name, member in self.members.items()}

    def mask(self, vectors: dict[str, list[int]]) -> None:
        self.masked = {name: self.members[name].mask(v, self.members) for name, v in vectors.items()}

    def survivors(self) -> dict[str, bytes]:
        return {name: each.signature for name, each in self.masked.items()}

    def reveal(self, answering: set[str] | None = None) -> None:
        agreed = {name: self.members[name].agree(self.survivors()) for name in self.masked}
        self.reveals = {
            name: self.members[name].reveal(agreed) for name in self.masked.keys() & (answering or self.masked.keys())
        }

    def opened(self) -> Unmasked:
        vectors = {name: each.vector for name, each in self.masked.items()}
        return unmask(self.session, self.keys, self.sealed, vectors, self.reveals)

    def total(self) -> list[int]:
        return list(self.opened().total)


def some_vectors(session: Session) -> dict[str, list[int]]:
    return {name: [k + 1, -k, 10**6 * k] for k, name in enumerate(session.members)}


def plain_sum(session: Session, vectors: dict[str, list[int]]) -> list[int]:
    return [sum(column) % session.ring.modulus for column in zip(*vectors.values(), strict=True)]


def until_reveal(session: Session, gone: set[str] = frozenset()) -> Run:  # type: ignore[assignment]
    run = Run(session)
    run.share()
    run.check()
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


def test_members_that_never_shared_are_in_no_mask() -> None:
    session = a_session()
    run = Run(session)
    run.members.pop("eve")
    run.share()
    run.check()
    run.mask({name: v for name, v in some_vectors(session).items() if name != "eve"})
    run.reveal()
    vectors = {name: v for name, v in some_vectors(session).items() if name != "eve"}
    assert run.total() == plain_sum(session, vectors)


def test_dropouts_after_masking_do_not_matter_while_the_threshold_answers() -> None:
    run = until_reveal(a_session())
    run.reveal(answering={"ada", "bob", "cyd", "dan"})
    assert run.total() == plain_sum(run.session, some_vectors(run.session))


def test_too_many_dropouts_are_refused_by_members_and_by_the_aggregator() -> None:
    run = until_reveal(a_session(), gone={"dan", "eve"})
    with pytest.raises(TooFewMembers, match="3 members sent a masked vector, 4 must"):
        run.reveal()
    run = until_reveal(a_session())
    run.reveal(answering={"ada", "bob", "cyd"})
    with pytest.raises(TooFewMembers, match=r"3 shares .* 4 are needed"):
        run.total()


def test_a_session_says_itself_how_many_vectors_must_be_in_the_sum() -> None:
    """`fewest` counts to the end, not at the start only, and whatever the threshold is."""
    run = until_reveal(a_session(fewest=5), gone={"eve"})
    with pytest.raises(TooFewMembers, match="4 members sent a masked vector, 5 must"):
        run.reveal()
    assert a_session(fewest=5).certain == 5 and a_session(fewest=3).certain == 4


def test_state_survives_a_restart_between_messages() -> None:
    session = a_session(3)
    members = {name: Member(session, name) for name in session.members}

    def again(name: str) -> Member:
        members[name] = Member.load(session, name, members[name].save())
        return members[name]

    keys = {name: again(name).keys() for name in session.members}
    sealed = {name: again(name).share(keys) for name in session.members}
    for name in session.members:
        assert again(name).check({s: b[name] for s, b in sealed.items() if name in b}) == {}
    vectors = some_vectors(session)
    masked = {name: again(name).mask(vectors[name], session.members) for name in session.members}
    agreed = {n: again(n).agree({name: each.signature for name, each in masked.items()}) for n in session.members}
    reveals = {name: again(name).reveal(agreed) for name in session.members}
    opened = unmask(session, keys, sealed, {name: each.vector for name, each in masked.items()}, reveals)
    assert list(opened.total) == plain_sum(session, vectors)


# What a single masked vector shows.


@pytest.mark.parametrize("ring", [Words64(), PrimeField(R)], ids=["words", "field"])
def test_one_masked_vector_is_uniform_whatever_it_hides(ring: Words64 | PrimeField) -> None:
    length = 4096
    session = a_session(3, length=length, ring=ring)
    run = Run(session)
    run.share()
    run.check()
    run.mask({name: [0] * length for name in session.members})
    for each in run.masked.values():
        values = [int(value) for value in ring.from_bytes(each.vector)]
        sixteenths = np.bincount([16 * value // ring.modulus for value in values], minlength=16)
        chi_square = float(((sixteenths - length / 16) ** 2 / (length / 16)).sum())
        assert chi_square < 50  # 15 degrees of freedom: one in 10^5
        low_bits = sum(value & 1 for value in values)
        assert abs(low_bits - length / 2) < 5 * np.sqrt(length) / 2


def test_the_masks_of_two_sessions_and_two_members_differ() -> None:
    first, second = until_reveal(a_session()), until_reveal(a_session())
    assert len({each.vector for run in (first, second) for each in run.masked.values()}) == 10


def test_all_masked_vectors_without_shares_still_hide_the_sum() -> None:
    run = until_reveal(a_session())
    ring = run.session.ring
    total = ring.vector([0, 0, 0])
    for each in run.masked.values():
        total = ring.add(total, ring.from_bytes(each.vector))
    assert list(total) != plain_sum(run.session, some_vectors(run.session))


def test_secrets_are_in_no_repr() -> None:
    run = until_reveal(a_session(3))
    secrets = run.members["ada"]._secrets
    assert secrets.seed.hex() not in repr(secrets) and repr(secrets.seed) not in repr(secrets)
    assert "Member object" in repr(run.members["ada"])


# What members refuse.


def test_a_member_does_each_step_once_only_even_if_it_was_refused() -> None:
    run = until_reveal(a_session())
    ada = run.members["ada"]
    with pytest.raises(MaskingRefused, match="asked for `mask` but is at `agree`"):
        ada.mask([1, 2, 3], run.members)
    with pytest.raises(TooFewMembers):
        ada.agree({"ada": b"", "bob": b""})
    with pytest.raises(MaskingRefused, match="asked for `agree` but is at `reveal`"):
        ada.agree(run.survivors())
    with pytest.raises(TooFewMembers):
        ada.reveal({})
    with pytest.raises(MaskingRefused, match="asked for `reveal` but is at `done`"):
        ada.reveal(dict.fromkeys(NAMES, b""))


@pytest.mark.parametrize("shared", [{"bob", "cyd", "dan", "eve"}, {"ada", "bob", "cyd", "dan", "mallory"}])
def test_a_vector_is_masked_with_members_only_that_sent_their_shares(shared: set[str]) -> None:
    run = Run(a_session())
    run.share()
    run.check()
    with pytest.raises(MaskingRefused, match="sent it their shares"):
        run.members["ada"].mask([1, 2, 3], shared)


def test_survivors_that_did_not_share_are_refused() -> None:
    with pytest.raises(MaskingRefused, match="only that shared"):
        until_reveal(a_session()).members["ada"].agree(dict.fromkeys([*NAMES, "mallory"], b""))


def swap(keys: dict[str, PublicKeys]) -> dict[str, PublicKeys]:
    return keys | {"ada": replace(keys["ada"], mask_key=Member(a_session(), "ada").keys().mask_key)}


@pytest.mark.parametrize(
    ("meddle", "complaint"),
    [
        (swap, "came back missing or changed"),
        (lambda keys: {k: v for k, v in keys.items() if k != "ada"}, "came back missing"),
        (lambda keys: keys | {"eve": keys["dan"]}, "same key"),
        (lambda keys: {k: keys[k] for k in ("ada", "bob", "cyd")}, "sent keys, 4 must"),
        (lambda keys: keys | {"mallory": keys["dan"]}, "no members of this sum"),
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


# Forged envelopes and shares: who did it is named.


def forged(run: Run, sender: str, receiver: str) -> Run:
    run.share()
    envelope = run.sealed[sender][receiver]
    run.sealed[sender][receiver] = envelope[:40] + bytes([envelope[40] ^ 1]) + envelope[41:]
    run.check()
    return run


def judged(run: Run, sender: str, receiver: str, answer: bytes | None) -> str:
    envelope = run.sealed[sender][receiver]
    return judge(run.session, sender, receiver, envelope, answer, run.keys[receiver])[0]


def signed_session() -> tuple[Session, dict[str, ec.EllipticCurvePrivateKey]]:
    identities = {name: ec.generate_private_key(ec.SECP384R1()) for name in NAMES}
    return a_session(roster={name: identity_of(key.public_key()) for name, key in identities.items()}), identities


def test_whoever_sent_a_forged_envelope_is_found_out_and_the_others_go_on() -> None:
    run = forged(Run(*signed_session()), "bob", "ada")
    assert {name: set(each) for name, each in run.complaints.items() if each} == {"ada": {"bob"}}
    # Bob's own agent, honest again, would not have sent this one; it may answer or not.
    with pytest.raises(MaskingRefused, match="what ada says is not signed"):
        run.members["bob"].answer({"ada": run.complaints["ada"]["bob"]})
    other = ephemeral_of(run.session, b"k" * 32, "ada")
    assert {judged(run, "bob", "ada", answer) for answer in (None, b"", other)} == {"bob"}
    rest = sorted(set(NAMES) - {"bob"})
    vectors = {name: v for name, v in some_vectors(run.session).items() if name != "bob"}
    run.masked = {name: run.members[name].mask(vectors[name], rest) for name in rest}
    run.reveal()
    run.sealed.pop("bob")
    assert run.total() == plain_sum(run.session, vectors)


def test_an_envelope_whose_digests_are_not_of_its_shares_is_forged() -> None:
    run = Run(*signed_session())
    run.share()
    envelope = run.sealed["bob"]["ada"]
    run.sealed["bob"]["ada"] = envelope[:-1] + bytes([envelope[-1] ^ 1])
    run.check()
    assert set(run.complaints["ada"]) == {"bob"}
    key = run.members["bob"]._secrets.channel_key
    assert judged(run, "bob", "ada", ephemeral_of(run.session, key, "ada")) == "bob"


def test_whoever_complains_of_a_good_envelope_is_found_out() -> None:
    session, identities = signed_session()
    run = Run(session, identities)
    run.share()
    run.check()
    digest = hashlib.sha256(run.sealed["bob"]["ada"]).digest()
    lie = sign(identities["ada"], complaint(session, "ada", "bob", digest))
    answer = run.members["bob"].answer({"ada": lie})
    assert judged(run, "bob", "ada", answer["ada"]) == "ada"


def test_a_member_opens_no_envelope_unless_its_receiver_has_complained_of_that_very_one() -> None:
    """An aggregator that forges complaints, or has changed the envelope itself, learns no share by it."""
    session, identities = signed_session()
    run = Run(session, identities)
    run.share()
    run.check()
    digest = hashlib.sha256(run.sealed["bob"]["ada"]).digest()
    by_another = sign(identities["cyd"], complaint(session, "ada", "bob", digest))
    of_another = sign(identities["ada"], complaint(session, "ada", "bob", bytes(32)))
    of_another_session = sign(identities["ada"], complaint(a_session(), "ada", "bob", digest))
    for lie in (by_another, of_another, of_another_session, b""):
        with pytest.raises(MaskingRefused, match="not signed by the identity"):
            run.members["bob"].answer({"ada": lie})


def test_an_envelope_to_another_or_from_another_can_not_be_opened() -> None:
    """Else a member would reveal one's seed share under another's name, and its key share under its own."""
    for swapped in ({"bob": "cyd"}, {"cyd": "bob"}):
        run = Run(a_session())
        run.share()
        box = run.envelopes("ada")
        complaints = run.members["ada"].check(box | {to: box[of] for to, of in swapped.items()})
        assert set(complaints) == set(swapped)
    run = Run(a_session())
    run.share()
    assert set(run.members["ada"].check(run.envelopes("bob") | {"bob": b""})) == {"bob", "cyd", "dan", "eve"}


@pytest.mark.parametrize("gone", [set(), {"eve"}], ids=["seed", "mask key"])
def test_a_lying_share_is_found_out_and_left_out(gone: set[str]) -> None:
    run = until_reveal(a_session(), gone)
    run.reveal()
    share = run.reveals["ada"]["eve"]
    run.reveals["ada"]["eve"] = share[:-1] + bytes([share[-1] ^ 1])
    if gone:  # there is no share to spare
        with pytest.raises(TooFewMembers, match="3 shares of a secret of eve"):
            run.total()
        return
    opened = run.opened()
    assert list(opened.total) == plain_sum(run.session, some_vectors(run.session))
    assert opened.liars == {"ada": "it revealed another share of eve than eve had sealed"}


def test_whoever_sealed_shares_that_restore_nothing_is_named() -> None:
    class Wrong(Member):
        def share(self, keys: Mapping[str, PublicKeys]) -> dict[str, bytes]:
            self._secrets.seed = random_secret()
            return super().share(keys)

    run = Run(a_session())
    wrong = Wrong(run.session, "eve")
    run.members["eve"] = wrong
    run.keys["eve"] = wrong.keys()
    run.share()
    run.check()
    run.mask(some_vectors(run.session))
    run.reveal()
    with pytest.raises(SumSpoilt, match="the shares that eve sealed") as spoilt:
        run.total()
    assert spoilt.value.culprit == "eve"


def test_a_wrong_share_of_ones_own_secret_stops_nobody() -> None:
    run = until_reveal(a_session())
    run.reveal()
    run.reveals["ada"]["ada"] = bytes(32)
    assert run.total() == plain_sum(run.session, some_vectors(run.session))


def test_keys_that_two_members_gave_are_both_theirs_to_answer_for() -> None:
    run = Run(a_session())
    assert duplicated_keys(run.keys) == {}
    keys = run.keys | {"eve": replace(run.keys["dan"], seed_commitment=bytes(32))}
    assert set(duplicated_keys(keys)) == {"dan", "eve"}
    assert set(
        duplicated_keys(run.keys | {"eve": replace(run.keys["eve"], mask_key=run.keys["eve"].channel_key)})
    ) == {"eve"}


# What the aggregator refuses.


def test_a_malformed_vector_is_refused_by_name() -> None:
    run = until_reveal(a_session())
    run.reveal()
    whole = run.masked["bob"]
    run.masked["bob"] = replace(whole, vector=whole.vector[:-8])
    with pytest.raises(MaskingRefused, match="bob has 2 entries, not 3"):
        run.total()
    run.masked["bob"] = replace(whole, vector=whole.vector[:-1])
    with pytest.raises(MaskingRefused, match="bob is malformed"):
        run.total()


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"members": ("a", "b")}, "gives its parts away"),
        ({"members": ("b", "a", "c")}, "sorted"),
        ({"threshold": 2}, "more than half"),
        ({"threshold": 6}, "at most all"),
        ({"fewest": 6}, "where 6 must be in the sum"),
        ({"fewest": 2}, "where 2 must be in the sum"),
        ({"roster": {"ada": bytes(32)}}, "not in the roster: bob"),
    ],
)
def test_an_unsafe_session_can_not_be_made(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(MaskingRefused, match=complaint):
        replace(a_session(), **fields)  # type: ignore[arg-type]
