# pragma version ~=0.4.3
"""
@title Settlement registry
@license Apache-2.0
@notice The roots of a community's settled periods of shared energy. A leaf says what a household was given of a period
        on one side, and which proof that rests on (`api.protocol.settlement`). The operator publishes a period's root,
        and another one when members have proved their shares late: every root stays, the last one counts.
"""
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import merkle_proof_verification as merkle

initializes: ownable
initializes: ownable_2step[ownable := ownable]
exports: (
    ownable_2step.owner, ownable_2step.pending_owner, ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)

# @notice Levels of a tree of shares: of 32,768 members at most.
DEPTH: constant(uint256) = 16
# @notice Days of the longest period.
MOST_DAYS: constant(uint32) = 366

# @notice What names the community in every proof.
COMMUNITY: public(immutable(bytes32))

event Settled:
    first_day: indexed(uint32)
    last_day: indexed(uint32)
    number: uint256
    root: bytes32
    shared_wh: uint256

# @notice By first and last day: how many roots were published, and each of them, numbered from 1.
count_of: public(HashMap[uint32, HashMap[uint32, uint256]])
root_at: public(HashMap[uint32, HashMap[uint32, HashMap[uint256, bytes32]]])


@deploy
def __init__(community: bytes32):
    """
    @notice The deployer is the first owner, the community's operator.
    @param community What names the community in every proof.
    """
    ownable.__init__()
    ownable_2step.__init__()
    COMMUNITY = community


@external
def settle(first_day: uint32, last_day: uint32, root: bytes32, shared_wh: uint256):
    """
    @notice Publish a period's root; those published before stay.
    @param first_day The period's first day.
    @param last_day The period's last day, in it.
    @param root Of all shares that were proven.
    @param shared_wh What was shared in the period, in Wh.
    """
    ownable._check_owner()
    assert root != empty(bytes32), "empty root"
    assert first_day <= last_day and last_day - first_day < MOST_DAYS, "no period"
    number: uint256 = self.count_of[first_day][last_day] + 1
    assert root != self.root_at[first_day][last_day][number - 1], "root is published"
    self.count_of[first_day][last_day] = number
    self.root_at[first_day][last_day][number] = root
    log Settled(first_day=first_day, last_day=last_day, number=number, root=root, shared_wh=shared_wh)


@external
@view
def root_of(first_day: uint32, last_day: uint32) -> bytes32:
    """
    @notice The root of a period that counts.
    @param first_day The period's first day.
    @param last_day Its last day.
    @return The last root published; empty where there is none.
    """
    return self._root_of(first_day, last_day)


@external
@view
def is_share(
    first_day: uint32, last_day: uint32, household: address, side: uint8, wh: uint256, proof_hash: bytes32,
    path: DynArray[bytes32, DEPTH],
) -> bool:
    """
    @notice Whether a share is under the period's root that counts.
    @param first_day The period's first day.
    @param last_day Its last day.
    @param household Whose share it is.
    @param side 0 of what it took, 1 of what it fed in.
    @param wh The share.
    @param proof_hash Keccak-256 of the share's proof.
    @param path The hashes beside the leaf and beside each node above it.
    @return Whether it is.
    """
    root: bytes32 = self._root_of(first_day, last_day)
    if root == empty(bytes32):
        return False
    leaf: bytes32 = keccak256(
        keccak256(abi_encode(COMMUNITY, first_day, last_day, household, side, wh, proof_hash))
    )
    return merkle._verify(path, root, leaf)


@internal
@view
def _root_of(first_day: uint32, last_day: uint32) -> bytes32:
    return self.root_at[first_day][last_day][self.count_of[first_day][last_day]]
