# pragma version ~=0.4.3
"""
@title Forecast registry
@license Apache-2.0
@notice Who is in the community, with which meter on which days, and what each household committed itself to in time.
        A day is 24 hours from day * 86400 + DAY_OFFSET; a forecast reads the meter up to that moment, so that its
        deadline lies GRACE seconds after it; it is taken from two days before that moment on. Its model is the round
        in force when the day starts: nobody can make a model, or choose among models, with a part of the day before
        their eyes. A household may pin one personal head to a round; from the next day on its forecasts must be made
        with it.
        A day's forecasts may also come as one root over leaves that their households have signed: each household has a
        place of its own in the tree, its number, so that a root holds one forecast of it at most, and there is one root
        a day. A leaf counts for nothing until somebody registers it, within three days after its day; a forecast that
        the household registered itself stands before it.
        Two roles: the owner (the operator) takes households in; the meter authority (the distributor) says which meter
        is at which household. A meter is at one household at a time, and a household's meter changes from a day on
        that has not begun. A household acts by its own transactions only, or joins, leaves and comes back by
        its signature (EIP-712): the operator takes in nobody who has not signed for it, and anybody relays that a
        household leaves or comes back.
"""
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import ecdsa
from snekmate.utils import eip712_domain_separator
from snekmate.utils import pausable

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: pausable
initializes: eip712_domain_separator
exports: (
    ownable_2step.owner, ownable_2step.pending_owner, ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership, pausable.paused, eip712_domain_separator.eip712Domain,
)

interface IModelRegistry:
    def digest_of(round: uint32) -> bytes32: view
    def published_before(round: uint32, moment: uint256) -> bool: view
    def succeeded_before(round: uint32, moment: uint256) -> bool: view

struct Head:
    digest: bytes32
    pinned_at: uint256

struct Assignment:
    meter: address
    first_day: uint32

event AuthorityTransferStarted:
    previous: indexed(address)
    authority: indexed(address)

event AuthorityTransferred:
    previous: indexed(address)
    authority: indexed(address)

event MeterAssigned:
    household: indexed(address)
    meter: indexed(address)
    first_day: uint32

event Enrolled:
    household: indexed(address)

event Left:
    household: indexed(address)

event CameBack:
    household: indexed(address)

event HeadPinned:
    household: indexed(address)
    round: indexed(uint32)
    digest: bytes32

event RootSubmitted:
    day: indexed(uint32)
    root: bytes32

event Committed:
    household: indexed(address)
    day: indexed(uint32)
    round: uint32
    commitment: Bytes[48]
    proof_hash: bytes32

DAY: constant(uint256) = 86400
EARLIEST: constant(uint256) = 2 * DAY
METERS: constant(uint256) = 64
DEPTH: constant(uint256) = 16
LEAF_PERIOD: constant(uint256) = 3 * DAY
ENROLMENT_TYPE: constant(bytes32) = keccak256("Enrolment(address household,uint256 nonce,uint256 deadline)")
FORECAST_TYPE: constant(bytes32) = keccak256(
    "Forecast(address household,uint32 day,uint32 round,bytes32 head,bytes commitment,bytes32 proofHash)"
)
LEAVING_TYPE: constant(bytes32) = keccak256("Leaving(address household,uint256 nonce,uint256 deadline)")
COMING_BACK_TYPE: constant(bytes32) = keccak256("ComingBack(address household,uint256 nonce,uint256 deadline)")

# @notice When days start, seconds after midnight UTC; how long after that a forecast is taken, seconds.
DAY_OFFSET: public(immutable(uint256))
GRACE: public(immutable(uint256))
MODELS: public(immutable(IModelRegistry))

# @notice Who says which meter is where, and who is to follow.
authority: public(address)
pending_authority: public(address)

# @notice Whether a household is in the community; whether it has left; how many of its signatures were used.
is_enrolled: public(HashMap[address, bool])
has_left: public(HashMap[address, bool])
nonces: public(HashMap[address, uint256])

# @notice A household's number, from one on: its place in a day's tree of leaves; how many households have one.
number_of: public(HashMap[address, uint256])
households: public(uint256)
# @notice When a household last joined, left or came back (UTC seconds).
changed_at: public(HashMap[address, uint256])
# @notice The root of a day's leaves, and when it was submitted (UTC seconds).
root_of: public(HashMap[uint32, bytes32])
root_at: public(HashMap[uint32, uint256])
# @notice Where a meter is, or was last; from which day on it can be elsewhere, zero as long as it is there.
household_of: public(HashMap[address, address])
free_from: public(HashMap[address, uint32])

