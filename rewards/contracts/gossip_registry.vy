# pragma version ~=0.4.3
"""
@title Gossip registry
@license Apache-2.0
@notice What the peers of a training without a server agree on: who takes part, each epoch's unpredictable seed, what
        each peer has published, and the leader's merge that a committee has recomputed. A member deposits a bond; it
        loses it for what this contract can check itself: two roots for one epoch, a secret that is not revealed, a
        block that is not put on the chain when somebody has challenged it.

        An epoch has two phases. PUBLISH: each member puts down the root of its blocks (`fl.gossip.blocks`) and a
        commitment to a secret. REVEAL: each of them reveals it. The seed is the exclusive or of all secrets, hashed,
        so that nobody knows it, nor the order of secrets matters, before the last is revealed. A phase ends when all
        members have acted, or when its time is up; then anybody's call goes on. During the next PUBLISH peers merge.
@dev Seed and leader: commit and reveal with a bond, as RANDAO; the last to reveal can have another seed by losing its
     bond. The Merkle tree is of SHA-256: an inner node is sha256(0x01 ++ left ++ right).
"""

interface IHouseholds:
    def is_enrolled(household: address) -> bool: view

struct Member:
    bond: uint256  # zero: not a member any more, or never
    since: uint32  # the first epoch it takes part in
    index: uint32  # its place among all who have ever joined
    challenges: uint32  # open ones against it
    leaving: uint32  # the epoch in which it said that it leaves; zero: it stays

struct Entry:
    root: bytes32
    commitment: bytes32
    secret: bytes32

struct Challenge:
    challenger: address
    deadline: uint256

event Joined:
    member: indexed(address)
    index: uint32

event Left:
    member: indexed(address)

event Published:
    epoch: indexed(uint32)
    member: indexed(address)
    root: bytes32

event SeedDrawn:
    epoch: indexed(uint32)
    seed: bytes32
    revealed: uint256

event Proposed:
    epoch: indexed(uint32)
    leader: indexed(address)
    root: bytes32

event Accepted:
    epoch: indexed(uint32)
    root: bytes32

event Challenged:
    epoch: indexed(uint32)
    member: indexed(address)
    segment: uint32

event Answered:
    epoch: indexed(uint32)
    member: indexed(address)
    segment: uint32

event Slashed:
    member: indexed(address)
    epoch: uint32
    reason: String[32]

flag Phase:
    PUBLISH
    REVEAL

MOST_MEMBERS: constant(uint256) = 10000
MOST_PAGE: constant(uint256) = 500
MOST_COMMITTEE: constant(uint256) = 64
DRAWS: constant(uint256) = 8  # committees of an epoch, one after the other, until one of them accepts
MOST_DATA: constant(uint256) = 131072
MOST_PATH: constant(uint256) = 8
MAGIC: constant(Bytes[17]) = b"wattproof block 1"
HEADER: constant(uint256) = 79

COMMUNITY: public(immutable(bytes32))
HOUSEHOLDS: public(immutable(IHouseholds))
BOND: public(immutable(uint256))
DEPOSIT: public(immutable(uint256))
FEWEST: public(immutable(uint256))
SEGMENTS: public(immutable(uint32))
NUMBERS: public(immutable(uint32))
EPOCHS: public(immutable(uint32))
PUBLISH_S: public(immutable(uint256))
REVEAL_S: public(immutable(uint256))
LEADER_S: public(immutable(uint256))
CHALLENGE_S: public(immutable(uint256))
COMMITTEE: public(immutable(uint256))

members: public(DynArray[address, MOST_MEMBERS])
_gone: DynArray[uint32, MOST_MEMBERS]  # indices of those that have left or were slashed, in that order
member_of: public(HashMap[address, Member])
active: public(uint256)  # members of the epoch that is open
joining: public(HashMap[uint32, uint256])  # those that take part from an epoch on

