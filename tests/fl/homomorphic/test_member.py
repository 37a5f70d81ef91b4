"""One sum under BFV: the total is exact, and a coordinator without the key gets no other number out of the homes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fl.homomorphic import ciphertexts
from fl.homomorphic.ciphertexts import MODULUS, BlindSum
from fl.homomorphic.member import MOST_MEMBERS, EncryptingMember, check_size
from fl.secagg.rings import Words64
from fl.secagg.session import MaskingRefused, Session, TooFewMembers
from tests.fl.homomorphic.sums import HOMES, LENGTH, Sum, by_coordinator, forged_key


def tenseal_vector(data: bytes) -> object:
    return ciphertexts._parsed(ciphertexts._public_context(), data)


def test_the_homes_open_the_sum_of_those_that_stayed() -> None:
    homes, one = HOMES[1:], Sum().encrypt()
    signed = one.agreed(homes)
    totals = {tuple(one.members[home].open(signed, one.total(homes)).view("int64").tolist()) for home in homes}
    assert totals == {(10, -10, 4, 4 * 2**40)}


def scaled(one: Sum) -> list[bytes]:
    return [(tenseal_vector(one.total()[0]) * 2).serialize()]  # type: ignore[operator]


def one_home_with_the_tags_of_all(one: Sum) -> list[bytes]:
    """Ada's numbers, and of the others their tags only: slots can be blanked without the key."""
    place = one.session.length
    only_tag = [0] * ciphertexts.SLOTS
    only_tag[place] = 1
    picked = tenseal_vector(one.ciphertexts["ada"][0])
    for home in HOMES[1:]:
        picked = picked + tenseal_vector(one.ciphertexts[home][0]) * only_tag  # type: ignore[operator]
    return [picked.serialize()]  # type: ignore[attr-defined]


def one_home_twice(one: Sum) -> list[bytes]:
    return one.total((*HOMES[1:], "eve"))


def one_home_missing(one: Sum) -> list[bytes]:
    return one.total(HOMES[1:])


def a_constant_more(one: Sum) -> list[bytes]:
    shift = [1] + [0] * (ciphertexts.SLOTS - 1)
    return [(tenseal_vector(one.total()[0]) + shift).serialize()]  # type: ignore[operator]


def another_sums_total(one: Sum) -> list[bytes]:
    """What the same homes have encrypted in an earlier round."""
    return Sum().encrypt().total()


def one_home_of_another_sum(one: Sum) -> list[bytes]:
    """A ciphertext replayed from an earlier round, among those of this one."""
    total = BlindSum(1)
    for each in (*(one.ciphertexts[home] for home in HOMES[1:]), Sum().encrypt().ciphertexts["ada"]):
        total.add(each)
    return total.to_bytes()


def a_single_home(one: Sum) -> list[bytes]:
    return one.ciphertexts["ada"]


@pytest.mark.parametrize(
    "meddled",
    [
        scaled, one_home_with_the_tags_of_all, one_home_twice, one_home_missing, a_constant_more, a_single_home,
        another_sums_total, one_home_of_another_sum,
    ],
)  # fmt: skip
def test_what_is_not_the_sum_that_was_agreed_on_is_not_opened(meddled: Callable[[Sum], list[bytes]]) -> None:
    one = Sum().encrypt()
    signed = one.agreed()
    with pytest.raises(MaskingRefused, match="not the sum of the homes that it was said to be of"):
        one.members["ada"].open(signed, meddled(one))
    with pytest.raises(MaskingRefused, match="is asked for `open` but is at `done`"):  # nor is it tried again
        one.members["ada"].open(signed, one.total())


def test_it_is_the_tag_that_keeps_a_single_home_from_being_opened() -> None:
    one = Sum().encrypt()
    _, key = one.members["bob"]._opened()
    assert key.decrypt(a_single_home(one))[:LENGTH] == [0, 0, 1, 2**40]
    assert key.decrypt(scaled(one))[:LENGTH] == [20, MODULUS - 20, 10, 10 * 2**40]


