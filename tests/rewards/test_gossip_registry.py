"""The registry of a training without a server: phases, seed, leaders, challenges, and whom it slashes."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.gossip.blocks import Place, Published, merkle_path
from fl.gossip.draws import DRAWS
from rewards.errors import Refused
from rewards.gossip import sign_root
from tests.rewards.conftest import COMMUNITY, account
from tests.rewards.gossip_members import SEGMENTS, TERMS, Training, training
from tests.support.laws import examples

pytestmark = pytest.mark.slow

ROOT = b"\x07" * 32


@pytest.fixture(scope="module")
def begun() -> Training:
    made = training()
    made.wait(TERMS.publish_s + 1)
    return made


@pytest.fixture
def four(begun: Training) -> Iterator[Training]:
    """Four members at the beginning of epoch 1."""
    snapshot, moment = begun.chain.tester.take_snapshot(), begun.chain.now
    begun.chain.advance_to(moment + 1)
    begun.secrets.clear()
    yield begun
    begun.chain.tester.revert_to_snapshot(snapshot)
    begun.chain.reset_clock(moment)


def test_an_epoch_goes_on_when_all_have_acted(four: Training) -> None:
    assert four.ask("state")[:2] == [1, False]
    for number in range(4):
        four.publish(number, 1)
    assert four.ask("state")[:2] == [1, True]
    for number in range(4):
        four.reveal(number, 1)
    assert four.ask("state")[:2] == [2, False]
    assert any(four.ask("seed_of", 1)) and four.ask("members_at", 1) == 4 and four.ask("gone_at", 1) == 0


def test_it_goes_on_without_those_who_are_away(four: Training) -> None:
    for number in range(3):
        four.publish(number, 1)
    four.wait(TERMS.publish_s + 1)
    with pytest.raises(Refused, match="wrong phase"):
        four.publish(3, 1)
    for number in range(3):
        four.reveal(number, 1)
    assert any(four.ask("seed_of", 1)) and four.bond(3) == TERMS.bond


def test_an_epoch_of_too_few_has_no_seed_and_the_next_begins(four: Training) -> None:
    four.publish(0, 1)
    four.publish(1, 1)
    four.wait(TERMS.publish_s + 1)
    four.reveal(0, 1)
    four.reveal(1, 1)
    assert four.ask("state")[:2] == [2, False] and not any(four.ask("seed_of", 1))


def test_the_order_of_secrets_does_not_matter_and_each_of_them_does(four: Training) -> None:
    seeds = []
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        snapshot, moment = four.chain.tester.take_snapshot(), four.chain.now
        for number in range(4):
            four.publish(number, 1)
        for number in order:
            four.reveal(number, 1)
        seeds.append(bytes(four.ask("seed_of", 1)))
        four.chain.tester.revert_to_snapshot(snapshot)
        four.chain.reset_clock(moment)
    assert seeds[0] == seeds[1]
    four.publish(0, 1)
    four.secrets[0, 1] = b"\x09" * 32
    for number in range(1, 4):
        four.publish(number, 1)
    with pytest.raises(Refused, match="wrong secret"):
        four.reveal(0, 1)


def test_only_households_join_once_with_their_bond(four: Training) -> None:
    stranger = account(99)
    with pytest.raises(Refused, match="unknown household"):
        four.chain.send(stranger, four.registry.functions.join(), value=TERMS.bond)
    with pytest.raises(Refused, match="joined before"):
        four.send(0, "join", value=TERMS.bond)
    assert not hasattr(four.registry.functions, "transfer_ownership")  # nobody is above the members


def test_nobody_publishes_twice_or_what_is_not_due(four: Training) -> None:
    four.publish(0, 1)
    with pytest.raises(Refused, match="published before"):
        four.publish(0, 1)
    with pytest.raises(Refused, match="wrong phase"):
        four.publish(1, 2)
    with pytest.raises(Refused, match="not a member"):
        four.chain.send(account(99), four.registry.functions.publish(1, ROOT, ROOT))


def test_a_leader_proposes_and_a_committee_accepts(four: Training) -> None:
    seed = four.run_epoch(1, [0, 1, 2, 3])
    leading, chosen = four.leader(seed), four.committee(seed)
    with pytest.raises(Refused, match="no such proposal"):
        four.attest(chosen[0], 1, leading, 0, 0)
    four.send(leading, "propose", 1, 0, ROOT)
    outsider = next(number for number in range(4) if number not in chosen)
    for place in range(3):
        with pytest.raises(Refused, match="not in the committee"):
            four.attest(outsider, 1, leading, 0, place)
    with pytest.raises(Refused, match="malformed place"):
        four.attest(chosen[0], 1, leading, 0, 3)
    four.attest(chosen[0], 1, leading, 0, 0)
    with pytest.raises(Refused, match="attested before"):
        four.attest(chosen[0], 1, leading, 0, 0)
    assert not any(four.ask("accepted", 1))
    four.attest(chosen[1], 1, leading, 0, 1)
    assert bytes(four.ask("accepted", 1)) == ROOT and four.ask("last_accepted") == 1
    assert four.ask("leader_of", 1) == four.members[leading].address
    with pytest.raises(Refused, match="accepted before"):
        four.attest(chosen[2], 1, leading, 0, 2)


def test_another_committee_is_drawn_where_the_first_is_away(four: Training) -> None:
    seed = four.run_epoch(1, [0, 1, 2, 3])
    leading = four.leader(seed)
    four.send(leading, "propose", 1, 0, ROOT)
    draw = next(draw for draw in range(1, DRAWS) if set(four.committee(seed, draw)) != set(four.committee(seed)))
    chosen = four.committee(seed, draw)
    with pytest.raises(Refused, match="too early"):
        four.attest(chosen[0], 1, leading, draw, 0)
    first = next(number for number in four.committee(seed) if number in chosen)
    four.attest(first, 1, leading, 0, four.committee(seed).index(first))
    four.wait(draw * (TERMS.publish_s + TERMS.reveal_s))
    outsider = next(number for number in range(4) if number not in chosen)
    with pytest.raises(Refused, match="not in the committee"):
        four.attest(outsider, 1, leading, draw, 0)
    with pytest.raises(Refused, match="malformed draw"):
        four.attest(chosen[0], 1, leading, DRAWS, 0)
    four.attest(chosen[0], 1, leading, draw, 0)
    with pytest.raises(Refused, match="attested before"):
        four.attest(chosen[0], 1, leading, draw, 0)
    assert not any(four.ask("accepted", 1))  # what the first committee has said counts in that one only
    four.attest(chosen[1], 1, leading, draw, 1)
    assert bytes(four.ask("accepted", 1)) == ROOT


def test_who_joins_or_leaves_once_secrets_are_out_moves_no_draw() -> None:
    """All but the last secret are known by then: a member could try out which leader and committee come of it."""
    five = training(4, waiting=1)
    five.wait(TERMS.publish_s + 1)
    for number in range(4):
        five.publish(number, 1)
    for number in range(3):
        five.reveal(number, 1)
    five.send(4, "join", value=TERMS.bond)
    five.send(2, "leave")
    five.reveal(3, 1)
    assert five.ask("members_at", 1) == 4 and five.ask("gone_at", 1) == 0
    for number in (0, 1, 3, 4):
        five.publish(number, 2)
    for number in (0, 1, 3, 4):
        five.reveal(number, 2)
    assert five.ask("members_at", 2) == 5 and five.ask("gone_at", 2) == 1


def test_who_leaves_before_the_first_epoch_has_left() -> None:
    """It takes part no more, is counted out once, and the others are waited for."""
    four = training()
    four.send(3, "leave")
    with pytest.raises(Refused, match="not a member"):
        four.send(3, "leave")
    four.wait(TERMS.publish_s + 1)
    with pytest.raises(Refused, match="not a member"):
        four.publish(3, 1)
    four.publish(0, 1)
    four.publish(1, 1)
    assert four.ask("state")[:2] == [1, False]
    four.publish(2, 1)
    assert four.ask("state")[:2] == [1, True] and four.ask("gone_from", 0) == [3]


def test_the_next_in_rank_leads_when_the_leader_is_away(four: Training) -> None:
    seed = four.run_epoch(1, [0, 1, 2, 3])
    second = four.leader(seed, 1)
    with pytest.raises(Refused, match="too early"):
        four.send(second, "propose", 1, 1, ROOT)
    with pytest.raises(Refused, match="not the leader"):
        four.send(second, "propose", 1, 0, ROOT)
    four.wait(TERMS.leader_s)
    four.send(second, "propose", 1, 1, ROOT)
    with pytest.raises(Refused, match="proposed before"):
        four.send(second, "propose", 1, 1, b"\x08" * 32)


def test_a_leader_that_copies_anothers_merge_keeps_it_from_nobody(four: Training) -> None:
    """A root is seen before it is in a block. Its blocks name their leader, so a copy is nobody's merge."""
    seed = four.run_epoch(1, [0, 1, 2, 3])
    four.wait(TERMS.leader_s)
    first, second, chosen = four.leader(seed), four.leader(seed, 1), four.committee(seed)
    four.send(first, "propose", 1, 0, ROOT)
    four.send(second, "propose", 1, 1, ROOT)
    four.attest(chosen[0], 1, first, 0, 0)
    four.attest(chosen[1], 1, second, 0, 1)
    assert not any(four.ask("accepted", 1))
    four.attest(chosen[2], 1, second, 0, 2)
    assert four.ask("leader_of", 1) == four.members[second].address