epoch: public(uint32)
phase: Phase
phase_since: public(uint256)
published: public(HashMap[uint32, uint256])
revealed: public(HashMap[uint32, uint256])
mixed: HashMap[uint32, bytes32]
seed_of: public(HashMap[uint32, bytes32])
members_at: public(HashMap[uint32, uint256])  # those that had joined when the epoch began
gone_at: public(HashMap[uint32, uint256])  # those that were gone before the first secret was revealed
seeded_at: public(HashMap[uint32, uint256])
entries: HashMap[uint32, HashMap[address, Entry]]

proposal_of: public(HashMap[uint32, HashMap[address, bytes32]])
attested: HashMap[uint32, HashMap[uint256, HashMap[address, bool]]]  # by epoch and draw
attestations: public(HashMap[uint32, HashMap[uint256, HashMap[address, uint256]]])  # to a leader's merge
accepted: public(HashMap[uint32, bytes32])
leader_of: public(HashMap[uint32, address])
last_accepted: public(uint32)

challenges: public(HashMap[uint32, HashMap[address, HashMap[uint32, Challenge]]])


@deploy
def __init__(
    community: bytes32, households: address, bond: uint256, deposit: uint256, fewest: uint256, segments: uint32,
    numbers: uint32, epochs: uint32, publish_s: uint256, reveal_s: uint256, leader_s: uint256, challenge_s: uint256, committee: uint256
):
    """
    @param households The forecast registry: who has a meter there may join.
    @param fewest Members whose secrets make a seed; an epoch with fewer has none, and nobody merges in it.
    @param segments, numbers Blocks of a peer in an epoch, a power of two, and numbers in each.
    @param epochs After so many nothing more is published; the merge of the last one is the training's model.
    """
    assert bond > 0 and deposit > 0 and fewest >= 2 and epochs > 0, "malformed terms"
    assert segments > 0 and segments <= 256 and segments & (segments - 1) == 0, "malformed terms"
    assert numbers > 0 and 4 * convert(numbers, uint256) + HEADER <= MOST_DATA, "malformed terms"
    assert committee > 0 and committee <= MOST_COMMITTEE, "malformed terms"
    COMMUNITY = community
    HOUSEHOLDS = IHouseholds(households)
    BOND = bond
    DEPOSIT = deposit
    FEWEST = fewest
    SEGMENTS = segments
    NUMBERS = numbers
    EPOCHS = epochs
    PUBLISH_S = publish_s
    REVEAL_S = reveal_s
    LEADER_S = leader_s
    CHALLENGE_S = challenge_s
    COMMITTEE = committee
    self.phase = Phase.REVEAL  # of epoch 0, in which members join and nobody publishes
    self.phase_since = block.timestamp


@external
@view
def member_count() -> uint256:
    return len(self.members)


@external
@view
def members_from(first: uint256) -> DynArray[address, MOST_PAGE]:
    """Those that have joined, by index, from one on; at most 500."""
    out: DynArray[address, MOST_PAGE] = []
    for at: uint256 in range(MOST_PAGE):
        if first + at >= len(self.members):
            break
        out.append(self.members[first + at])
    return out


@external
@view
def gone_from(first: uint256) -> DynArray[uint32, MOST_PAGE]:
    """Indices of those that have left or were slashed, in that order, from one on; at most 500."""
    out: DynArray[uint32, MOST_PAGE] = []
    for at: uint256 in range(MOST_PAGE):
        if first + at >= len(self._gone):
            break
        out.append(self._gone[first + at])
    return out


@external
@view
def entry_of(epoch: uint32, member: address) -> Entry:
    """What a member has published and revealed in an epoch."""
    return self.entries[epoch][member]


@external
@view
def state() -> (uint32, bool, uint256):
    """
    @return The epoch, whether it is in its reveal phase, and the chain's time; as a call now would find them.
    """
    if self._is_over():
        if self.phase == Phase.PUBLISH:
            return self.epoch, True, block.timestamp
        return self.epoch + 1, False, block.timestamp
    return self.epoch, self.phase == Phase.REVEAL, block.timestamp