# @notice What a household committed itself to for a day: keccak256 of commitment, round (4 bytes) and proof hash, which
#         the event tells; empty where there is nothing.
forecast_of: public(HashMap[address, HashMap[uint32, bytes32]])

_meters: HashMap[address, DynArray[Assignment, METERS]]
_heads: HashMap[address, HashMap[uint32, Head]]


@deploy
def __init__(models: address, day_offset: uint256, grace: uint256, authority: address):
    """
    @notice The deployer is the first owner.
    @param models The model registry.
    @param day_offset When days start, seconds after midnight UTC.
    @param grace How long after that a forecast is taken, seconds.
    @param authority The meter authority.
    """
    assert day_offset < DAY and grace <= DAY and authority != empty(address), "malformed settings"
    ownable.__init__()
    ownable_2step.__init__()
    pausable.__init__()
    eip712_domain_separator.__init__("Wattproof registry", "1")
    MODELS = IModelRegistry(models)
    DAY_OFFSET = day_offset
    GRACE = grace
    self.authority = authority
    log AuthorityTransferred(previous=empty(address), authority=authority)


@external
@view
def day_end(day: uint32) -> uint256:
    """
    @notice When a day ends.
    @param day The day.
    @return UTC seconds.
    """
    return self._day_start(day) + DAY


@external
@view
def meter_at(household: address, day: uint32) -> address:
    """
    @notice The meter that is, or was, at a household on a day.
    @param household The household.
    @param day The day.
    @return The address of the meter's key; empty for none.
    """
    count: uint256 = len(self._meters[household])
    for k: uint256 in range(count, bound=METERS):
        found: Assignment = self._meters[household][count - 1 - k]
        if found.first_day <= day:
            return found.meter
    return empty(address)


@external
@view
def meter_of(household: address) -> address:
    """
    @notice The last meter of a household in the community.
    @param household The household.
    @return The address of the meter's key; empty for a household that has none, or is not in the community.
    """
    count: uint256 = len(self._meters[household])
    if count == 0 or not self.is_enrolled[household]:
        return empty(address)
    return self._meters[household][count - 1].meter


@external
def transfer_authority(authority: address):
    """
    @notice The meter authority names who is to follow it, who then accepts.
    @param authority Who is to follow; the empty address takes that back.
    """
    assert msg.sender == self.authority, "wrong authority"
    self.pending_authority = authority
    log AuthorityTransferStarted(previous=msg.sender, authority=authority)


@external
def accept_authority():
    """
    @notice Who was named becomes the meter authority.
    """
    assert msg.sender == self.pending_authority, "wrong authority"
    log AuthorityTransferred(previous=self.authority, authority=msg.sender)
    self.authority = msg.sender
    self.pending_authority = empty(address)


@external
def assign_meter(household: address, meter: address, first_day: uint32):
    """
    @notice The meter authority says which meter is at a household from a day on. A household's first meter may have
            been there before; a later one only takes over on a day that has not begun.
    @param household The household.
    @param meter The address of the meter's key; the empty address: the household has no meter from then on.
    @param first_day The day.
    """
    assert msg.sender == self.authority, "wrong authority"
    assert household != empty(address), "empty address"
    count: uint256 = len(self._meters[household])
    if count > 0:
        last: Assignment = self._meters[household][count - 1]
        assert block.timestamp < self._day_start(first_day) and last.first_day < first_day, "day has begun"
        if last.meter != empty(address):
            self.free_from[last.meter] = first_day
    if meter != empty(address):
        free: bool = self.household_of[meter] == empty(address) or (
            self.free_from[meter] != 0 and self.free_from[meter] <= first_day
        )
        assert free, "meter is elsewhere"
        self.household_of[meter] = household
        self.free_from[meter] = 0
    self._meters[household].append(Assignment(meter=meter, first_day=first_day))
    log MeterAssigned(household=household, meter=meter, first_day=first_day)


@external
def enrol(household: address, deadline: uint256, signature: Bytes[65]):
    """
    @notice The operator takes in a household that has signed for it. One that has left comes back by its own word.
    @param household The household.
    @param deadline UTC seconds, until when the signature can be used.
    @param signature Of Enrolment(household, nonce, deadline), EIP-712, by the household.
    """
    ownable._check_owner()
    assert household != empty(address), "empty address"
    assert not self.has_left[household], "household has left"
    assert not self.is_enrolled[household], "household is enrolled"
    self._use_signature(ENROLMENT_TYPE, household, deadline, signature)
    self.is_enrolled[household] = True
    self.changed_at[household] = block.timestamp
    self.households += 1
    self.number_of[household] = self.households
    log Enrolled(household=household)