def test_who_does_not_reveal_loses_its_bond_once(four: Training) -> None:
    for number in range(4):
        four.publish(number, 1)
    for number in range(3):
        four.reveal(number, 1)
    with pytest.raises(Refused, match="too early"):
        four.send(0, "slash_unrevealed", 1, four.members[3].address)
    four.wait(TERMS.reveal_s + 1)
    before = four.chain.web3.eth.get_balance(account(99).address)
    four.chain.send(account(99), four.registry.functions.slash_unrevealed(1, four.members[3].address))
    assert four.bond(3) == 0 and four.chain.web3.eth.get_balance(account(99).address) > before + TERMS.bond // 3
    for name, arguments in (("slash_unrevealed", (1, four.members[3].address)), ("withdraw", ())):
        with pytest.raises(Refused, match="not a member"):
            four.send(3, name, *arguments)
    assert four.ask("gone_from", 0) == [3]
    four.run_epoch(2, [0, 1, 2])  # the others are not waited for in vain
    assert four.ask("state")[:2] == [3, False]


def test_two_roots_cost_the_bond_and_nobody_can_be_framed(four: Training) -> None:
    four.publish(0, 1)
    member, address = four.members[0], four.registry.address
    other = sign_root(member, address, 1, ROOT)
    own = sign_root(member, address, 1, four.published(0, 1).root)
    forged = sign_root(four.members[1], address, 1, ROOT)
    elsewhere = sign_root(member, four.members[1].address, 1, ROOT)
    another_epoch = sign_root(member, address, 2, ROOT)
    for root, signature in ((ROOT, forged), (ROOT, elsewhere), (ROOT, another_epoch), (ROOT, other[:-1])):
        with pytest.raises(Refused, match="not its signature"):
            four.send(1, "slash_two_roots", 1, member.address, root, signature)
    with pytest.raises(Refused, match="nothing to slash"):
        four.send(1, "slash_two_roots", 1, member.address, four.published(0, 1).root, own)
    four.send(1, "slash_two_roots", 1, member.address, ROOT, other)
    assert four.bond(0) == 0
    for number in (1, 2, 3):  # the phase does not end before they have published
        assert four.ask("state")[:2] == [1, False]
        four.publish(number, 1)
    assert four.ask("state")[:2] == [1, True]