@external
@payable
def join():
    """
    @notice A household of the community deposits its bond. It takes part from the next epoch on; one that was slashed
            does not come back.
    """
    assert staticcall HOUSEHOLDS.is_enrolled(msg.sender), "unknown household"
    assert msg.value == BOND, "wrong bond"
    assert self.member_of[msg.sender].since == 0, "joined before"
    self._go_on()
    first: uint32 = self.epoch + 1
    index: uint32 = convert(len(self.members), uint32)
    self.member_of[msg.sender] = Member(bond=msg.value, since=first, index=index, challenges=0, leaving=0)
    self.joining[first] += 1
    self.members.append(msg.sender)
    log Joined(member=msg.sender, index=index)


@external
def leave():
    """
    @notice A member publishes no more; its bond is paid back by `withdraw` two epochs later.
    """
    self._go_on()
    member: Member = self.member_of[msg.sender]
    assert member.bond > 0 and member.leaving == 0, "not a member"
    assert self.entries[self.epoch][msg.sender].root == empty(bytes32) or self._has_revealed(msg.sender), "reveal first"
    self.member_of[msg.sender].leaving = max(self.epoch, 1)  # zero: it stays
    self._fewer(msg.sender)
    log Left(member=msg.sender)


@external
def withdraw():
    """
    @notice Pay the bond back to a member that has left, or to any when the training has ended: a last merge is
            accepted, or none can be any more, and nobody can be challenged. Who has no bond attests to nothing.
    """
    self._go_on()
    member: Member = self.member_of[msg.sender]
    assert member.bond > 0, "not a member"
    ended: bool = self.epoch > EPOCHS and block.timestamp > self.phase_since + PUBLISH_S + 2 * CHALLENGE_S and (
        self.accepted[EPOCHS] != empty(bytes32) or self.seed_of[EPOCHS] == empty(bytes32)
        or block.timestamp > self.phase_since + DRAWS * (PUBLISH_S + REVEAL_S)
    )
    assert ended or (member.leaving > 0 and self.epoch > member.leaving + 2), "too early"
    assert member.challenges == 0, "challenge open"
    self.member_of[msg.sender].bond = 0
    send(msg.sender, member.bond)


@external
def advance():
    """
    @notice Anybody: go on to the next phase where that is due.
    """
    assert self._is_over(), "phase is not over"
    self._next()


@external
def publish(epoch: uint32, root: bytes32, commitment: bytes32):
    """
    @notice Put down the root of a member's blocks of an epoch, once, and its commitment to a secret:
            keccak256(epoch ++ member ++ secret), 32 + 32 + 32 bytes.
    """
    self._go_on()
    member: Member = self.member_of[msg.sender]
    assert member.bond > 0 and member.leaving == 0 and member.since <= epoch, "not a member"
    assert epoch == self.epoch and self.phase == Phase.PUBLISH, "wrong phase"
    assert epoch <= EPOCHS, "training has ended"
    assert root != empty(bytes32) and commitment != empty(bytes32), "malformed entry"
    assert self.entries[epoch][msg.sender].root == empty(bytes32), "published before"
    self.entries[epoch][msg.sender] = Entry(root=root, commitment=commitment, secret=empty(bytes32))
    self.published[epoch] += 1
    log Published(epoch=epoch, member=msg.sender, root=root)


@external
def reveal(epoch: uint32, secret: bytes32):
    """
    @notice Reveal the secret that was committed to. The last one draws the epoch's seed.
    """
    self._go_on()
    assert epoch == self.epoch and self.phase == Phase.REVEAL, "wrong phase"
    entry: Entry = self.entries[epoch][msg.sender]
    assert entry.root != empty(bytes32) and self.member_of[msg.sender].bond > 0, "nothing published"
    assert entry.secret == empty(bytes32) and secret != empty(bytes32), "revealed before"
    digest: bytes32 = keccak256(concat(convert(epoch, bytes32), convert(msg.sender, bytes32), secret))
    assert digest == entry.commitment, "wrong secret"
    self.entries[epoch][msg.sender].secret = secret
    self.mixed[epoch] = self.mixed[epoch] ^ secret
    self.revealed[epoch] += 1
    if self.revealed[epoch] == self.published[epoch]:
        self._next()


