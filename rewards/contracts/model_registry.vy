# pragma version ~=0.4.3
"""
@title Model registry
@license Apache-2.0
@notice What the community's model was in each round: round -> digest of the quantised weights' commitment
        (`zkp.weights.WeightsCommitment.digest`), and when that was published. Set once by the coordinator, in the order
        of the rounds, never changed. So at each moment one round is in force: the last one published before it.
"""
from snekmate.auth import ownable
from snekmate.auth import ownable_2step

initializes: ownable
initializes: ownable_2step[ownable := ownable]
exports: (
    ownable_2step.owner, ownable_2step.pending_owner, ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)

event ModelPublished:
    round: indexed(uint32)
    digest: bytes32

# @notice By round: its digest, when it was published (UTC seconds), the round after it; and the last one.
digest_of: public(HashMap[uint32, bytes32])
published_at: public(HashMap[uint32, uint256])
successor_of: public(HashMap[uint32, uint32])
latest: public(uint32)


@deploy
def __init__():
    """
    @notice The deployer is the first owner, the coordinator.
    """
    ownable.__init__()
    ownable_2step.__init__()


@external
def publish(round: uint32, digest: bytes32):
    """
    @notice Record the digest of a round. Rounds count from one, ascend, and each is set once.
    @param round The round.
    @param digest Of its weights' commitment.
    """
    ownable._check_owner()
    assert digest != empty(bytes32), "empty digest"
    assert round > self.latest, "round is published"
    self.digest_of[round] = digest
    self.published_at[round] = block.timestamp
    self.successor_of[self.latest] = round
    self.latest = round
    log ModelPublished(round=round, digest=digest)


@external
@view
def published_before(round: uint32, moment: uint256) -> bool:
    """
    @notice Whether the round was published before the moment.
    @param round The round.
    @param moment UTC seconds.
    @return Whether it was.
    """
    return self._published_before(round, moment)


@external
@view
def succeeded_before(round: uint32, moment: uint256) -> bool:
    """
    @notice Whether another round had taken this one's place before the moment.
    @param round The round.
    @param moment UTC seconds.
    @return Whether it had.
    """
    return self._published_before(self.successor_of[round], moment)


@internal
@view
def _published_before(round: uint32, moment: uint256) -> bool:
    return self.digest_of[round] != empty(bytes32) and self.published_at[round] < moment
