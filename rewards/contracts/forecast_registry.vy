# pragma version ~=0.4.3
"""
@title Forecast registry
@license Apache-2.0
@notice Who is in the community, with which meter, and what each household committed itself to before the deadline.
        A day is 24 hours from day * 86400 + DAY_OFFSET; a forecast reads the meter up to that
        moment, so that its deadline lies GRACE seconds after it. Its model is the round in force when the day starts:
        nobody can make a model, or choose among models, with a part of the day before their eyes. A household may pin
        one personal head to a round; from the next day on its forecasts must be made with it.
"""
from snekmate.auth import ownable

initializes: ownable
exports: (ownable.owner, ownable.transfer_ownership)

interface IModelRegistry:
    def digest_of(round: uint32) -> bytes32: view
    def published_before(round: uint32, moment: uint256) -> bool: view
    def succeeded_before(round: uint32, moment: uint256) -> bool: view

struct Forecast:
    commitment: Bytes[48]
    round: uint32
    proof_hash: bytes32

struct Head:
    digest: bytes32
    pinned_at: uint256


event Enrolled:
    household: indexed(address)
    meter: indexed(address)

event Left:
    household: indexed(address)

event HeadPinned:
    household: indexed(address)
    round: indexed(uint32)
    digest: bytes32


event Committed:
    household: indexed(address)
    day: indexed(uint32)
    round: uint32
    commitment: Bytes[48]
    proof_hash: bytes32

DAY_OFFSET: public(immutable(uint256))
GRACE: public(immutable(uint256))
MODELS: public(immutable(IModelRegistry))

meter_of: public(HashMap[address, address])
_forecasts: HashMap[address, HashMap[uint32, Forecast]]
_heads: HashMap[address, HashMap[uint32, Head]]


@deploy
def __init__(models: address, day_offset: uint256, grace: uint256):
    ownable.__init__()
    MODELS = IModelRegistry(models)
    DAY_OFFSET = day_offset
    GRACE = grace


@external
@view
def forecast_of(household: address, day: uint32) -> Forecast:
    return self._forecasts[household][day]


@external
@view
def day_end(day: uint32) -> uint256:
    return self._day_start(day) + 86400


@internal
@view
def _day_start(day: uint32) -> uint256:
    return convert(day, uint256) * 86400 + DAY_OFFSET


@external
def enrol(household: address, meter: address):
    """The operator takes a household in, with the address of its meter's key."""
    ownable._check_owner()
    assert household != empty(address) and meter != empty(address), "empty address"
    self.meter_of[household] = meter
    log Enrolled(household=household, meter=meter)


@external
def leave():
    """A household withdraws its consent; it can be enrolled again."""
    assert self.meter_of[msg.sender] != empty(address), "unknown household"
    self.meter_of[msg.sender] = empty(address)
    log Left(household=msg.sender)


@external
@view
def head_of(household: address, round: uint32) -> Head:
    """The personal head that a household has pinned to a round; empty where it has none."""
    return self._heads[household][round]


@external
@view
def head_in_force(household: address, round: uint32, day: uint32) -> bytes32:
    """Digest of the personal head that a day's forecast by this round is made with; empty for none."""
    return self._head_in_force(household, round, self._day_start(day))


@internal
@view
def _head_in_force(household: address, round: uint32, day_start: uint256) -> bytes32:
    head: Head = self._heads[household][round]
    return head.digest if head.pinned_at < day_start else empty(bytes32)


@external
def pin_head(round: uint32, digest: bytes32):
    """
    A household commits itself to its personal head of a round, once: a head that could be changed every day could
    say anything. `digest` is `zkp.weights.WeightsCommitment.digest_of_head`.
    """
    assert self.meter_of[msg.sender] != empty(address), "unknown household"
    assert staticcall MODELS.digest_of(round) != empty(bytes32), "unknown round"
    assert digest != empty(bytes32), "empty digest"
    assert self._heads[msg.sender][round].digest == empty(bytes32), "head exists"
    self._heads[msg.sender][round] = Head(digest=digest, pinned_at=block.timestamp)
    log HeadPinned(household=msg.sender, round=round, digest=digest)


@external
def submit(day: uint32, round: uint32, head: bytes32, commitment: Bytes[48], proof_hash: bytes32):
    """
    A household commits itself to its forecast of a day by the day's model, once, before the deadline. `head` is the
    digest of the personal head it was made with, empty for none.
    """
    assert self.meter_of[msg.sender] != empty(address), "unknown household"
    assert staticcall MODELS.digest_of(round) != empty(bytes32), "unknown round"
    assert len(commitment) == 48 and proof_hash != empty(bytes32), "malformed forecast"
    start: uint256 = self._day_start(day)
    assert block.timestamp <= start + GRACE, "late forecast"
    assert staticcall MODELS.published_before(round, start), "late round"
    assert not staticcall MODELS.succeeded_before(round, start), "old round"
    assert head == self._head_in_force(msg.sender, round, start), "wrong head"
    assert len(self._forecasts[msg.sender][day].commitment) == 0, "forecast exists"
    self._forecasts[msg.sender][day] = Forecast(commitment=commitment, round=round, proof_hash=proof_hash)
    log Committed(household=msg.sender, day=day, round=round, commitment=commitment, proof_hash=proof_hash)