@external
def propose(epoch: uint32, rank: uint256, root: bytes32):
    """
    @notice The epoch's leader puts down the root of its merge; that of rank r may when r * LEADER_S have passed since
            the seed was drawn and nothing is accepted. The root is that of blocks that name this leader, so that
            another's is worth nothing.
    """
    seed: bytes32 = self.seed_of[epoch]
    assert seed != empty(bytes32), "no seed"
    assert self.accepted[epoch] == empty(bytes32), "accepted before"
    count: uint256 = self.members_at[epoch]
    assert rank < count, "malformed rank"
    assert self.members[(convert(seed, uint256) % count + rank) % count] == msg.sender, "not the leader"
    assert block.timestamp >= self.seeded_at[epoch] + rank * LEADER_S, "too early"
    assert self._takes_part(epoch, msg.sender), "not in the epoch"
    assert root != empty(bytes32) and self.proposal_of[epoch][msg.sender] == empty(bytes32), "proposed before"
    self.proposal_of[epoch][msg.sender] = root
    log Proposed(epoch=epoch, leader=msg.sender, root=root)


@external
def attest(epoch: uint32, leader: address, draw: uint256, place: uint256):
    """
    @notice A member of a committee says, once in each, that it has recomputed a leader's merge. More than half of the
            committee accept it. The committee's members are those at start + place * step among all that had joined,
            both by the seed: neighbours in the order of joining, who may collude, are not together in it. Where it
            has accepted nothing by the time of an epoch, because too many in it are away, another is drawn.
    """
    root: bytes32 = self.proposal_of[epoch][leader]
    assert root != empty(bytes32), "no such proposal"
    assert self.accepted[epoch] == empty(bytes32), "accepted before"
    assert draw < DRAWS, "malformed draw"
    assert block.timestamp >= self.seeded_at[epoch] + draw * (PUBLISH_S + REVEAL_S), "too early"
    count: uint256 = self.members_at[epoch]
    size: uint256 = min(COMMITTEE, count)
    drawn: uint256 = convert(self._drawn(epoch, draw), uint256)
    start: uint256 = (drawn >> 128) % count
    step: uint256 = self._step((drawn >> 64) % count, count)
    assert place < size, "malformed place"
    assert self.members[(start + place * step) % count] == msg.sender, "not in the committee"
    assert self._takes_part(epoch, msg.sender), "not in the epoch"
    assert not self.attested[epoch][draw][msg.sender], "attested before"
    self.attested[epoch][draw][msg.sender] = True
    self.attestations[epoch][draw][leader] += 1
    if self.attestations[epoch][draw][leader] * 2 > size:
        self.accepted[epoch] = root
        self.leader_of[epoch] = leader
        if epoch > self.last_accepted:
            self.last_accepted = epoch
        log Accepted(epoch=epoch, root=root)


@external
@payable
def challenge(epoch: uint32, member: address, segment: uint32):
    """
    @notice Anybody who can't have a block of this epoch or the one before asks its peer to put it on the chain. The
            deposit pays for that, or comes back with half of the bond. Some time after the end, nobody can be asked
            any more.
    """
    self._go_on()
    assert msg.value == DEPOSIT, "wrong deposit"
    assert segment < SEGMENTS, "no such segment"
    assert self.member_of[member].bond > 0 and self.entries[epoch][member].root != empty(bytes32), "nothing published"
    assert self.seed_of[epoch] != empty(bytes32) and epoch + 1 >= self.epoch, "not to be had"
    assert self.epoch <= EPOCHS or block.timestamp <= self.phase_since + PUBLISH_S + CHALLENGE_S, "not to be had"
    assert self.challenges[epoch][member][segment].deadline == 0, "challenged before"
    self.challenges[epoch][member][segment] = Challenge(
        challenger=msg.sender, deadline=block.timestamp + CHALLENGE_S
    )
    self.member_of[member].challenges += 1
    log Challenged(epoch=epoch, member=member, segment=segment)


