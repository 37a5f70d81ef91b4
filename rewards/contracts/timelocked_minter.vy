# pragma version ~=0.4.3
"""
@title Timelocked minter
@license Apache-2.0
@notice Module: one account may mint. The owner names the first one at once, and each later one in public, a week before
        it takes over: so a rewards contract with a fault is replaced while tokens and records stay where they are, and
        everybody has a week to see what will replace it.
"""
from snekmate.auth import ownable

uses: ownable

event MinterProposed:
    minter: indexed(address)
    ready_at: uint256

event MinterChanged:
    previous: indexed(address)
    minter: indexed(address)

DELAY: constant(uint256) = 7 * 86400

# @notice Who may mint; who is proposed to follow, and from when on (UTC seconds).
minter: public(address)
proposed_minter: public(address)
minter_ready_at: public(uint256)


@deploy
def __init__():
    """
    @notice Nobody mints until the owner has named a minter.
    """
    pass


@external
def propose_minter(candidate: address):
    """
    @notice The owner names the first minter, or proposes the next one. A later proposal takes the place of an open one.
    @param candidate Who shall mint; the empty address takes an open proposal back.
    """
    ownable._check_owner()
    if self.minter == empty(address):
        self._change(candidate)
    else:
        self.proposed_minter = candidate
        self.minter_ready_at = block.timestamp + DELAY
        log MinterProposed(minter=candidate, ready_at=self.minter_ready_at)


@external
def accept_minter():
    """
    @notice The owner puts the proposed minter in the place of the present one, a week after it was proposed.
    """
    ownable._check_owner()
    assert self.proposed_minter != empty(address), "no minter proposed"
    assert block.timestamp >= self.minter_ready_at, "timelock"
    self._change(self.proposed_minter)


@internal
@view
def _check_minter():
    assert msg.sender == self.minter, "not the minter"


@internal
def _change(candidate: address):
    assert candidate != empty(address), "empty address"
    log MinterChanged(previous=self.minter, minter=candidate)
    self.minter = candidate
    self.proposed_minter = empty(address)