@external
def leave():
    """
    @notice A household withdraws its consent. What it has earned before stays claimable.
    """
    self._leave(msg.sender)


@external
def leave_by_signature(household: address, deadline: uint256, signature: Bytes[65]):
    """
    @notice The same by the household's signature, whoever sends it.
    @param household The household.
    @param deadline UTC seconds, until when the signature can be used.
    @param signature Of Leaving(household, nonce, deadline), EIP-712.
    """
    self._use_signature(LEAVING_TYPE, household, deadline, signature)
    self._leave(household)


@external
def come_back():
    """
    @notice A household that has left is in again.
    """
    self._come_back(msg.sender)


@external
def come_back_by_signature(household: address, deadline: uint256, signature: Bytes[65]):
    """
    @notice The same by the household's signature, whoever sends it.
    @param household The household.
    @param deadline UTC seconds, until when the signature can be used.
    @param signature Of ComingBack(household, nonce, deadline), EIP-712.
    """
    self._use_signature(COMING_BACK_TYPE, household, deadline, signature)
    self._come_back(household)


@external
def pause():
    """
    @notice The operator stops the taking of forecasts and heads. Leaving is never stopped.
    """
    ownable._check_owner()
    pausable._pause()


@external
def unpause():
    """
    @notice The operator takes forecasts and heads again.
    """
    ownable._check_owner()
    pausable._unpause()


@external
@view
def head_of(household: address, round: uint32) -> Head:
    """
    @notice The personal head that a household has pinned to a round.
    @param household The household.
    @param round The round.
    @return Digest, and when it was pinned (UTC seconds); empty where it has none.
    """
    return self._heads[household][round]


@external
@view
def head_in_force(household: address, round: uint32, day: uint32) -> bytes32:
    """
    @notice Digest of the personal head that a day's forecast by this round is made with.
    @param household The household.
    @param round The round.
    @param day The day.
    @return The digest; empty for none.
    """
    return self._head_in_force(household, round, self._day_start(day))


@external
def pin_head(round: uint32, digest: bytes32):
    """
    @notice A household commits itself to its personal head of a round, once: a head that could be changed every day
            could say anything.
    @param round The round.
    @param digest `zkp.lstm.weights.WeightsCommitment.digest_of_head`.
    """
    pausable._require_not_paused()
    assert self.is_enrolled[msg.sender], "unknown household"
    assert staticcall MODELS.digest_of(round) != empty(bytes32), "unknown round"
    assert digest != empty(bytes32), "empty digest"
    assert self._heads[msg.sender][round].digest == empty(bytes32), "head exists"
    self._heads[msg.sender][round] = Head(digest=digest, pinned_at=block.timestamp)
    log HeadPinned(household=msg.sender, round=round, digest=digest)


@external
def submit(day: uint32, round: uint32, head: bytes32, commitment: Bytes[48], proof_hash: bytes32):
    """
    @notice A household commits itself to its forecast of a day by the day's model, once, in time.
    @param day The day.
    @param round The round of the model.
    @param head Digest of the personal head it was made with, empty for none.
    @param commitment To the forecast.
    @param proof_hash Keccak-256 of the inference proof's bytes.
    """
    pausable._require_not_paused()
    assert self.is_enrolled[msg.sender], "unknown household"
    assert staticcall MODELS.digest_of(round) != empty(bytes32), "unknown round"
    assert len(commitment) == 48 and proof_hash != empty(bytes32), "malformed forecast"
    start: uint256 = self._day_start(day)
    self._check_window(start)
    self._check_round(round, start)
    assert head == self._head_in_force(msg.sender, round, start), "wrong head"
    self._commit(msg.sender, day, round, commitment, proof_hash)


@external
def submit_root(day: uint32, root: bytes32):
    """
    @notice The operator hands in, once and in time, the root over the day's leaves that households have signed.
    @param day The day.
    @param root Of the tree (`rewards.batches`).
    """
    pausable._require_not_paused()
    ownable._check_owner()
    assert root != empty(bytes32), "empty root"
    assert self.root_of[day] == empty(bytes32), "root exists"
    self._check_window(self._day_start(day))
    self.root_of[day] = root
    self.root_at[day] = block.timestamp
    log RootSubmitted(day=day, root=root)