def test_a_challenged_block_is_put_on_the_chain(four: Training) -> None:
    four.run_epoch(1, [0, 1, 2, 3])
    four.send(1, "challenge", 1, four.members[0].address, 2, value=TERMS.deposit)
    wrong = four.published(0, 1)
    with pytest.raises(Refused, match="another block"):
        four.send(0, "answer", 1, 2, wrong.blocks[2], merkle_path(wrong.digests, 1))
    with pytest.raises(Refused, match="malformed block"):
        four.send(0, "answer", 1, 2, wrong.blocks[1], merkle_path(wrong.digests, 1))
    with pytest.raises(Refused, match="malformed path"):
        four.send(0, "answer", 1, 2, wrong.blocks[2], merkle_path(wrong.digests, 2)[:1])
    four.answer(0, 1, 2)
    four.wait(TERMS.challenge_s + 1)
    with pytest.raises(Refused, match="no challenge"):
        four.send(1, "slash_unanswered", 1, four.members[0].address, 2)
    with pytest.raises(Refused, match="challenged before"):
        four.send(1, "challenge", 1, four.members[0].address, 2, value=TERMS.deposit)
    assert four.bond(0) == TERMS.bond


def test_a_withheld_block_costs_the_bond(four: Training) -> None:
    four.run_epoch(1, [0, 1, 2, 3])
    four.send(1, "challenge", 1, four.members[0].address, 2, value=TERMS.deposit)
    with pytest.raises(Refused, match="too early"):
        four.send(2, "slash_unanswered", 1, four.members[0].address, 2)
    four.wait(TERMS.challenge_s + 1)
    before = four.chain.web3.eth.get_balance(four.members[1].address)
    four.send(2, "slash_unanswered", 1, four.members[0].address, 2)
    gained = four.chain.web3.eth.get_balance(four.members[1].address) - before
    assert four.bond(0) == 0 and gained == TERMS.deposit + TERMS.bond // 2