@external
def answer(epoch: uint32, segment: uint32, data: Bytes[MOST_DATA], path: DynArray[bytes32, MOST_PATH]):
    """
    @notice The challenged peer puts the block on the chain, in this call's data, and takes the deposit.
    """
    open: Challenge = self.challenges[epoch][msg.sender][segment]
    assert open.challenger != empty(address), "no challenge"
    assert self._is_block(data, epoch, msg.sender, segment), "malformed block"
    assert self._root(sha256(data), segment, path) == self.entries[epoch][msg.sender].root, "another block"
    self.challenges[epoch][msg.sender][segment].challenger = empty(address)
    self.member_of[msg.sender].challenges -= 1
    log Answered(epoch=epoch, member=msg.sender, segment=segment)
    send(msg.sender, DEPOSIT)


@external
def slash_unanswered(epoch: uint32, member: address, segment: uint32):
    """
    @notice Anybody: a challenge was not answered in time. Deposit and half of the bond go to the challenger.
    """
    open: Challenge = self.challenges[epoch][member][segment]
    assert open.challenger != empty(address), "no challenge"
    assert block.timestamp > open.deadline, "too early"
    self.challenges[epoch][member][segment].challenger = empty(address)
    self.member_of[member].challenges -= 1
    share: uint256 = 0
    if self.member_of[member].bond > 0:  # not slashed for something else meanwhile
        share = self._slash(member, epoch, "block withheld")
    send(open.challenger, DEPOSIT + share)


@external
def slash_unrevealed(epoch: uint32, member: address):
    """
    @notice Anybody: a member published and did not reveal while it could.
    """
    self._go_on()
    entry: Entry = self.entries[epoch][member]
    assert self.member_of[member].bond > 0, "not a member"
    assert entry.root != empty(bytes32) and entry.secret == empty(bytes32), "nothing to slash"
    assert epoch < self.epoch, "too early"
    send(msg.sender, self._slash(member, epoch, "secret withheld"))


@external
def slash_two_roots(epoch: uint32, member: address, root: bytes32, signature: Bytes[65]):
    """
    @notice Anybody: a member has signed another root of an epoch than it has published. The signature is of EIP-191,
            version 0 (this contract as the validator), over epoch ++ root, 64 bytes.
    """
    known: bytes32 = self.entries[epoch][member].root
    assert self.member_of[member].bond > 0, "not a member"
    assert known != empty(bytes32) and root != known, "nothing to slash"
    data: Bytes[64] = concat(convert(epoch, bytes32), root)
    digest: bytes32 = keccak256(concat(b"\x19\x00", convert(self, bytes20), data))
    assert self._signer(digest, signature) == member, "not its signature"
    send(msg.sender, self._slash(member, epoch, "two roots"))


@internal
@view
def _takes_part(epoch: uint32, member: address) -> bool:
    return self.member_of[member].bond > 0 and self.entries[epoch][member].secret != empty(bytes32)


@internal
@view
def _drawn(epoch: uint32, draw: uint256) -> bytes32:
    """What a committee is drawn by: the seed, and for another one its hash with the number."""
    if draw == 0:
        return self.seed_of[epoch]
    return sha256(concat(self.seed_of[epoch], convert(draw, bytes32)))


@internal
@view
def _has_revealed(member: address) -> bool:
    return self.entries[self.epoch][member].secret != empty(bytes32)


@internal
@view
def _is_over() -> bool:
    """Whether all have acted, or the phase's time is up. An epoch that nobody has joined does not begin."""
    late: bool = False
    if self.phase == Phase.PUBLISH:
        late = block.timestamp > self.phase_since + PUBLISH_S
        return self.epoch <= EPOCHS and (late or (self.active > 0 and self.published[self.epoch] >= self.active))
    if self.epoch == 0:
        return block.timestamp > self.phase_since + PUBLISH_S and len(self.members) >= FEWEST
    return block.timestamp > self.phase_since + REVEAL_S or self.revealed[self.epoch] >= self.published[self.epoch]