@external
def register_leaf(
    household: address,
    day: uint32,
    round: uint32,
    commitment: Bytes[48],
    proof_hash: bytes32,
    signature: Bytes[65],
    path: DynArray[bytes32, DEPTH],
):
    """
    @notice Register a forecast that a day's root holds, whoever calls, within three days after the day.
    @param household The household.
    @param day The day.
    @param round The round of the model.
    @param commitment To the forecast.
    @param proof_hash Keccak-256 of the inference proof's bytes.
    @param signature Of Forecast(household, day, round, head, commitment, proofHash), EIP-712, by the household; head is
           the personal head in force.
    @param path From the leaf to the root: the hash beside each, lowest first.
    """
    pausable._require_not_paused()
    assert self.root_of[day] != empty(bytes32), "no root"
    assert len(commitment) == 48 and proof_hash != empty(bytes32), "malformed forecast"
    start: uint256 = self._day_start(day)
    assert block.timestamp <= start + DAY + LEAF_PERIOD, "late leaf"
    # A member when the root was handed in: one that has not left since, or that left after it.
    changed_after: bool = self.changed_at[household] > self.root_at[day]
    assert self.is_enrolled[household] != changed_after, "unknown household"
    self._check_round(round, start)
    head: bytes32 = self._head_in_force(household, round, start)
    content: bytes32 = keccak256(
        abi_encode(FORECAST_TYPE, household, day, round, head, keccak256(commitment), proof_hash)
    )
    digest: bytes32 = eip712_domain_separator._hash_typed_data_v4(content)
    assert ecdsa._recover_sig(digest, signature) == household, "not the household"
    assert self._root_over(digest, self.number_of[household], path) == self.root_of[day], "not in the root"
    self._commit(household, day, round, commitment, proof_hash)


@internal
@view
def _check_window(start: uint256):
    assert block.timestamp <= start + GRACE, "late forecast"
    assert block.timestamp + EARLIEST >= start, "early forecast"


@internal
@view
def _check_round(round: uint32, start: uint256):
    assert staticcall MODELS.published_before(round, start), "late round"
    assert not staticcall MODELS.succeeded_before(round, start), "old round"


@internal
def _commit(household: address, day: uint32, round: uint32, commitment: Bytes[48], proof_hash: bytes32):
    assert self.forecast_of[household][day] == empty(bytes32), "forecast exists"
    self.forecast_of[household][day] = keccak256(concat(commitment, convert(round, bytes4), proof_hash))
    log Committed(household=household, day=day, round=round, commitment=commitment, proof_hash=proof_hash)


@internal
@pure
def _root_over(digest: bytes32, number: uint256, path: DynArray[bytes32, DEPTH]) -> bytes32:
    """The root of the tree in which a leaf is at the place of a number; leaves and nodes are told apart (RFC 6962)."""
    node: bytes32 = keccak256(concat(b"\x00", digest))
    place: uint256 = number
    for beside: bytes32 in path:
        node = keccak256(concat(b"\x01", beside, node) if place & 1 == 1 else concat(b"\x01", node, beside))
        place >>= 1
    assert place == 0, "not in the root"
    return node


@internal
@view
def _day_start(day: uint32) -> uint256:
    return convert(day, uint256) * DAY + DAY_OFFSET


@internal
@view
def _head_in_force(household: address, round: uint32, day_start: uint256) -> bytes32:
    head: Head = self._heads[household][round]
    return head.digest if head.pinned_at < day_start else empty(bytes32)


@internal
def _leave(household: address):
    assert self.is_enrolled[household], "unknown household"
    self.is_enrolled[household] = False
    self.has_left[household] = True
    self.changed_at[household] = block.timestamp
    log Left(household=household)


@internal
def _come_back(household: address):
    assert self.has_left[household], "household has not left"
    self.is_enrolled[household] = True
    self.has_left[household] = False
    self.changed_at[household] = block.timestamp
    log CameBack(household=household)


@internal
def _use_signature(kind: bytes32, household: address, deadline: uint256, signature: Bytes[65]):
    assert block.timestamp <= deadline, "signature is late"
    content: bytes32 = keccak256(abi_encode(kind, household, self.nonces[household], deadline))
    digest: bytes32 = eip712_domain_separator._hash_typed_data_v4(content)
    assert ecdsa._recover_sig(digest, signature) == household, "not the household"
    self.nonces[household] += 1
