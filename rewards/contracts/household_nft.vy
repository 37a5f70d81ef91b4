# pragma version ~=0.4.3
"""
@title Household record
@license Apache-2.0
@notice One token for each household (ERC-721, token id = address), whose metadata are built here from its record and
        change with it (ERC-4906). The record is about the household, so the token stays with it (ERC-5192, locked);
        its household can burn it, and with it its record.
"""
from snekmate.auth import ownable
from snekmate.tokens import erc721
from snekmate.tokens.interfaces import IERC4906

initializes: ownable
initializes: erc721[ownable := ownable]
exports: (
    ownable.owner, ownable.transfer_ownership,
    erc721.name, erc721.symbol, erc721.balanceOf, erc721.ownerOf, erc721.totalSupply, erc721.tokenByIndex,
    erc721.getApproved, erc721.isApprovedForAll,
)

struct Record:
    days: uint32
    streak: uint32
    best_tier: uint32
    last_day: uint32
    level: uint32

event Locked:
    tokenId: uint256

record_of: public(HashMap[address, Record])


@deploy
def __init__():
    ownable.__init__()
    erc721.__init__("Wattproof household", "WATTH", "", "Wattproof household", "1")


@external
@view
def supportsInterface(interface_id: bytes4) -> bool:
    """ERC-165, ERC-721, ERC-721 metadata, ERC-4906, ERC-5192."""
    return interface_id in [0x01ffc9a7, 0x80ac58cd, 0x5b5e139f, 0x49064906, 0xb45a3c0e]


@external
@pure
def locked(token_id: uint256) -> bool:
    return True


@external
def transferFrom(owner: address, to: address, token_id: uint256):
    raise "record is bound to its household"


@external
def safeTransferFrom(owner: address, to: address, token_id: uint256, data: Bytes[1_024] = b""):
    raise "record is bound to its household"


@external
def approve(to: address, token_id: uint256):
    raise "record is bound to its household"


@external
def setApprovalForAll(operator: address, approved: bool):
    raise "record is bound to its household"


@external
def record_day(household: address, day: uint32, tier: uint32):
    """The rewards contract notes a proven day: first one mints the token, each one changes its metadata."""
    ownable._check_owner()
    token: uint256 = convert(household, uint256)
    record: Record = self.record_of[household]
    if not erc721._exists(token):
        erc721._mint(household, token)
        log Locked(tokenId=token)
    record.streak = record.streak + 1 if record.last_day + 1 == day else 1
    record.days += 1
    record.best_tier = max(record.best_tier, tier)
    record.last_day = max(record.last_day, day)
    record.level = self._level(record.days)
    self.record_of[household] = record
    log IERC4906.MetadataUpdate(_tokenId=token)


@external
def burn():
    """A household withdraws: its token and its record are gone."""
    token: uint256 = convert(msg.sender, uint256)
    assert erc721._exists(token), "no record"
    self.record_of[msg.sender] = empty(Record)
    erc721._burn(token)


@internal
@pure
def _level(days: uint32) -> uint32:
    """1, 7, 30, 90 and 365 proven days make levels one to five."""
    level: uint32 = 1
    for limit: uint32 in [7, 30, 90, 365]:
        if days >= limit:
            level += 1
    return level


@external
@view
def tokenURI(token_id: uint256) -> String[1900]:
    """Metadata and picture as data URIs."""
    erc721._require_minted(token_id)
    record: Record = self.record_of[convert(token_id, address)]
    level: String[10] = uint2str(record.level)
    days: String[10] = uint2str(record.days)
    streak: String[10] = uint2str(record.streak)
    best: String[10] = uint2str(record.best_tier)
    picture: String[620] = concat(
        "data:image/svg+xml;utf8,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 300 300'>",
        "<rect width='300' height='300' fill='midnightblue'/><g fill='white' font-family='sans-serif'>",
        "<text x='24' y='60' font-size='30'>Wattproof</text><text x='24' y='150' font-size='60'>Level ", level,
        "</text><text x='24' y='200' font-size='22'>", days, " proven days</text><text x='24' y='232' font-size='22'>",
        streak, " in a row</text><text x='24' y='264' font-size='22'>best skill ", best, "%25</text></g></svg>",
    )
    return concat(
        "data:application/json;utf8,{\"name\":\"Wattproof household, level ", level,
        "\",\"description\":\"Forecasts proven in zero knowledge\",\"image\":\"", picture,
        "\",\"attributes\":[{\"trait_type\":\"level\",\"value\":", level,
        "},{\"trait_type\":\"days\",\"value\":", days, "},{\"trait_type\":\"streak\",\"value\":", streak,
        "},{\"trait_type\":\"best tier\",\"value\":", best, "}]}",
    )