@internal
def _go_on():
    if self._is_over():
        self._next()


@internal
def _next():
    self.phase_since = block.timestamp
    if self.phase == Phase.PUBLISH:
        self.phase = Phase.REVEAL
        self.gone_at[self.epoch] = len(self._gone)
        return
    if self.epoch > 0 and self.revealed[self.epoch] >= FEWEST:
        seed: bytes32 = keccak256(concat(COMMUNITY, convert(self.epoch, bytes32), self.mixed[self.epoch]))
        self.seed_of[self.epoch] = seed
        self.seeded_at[self.epoch] = block.timestamp
        log SeedDrawn(epoch=self.epoch, seed=seed, revealed=self.revealed[self.epoch])
    self.epoch += 1
    self.active += self.joining[self.epoch]
    self.members_at[self.epoch] = len(self.members)  # who joins or leaves once secrets are out moves no draw
    self.phase = Phase.PUBLISH


@internal
def _fewer(member: address):
    """
    A member is gone: from the epoch's count, or from that of those who join it; and where it has published and can't
    reveal any more, from those whose secrets are waited for.
    """
    self._gone.append(self.member_of[member].index)
    since: uint32 = self.member_of[member].since
    if since > self.epoch:
        self.joining[since] -= 1
    else:
        self.active -= 1
    entry: Entry = self.entries[self.epoch][member]
    if entry.root != empty(bytes32) and entry.secret == empty(bytes32):
        self.published[self.epoch] -= 1


@internal
def _slash(member: address, epoch: uint32, reason: String[32]) -> uint256:
    """Half of the bond goes to who has told, the other half to nobody."""
    told: Member = self.member_of[member]
    self.member_of[member].bond = 0
    if told.leaving == 0:
        self._fewer(member)
    log Slashed(member=member, epoch=epoch, reason=reason)
    return told.bond // 2


@internal
@pure
def _step(drawn: uint256, count: uint256) -> uint256:
    """The first number above `drawn` that has no divisor in common with `count`, so that no member comes twice."""
    for ahead: uint256 in range(1, 64):
        a: uint256 = drawn + ahead
        b: uint256 = count
        for _: uint256 in range(32):
            if b == 0:
                break
            rest: uint256 = a % b
            a = b
            b = rest
        if a == 1:
            return drawn + ahead
    return 1


@internal
@view
def _is_block(data: Bytes[MOST_DATA], epoch: uint32, member: address, segment: uint32) -> bool:
    """Whether the bytes have the length of a block and begin as that of this place does (`fl.gossip.blocks`)."""
    if len(data) != HEADER + 4 * convert(NUMBERS, uint256):
        return False
    place: Bytes[79] = concat(
        MAGIC, COMMUNITY, convert(epoch, bytes4), convert(member, bytes20),
        convert(convert(segment, uint16), bytes2), convert(NUMBERS, bytes4)
    )
    return keccak256(slice(data, 0, HEADER)) == keccak256(place)


@internal
@view
def _root(leaf: bytes32, index: uint32, path: DynArray[bytes32, MOST_PATH]) -> bytes32:
    assert 2 ** len(path) == convert(SEGMENTS, uint256), "malformed path"
    node: bytes32 = leaf
    at: uint32 = index
    for sibling: bytes32 in path:
        if at % 2 == 0:
            node = sha256(concat(b"\x01", node, sibling))
        else:
            node = sha256(concat(b"\x01", sibling, node))
        at = at // 2
    return node


@internal
@pure
def _signer(digest: bytes32, signature: Bytes[65]) -> address:
    if len(signature) != 65:
        return empty(address)
    r: uint256 = convert(slice(signature, 0, 32), uint256)
    s: uint256 = convert(slice(signature, 32, 32), uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    return ecrecover(digest, v, r, s)