def test_two_sums_of_one_session_are_never_both_agreed_on() -> None:
    one = Sum().encrypt()
    all_signed = one.agreed()
    for home in HOMES[1:]:
        with pytest.raises(MaskingRefused, match="has agreed to another sum"):
            one.members[home].agree(HOMES[1:])
        assert one.members[home].agree(HOMES)  # the same once more is no news
    with pytest.raises(TooFewMembers, match="3 members have signed who is in the sum, 4 must"):
        one.members["ada"].open({home: all_signed[home] for home in HOMES[:3]}, one.total())


def test_signatures_of_another_secret_are_worth_nothing() -> None:
    one, other = Sum().encrypt(), Sum().encrypt()
    one.agreed()
    with pytest.raises(TooFewMembers, match="0 members have signed"):
        one.members["ada"].open(other.agreed(), one.total())


def test_a_sum_of_too_few_or_without_the_home_or_with_strangers_is_not_agreed_to() -> None:
    one = Sum().encrypt()
    with pytest.raises(TooFewMembers, match="3 homes sent a ciphertext, 4 must"):
        one.members["ada"].agree(HOMES[:3])
    with pytest.raises(MaskingRefused, match="this home among them"):
        one.members["ada"].agree(HOMES[1:])
    with pytest.raises(MaskingRefused, match="members only"):
        one.members["ada"].agree((*HOMES, "zoe"))


def test_the_coordinator_cannot_make_the_secret() -> None:
    one = Sum()
    with pytest.raises(MaskingRefused, match="what bob says is not signed by the identity in the roster"):
        one.members["ada"].take_secret(by_coordinator(one))


def test_nor_give_the_maker_other_keys_to_seal_it_for() -> None:
    one = Sum()
    with pytest.raises(MaskingRefused, match="the channel key of cyd is not signed"):
        one.members["ada"].make_secret({**one.keys, "cyd": forged_key("cyd")})
    with pytest.raises(MaskingRefused, match="the key of ada came back changed"):
        one.members["ada"].make_secret({**one.keys, "ada": one.keys["bob"]})
    with pytest.raises(TooFewMembers, match="3 homes sent keys, 4 must"):
        one.members["ada"].make_secret({home: one.keys[home] for home in HOMES[:3]})


def test_a_secret_that_was_changed_on_the_way_is_refused() -> None:
    one, other = Sum(), Sum()
    changes = [
        ({"box": one.sealed.box[:-1] + bytes([one.sealed.box[-1] ^ 1])}, "was not sealed for ada"),
        ({"envelopes": {"ada": one.sealed.envelopes["cyd"]}}, "was not sealed for ada"),
        ({"digest": other.sealed.digest}, "is not signed"),
        ({"maker": "cyd"}, "is not signed"),
        ({"box": bytes(10**6)}, "too long"),
    ]
    for change, why in changes:
        with pytest.raises(MaskingRefused, match=why):
            one.members["ada"].take_secret(replace(one.sealed, **change))  # type: ignore[arg-type]


def test_a_home_encrypts_once_for_it_would_send_two_vectors_under_one_tag() -> None:
    one = Sum().encrypt()
    with pytest.raises(MaskingRefused, match="asked for `encrypt` but is at `agree`"):
        one.members["ada"].encrypt([0] * LENGTH)


def test_a_vector_that_could_wrap_around_is_refused() -> None:
    one = Sum()
    one.members["ada"].take_secret(one.sealed)
    with pytest.raises(MaskingRefused, match="larger than BFV has room for"):
        one.members["ada"].encrypt([MODULUS // 8, 0, 0, 0])


def test_more_homes_than_there_is_room_for_are_refused() -> None:
    names = tuple(f"home-{number:05d}" for number in range(MOST_MEMBERS + 1))
    session = Session(b"big", names, len(names), LENGTH, Words64())
    with pytest.raises(MaskingRefused, match="which has room for 1677"):
        check_size(session)


def test_what_a_member_keeps_reads_back_and_is_never_shown() -> None:
    one = Sum().encrypt()
    member = one.members["ada"]
    again = EncryptingMember.load(one.session, "ada", member.save(), one.identities["ada"])
    assert again.agree(HOMES) and again.digest == member.digest
    shown = f"{member!r} {member._secrets!r} {one.sealed!r}"
    assert member._secrets.secret.hex() not in shown and member._secrets.channel_key.hex() not in shown
    assert "box" not in shown
