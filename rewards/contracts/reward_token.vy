# pragma version ~=0.4.3
"""
@title Reward token
@license Apache-2.0
@notice ERC-20 of the community, on snekmate's module. The deployer hands minting to the rewards contract.
"""
from snekmate.auth import ownable
from snekmate.tokens import erc20

initializes: ownable
initializes: erc20[ownable := ownable]
exports: erc20.__interface__


@deploy
def __init__():
    ownable.__init__()
    erc20.__init__("Wattproof", "WATT", 18, "Wattproof", "1")