def test_a_root_over_anything_but_blocks_of_its_place_can_not_be_answered(four: Training) -> None:
    """A copy of another's root, or garbage, is found out by the first challenge."""
    stolen = four.published(1, 1)
    commitment = b"\x01" * 32
    four.send(0, "publish", 1, stolen.root, commitment)
    four.secrets[0, 1] = bytes(31) + b"\x01"
    for number in (1, 2, 3):
        four.publish(number, 1)
    for number in (1, 2, 3):
        four.reveal(number, 1)
    four.wait(TERMS.reveal_s + 1)
    four.send(2, "advance")
    four.send(1, "challenge", 1, four.members[0].address, 0, value=TERMS.deposit)
    for data in (
        stolen.blocks[0],
        Published.of(Place(COMMUNITY, 1, bytes(20)), np.arange(SEGMENTS.length), SEGMENTS).blocks[0],
    ):
        with pytest.raises(Refused, match="malformed block"):
            four.send(0, "answer", 1, 0, data, merkle_path(stolen.digests, 0))


def test_old_blocks_need_not_be_kept(four: Training) -> None:
    for epoch in (1, 2):
        four.run_epoch(epoch, [0, 1, 2, 3])
    four.run_epoch(3, [0, 1, 2, 3])
    with pytest.raises(Refused, match="not to be had"):
        four.send(1, "challenge", 1, four.members[0].address, 0, value=TERMS.deposit)
    four.send(1, "challenge", 3, four.members[0].address, 0, value=TERMS.deposit)


