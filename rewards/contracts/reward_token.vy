# pragma version ~=0.4.3
"""
@title Reward token
@license Apache-2.0
@notice ERC-20 of the community, with permits (EIP-2612), on snekmate's module. Only the minter mints (the rewards
        contract); it is replaced behind a timelock, and tokens stay.
"""
from ethereum.ercs import IERC20
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.tokens import erc20
import timelocked_minter

implements: IERC20
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: erc20[ownable := ownable]
initializes: timelocked_minter[ownable := ownable]
exports: (
    ownable_2step.owner, ownable_2step.pending_owner, ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    erc20.totalSupply, erc20.balanceOf, erc20.transfer, erc20.transferFrom, erc20.approve, erc20.allowance,
    erc20.name, erc20.symbol, erc20.decimals, erc20.burn, erc20.burn_from, erc20.permit, erc20.nonces,
    erc20.DOMAIN_SEPARATOR, erc20.eip712Domain,
    timelocked_minter.__interface__,
)


@deploy
def __init__():
    """
    @notice The deployer is the first owner, and nobody can mint.
    """
    ownable.__init__()
    ownable_2step.__init__()
    erc20.__init__("Wattproof", "WATT", 18, "Wattproof", "1")
    timelocked_minter.__init__()


@external
def mint(owner: address, amount: uint256):
    """
    @notice The minter makes new tokens.
    @param owner Who gets them.
    @param amount In the smallest unit.
    """
    timelocked_minter._check_minter()
    erc20._mint(owner, amount)
