# pragma version ~=0.4.3
"""
@title Model registry
@license Apache-2.0
@notice What the community's model was in each round: round -> digest of the quantised weights' commitment
        (`zkp.weights.WeightsCommitment.digest`). Set once by the coordinator, never changed.
"""
from snekmate.auth import ownable

initializes: ownable
exports: (ownable.owner, ownable.transfer_ownership)

event ModelPublished:
    round: indexed(uint32)
    digest: bytes32

digest_of: public(HashMap[uint32, bytes32])
latest: public(uint32)


@deploy
def __init__():
    ownable.__init__()


@external
def publish(round: uint32, digest: bytes32):
    """Record the digest of a round. Rounds count from one and each is set once."""
    ownable._check_owner()
    assert digest != empty(bytes32), "empty digest"
    assert self.digest_of[round] == empty(bytes32), "round is published"
    self.digest_of[round] = digest
    self.latest = max(self.latest, round)
    log ModelPublished(round=round, digest=digest)