def test_a_member_leaves_with_its_bond_after_two_epochs(four: Training) -> None:
    four.run_epoch(1, [0, 1, 2, 3])
    four.publish(3, 2)
    with pytest.raises(Refused, match="reveal first"):
        four.send(3, "leave")
    for number in (0, 1, 2):
        four.publish(number, 2)
    for number in (3, 0, 1):
        four.reveal(number, 2)
    four.send(3, "leave")
    with pytest.raises(Refused, match="too early"):
        four.send(3, "withdraw")
    four.reveal(2, 2)
    four.run_epoch(3, [0, 1, 2])
    assert four.ask("state")[:2] == [4, False]  # the training has ended
    with pytest.raises(Refused, match="training has ended"):
        four.publish(0, 4)
    four.wait(TERMS.publish_s + TERMS.challenge_s + 1)
    with pytest.raises(Refused, match="not to be had"):  # who has switched off its agent by then loses nothing
        four.send(1, "challenge", 3, four.members[0].address, 0, value=TERMS.deposit)
    four.wait(TERMS.challenge_s)
    with pytest.raises(Refused, match="too early"):  # who has no bond can't attest, and nothing is accepted yet
        four.send(0, "withdraw")
    four.wait(DRAWS * (TERMS.publish_s + TERMS.reveal_s))
    for number in range(4):
        four.send(number, "withdraw")
    assert four.chain.web3.eth.get_balance(four.registry.address) == 0


def test_bonds_are_paid_back_as_soon_as_the_last_merge_is_accepted(four: Training) -> None:
    for epoch in (1, 2, 3):
        seed = four.run_epoch(epoch, [0, 1, 2, 3])
    leading, chosen = four.leader(seed), four.committee(seed)
    four.send(leading, "propose", 3, 0, ROOT)
    four.wait(TERMS.publish_s + 2 * TERMS.challenge_s + 1)
    for place in (0, 1):
        four.attest(chosen[place], 3, leading, 0, place)
    four.send(0, "withdraw")
    assert four.bond(0) == 0


class Act:
    """What members do in a round of the law below; an honest one always acts in time."""

    AWAY, PUBLISH_ONLY, HONEST = range(3)


@examples(12)
@given(
    behaviours=st.lists(
        st.lists(st.sampled_from([Act.AWAY, Act.PUBLISH_ONLY, Act.HONEST]), min_size=3, max_size=3),
        min_size=2, max_size=2,
    ),
    challenged=st.lists(st.integers(0, 3), min_size=2, max_size=2),
)  # fmt: skip
def test_who_keeps_to_the_protocol_is_never_slashed(behaviours: list[list[int]], challenged: list[int]) -> None:
    """Member 0 is honest; the others do as drawn, slash whom they can, and challenge anybody."""
    four = _copy()
    snapshot, moment = four.chain.tester.take_snapshot(), four.chain.now
    try:
        for epoch, (others, asked) in enumerate(zip(behaviours, challenged, strict=True), start=1):
            _play(four, epoch, [Act.HONEST, *others], asked)
        assert four.bond(0) == TERMS.bond
    finally:
        four.chain.tester.revert_to_snapshot(snapshot)
        four.chain.reset_clock(moment)


_kept: list[Training] = []


def _copy() -> Training:
    if not _kept:
        _kept.append(training())
        _kept[0].wait(TERMS.publish_s + 1)
    return _kept[0]


def _play(four: Training, epoch: int, acts: list[int], asked: int) -> None:
    if four.ask("state")[0] != epoch:
        return
    for number, act in enumerate(acts):
        if act != Act.AWAY and four.bond(number):
            four.publish(number, epoch)
    if four.ask("state")[:2] == [epoch, False]:
        four.wait(TERMS.publish_s + 1)
    for number, act in enumerate(acts):
        if act == Act.HONEST and four.bond(number):
            four.reveal(number, epoch)
    if four.ask("state")[:2] == [epoch, True]:
        four.wait(TERMS.reveal_s + 1)
    for number in range(4):
        _try(four, 1, "slash_unrevealed", epoch, four.members[number].address)
    _try(four, 1, "challenge", epoch, four.members[asked].address, 1, value=TERMS.deposit)
    if asked == 0 and four.ask("member_of", four.members[0].address)[3]:
        four.answer(0, epoch, 1)
    four.wait(TERMS.challenge_s + 1)
    _try(four, 1, "slash_unanswered", epoch, four.members[asked].address, 1)


def _try(four: Training, number: int, name: str, *arguments: object, value: int = 0) -> None:
    try:
        four.send(number, name, *arguments, value=value)
    except Refused:
        return
