# pragma version ~=0.4.3
"""
@title Household record
@license Apache-2.0
@notice One token for each household (ERC-721, token id = its address), whose metadata and picture are made here from its
        record and change with it (ERC-4906). The record is about the household, so the token stays with it (ERC-5192).
        Days are noted in any order. A streak is a run of paid days; the present one ends when a day is missing that
        can't be claimed any more. A badge for skill, in bronze, silver or gold, is for energy by which its proven
        forecasts were nearer than every benchmark; one for green days counts those of its paid days that the contract
        for green shares has checked a proof of. The household can burn its token, and with it its record, for good.
"""
from ethereum.ercs import IERC165
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.tokens import erc721
from snekmate.tokens.interfaces import IERC4906
from snekmate.utils import ecdsa
import base64_uri
import timelocked_minter

implements: IERC165
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: erc721[ownable := ownable]
initializes: timelocked_minter[ownable := ownable]
exports: (
    ownable_2step.owner, ownable_2step.pending_owner, ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    erc721.name, erc721.symbol, erc721.balanceOf, erc721.ownerOf, erc721.totalSupply, erc721.tokenByIndex,
    erc721.tokenOfOwnerByIndex, erc721.getApproved, erc721.isApprovedForAll, erc721.eip712Domain,
    timelocked_minter.__interface__,
)

# Days noted, the last of them, the longest run; the most buckets of a day, all buckets; how many days were green.
struct Record:
    days: uint32
    last_day: uint32
    best_streak: uint32
    best_buckets: uint32
    buckets: uint64
    green: uint32

event GreenAppointed:
    green: indexed(address)

event Locked:
    tokenId: uint256

event RecordBurnt:
    household: indexed(address)

# A day can be claimed for fourteen days, and collected soon after.
OPEN_DAYS: constant(uint32) = 17
DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
# Buckets of 100 Wh of error avoided that make a badge of bronze, silver and gold.
SKILL: constant(uint64[3]) = [100, 500, 1500]
# Green days that do.
GREEN: constant(uint64[3]) = [7, 30, 100]
WORD32: constant(uint256) = (1 << 32) - 1
WORD64: constant(uint256) = (1 << 64) - 1
BURN_TYPE: constant(bytes32) = keccak256("Burn(address household,uint256 deadline)")

DAY_OFFSET: public(immutable(uint256))

# @notice Whether a household has burnt its record: it never has one again.
is_burnt: public(HashMap[address, bool])

# @notice The contract that notes green days.
green: public(address)

_records: HashMap[address, uint256]
_is_green: HashMap[address, HashMap[uint32, bool]]
# Length of a run of days, at its first and at its last day.
_runs: HashMap[address, HashMap[uint32, uint32]]


@deploy
def __init__(day_offset: uint256):
    """
    @notice The deployer is the first owner, and nobody can note days.
    @param day_offset When days start, seconds after midnight UTC.
    """
    ownable.__init__()
    ownable_2step.__init__()
    erc721.__init__("Wattproof household", "WATTH", "", "Wattproof household", "1")
    timelocked_minter.__init__()
    DAY_OFFSET = day_offset


@external
@view
def supportsInterface(interface_id: bytes4) -> bool:
    """
    @notice ERC-165, ERC-721 with metadata and enumeration, ERC-4906, ERC-5192.
    @param interface_id The interface.
    @return Whether it is one of them.
    """
    return interface_id in [0x01ffc9a7, 0x80ac58cd, 0x5b5e139f, 0x780e9d63, 0x49064906, 0xb45a3c0e]


@external
@view
def locked(token_id: uint256) -> bool:
    """
    @notice ERC-5192: the token stays where it is. Throws where there is none.
    @param token_id The household's address as a number.
    @return True.
    """
    erc721._require_minted(token_id)
    return True


@external
def transferFrom(owner: address, to: address, token_id: uint256):
    """
    @notice Always refused.
    @param owner Of the token.
    @param to Whoever.
    @param token_id The token.
    """
    raise "record is bound to its household"


@external
def safeTransferFrom(owner: address, to: address, token_id: uint256, data: Bytes[1_024] = b""):
    """
    @notice Always refused.
    @param owner Of the token.
    @param to Whoever.
    @param token_id The token.
    @param data Anything.
    """
    raise "record is bound to its household"


@external
def approve(to: address, token_id: uint256):
    """
    @notice Always refused.
    @param to Whoever.
    @param token_id The token.
    """
    raise "record is bound to its household"


@external
def setApprovalForAll(operator: address, approved: bool):
    """
    @notice Always refused.
    @param operator Whoever.
    @param approved Anything.
    """
    raise "record is bound to its household"


@external
def record_day(household: address, day: uint32, buckets: uint32):
    """
    @notice The rewards contract notes a paid day. The first one mints the token; a burnt record stays burnt.
    @param household The household.
    @param day The day; each is noted once.
    @param buckets What it was paid for.
    """
    timelocked_minter._check_minter()
    if self.is_burnt[household]:
        return
    token: uint256 = convert(household, uint256)
    if not erc721._exists(token):
        erc721._mint(household, token)
        log Locked(tokenId=token)
    record: Record = self._read(household)
    run: uint32 = self._note(household, day)
    self._records[household] = (
        convert(record.days + 1, uint256)
        | convert(max(record.last_day, day), uint256) << 32
        | convert(max(record.best_streak, run), uint256) << 64
        | convert(max(record.best_buckets, buckets), uint256) << 96
        | convert(record.buckets + convert(buckets, uint64), uint256) << 128
        | convert(record.green, uint256) << 192
    )
    log IERC4906.MetadataUpdate(_tokenId=token)


@external
def appoint_green(green: address):
    """
    @notice The owner names the contract that notes green days, once and for all.
    @param green The contract.
    """
    ownable._check_owner()
    assert self.green == empty(address), "green is appointed"
    assert green != empty(address), "empty address"
    self.green = green
    log GreenAppointed(green=green)


@external
def record_green(household: address, day: uint32):
    """
    @notice The contract for green shares notes that a paid day was green. A burnt record stays burnt.
    @param household The household.
    @param day The day; each is noted once.
    """
    assert msg.sender == self.green, "not the contract for green shares"
    if self.is_burnt[household]:
        return
    assert self._runs[household][day] > 0, "day is not paid"
    assert not self._is_green[household][day], "green before"
    self._is_green[household][day] = True
    self._records[household] += 1 << 192
    log IERC4906.MetadataUpdate(_tokenId=convert(household, uint256))


@external
def burn():
    """
    @notice A household withdraws: its token and its record are gone, for good.
    """
    self._erase(msg.sender)


@external
def burn_by_signature(household: address, deadline: uint256, signature: Bytes[65]):
    """
    @notice The same by the household's signature, whoever sends it. It can be used once, as a record is burnt once.
    @param household The household.
    @param deadline UTC seconds, until when the signature can be used.
    @param signature Of Burn(household, deadline), EIP-712.
    """
    assert block.timestamp <= deadline, "signature is late"
    content: bytes32 = keccak256(abi_encode(BURN_TYPE, household, deadline))
    domain: bytes32 = keccak256(
        abi_encode(DOMAIN_TYPE, keccak256("Wattproof household"), keccak256("1"), chain.id, self)
    )
    digest: bytes32 = keccak256(concat(b"\x19\x01", domain, content))
    assert ecdsa._recover_sig(digest, signature) == household, "not the household"
    self._erase(household)


@external
@view
def record_of(household: address) -> Record:
    """
    @notice What is noted of a household.
    @param household The household.
    @return Days, the last one, the longest streak; the most buckets of a day, all buckets; green days.
    """
    return self._read(household)


@external
@view
def streak_of(household: address) -> uint32:
    """
    @notice Paid days in a row up to now.
    @param household The household.
    @return Days; zero when a day is missing that can't be claimed any more.
    """
    return self._streak(household, self._read(household))


@external
@view
def level_of(household: address) -> uint32:
    """
    @notice The record's level: 1, 7, 30, 90 and 365 paid days make levels one to five.
    @param household The household.
    @return From 0 to 5.
    """
    return self._level(self._read(household).days)


@external
@view
def skill_of(household: address) -> uint256:
    """
    @notice The record's badge for skill: 10, 50 and 150 kWh of error avoided make bronze, silver and gold.
    @param household The household.
    @return From 0 (none) to 3 (gold).
    """
    return self._rank(self._read(household).buckets, SKILL)


@external
@view
def green_of(household: address) -> uint256:
    """
    @notice The record's badge for green days: 7, 30 and 100 make bronze, silver and gold.
    @param household The household.
    @return From 0 (none) to 3 (gold).
    """
    return self._rank(convert(self._read(household).green, uint64), GREEN)


@external
@view
def contractURI() -> String[5700]:
    """
    @notice What the collection is (ERC-7572).
    @return A data URI of JSON.
    """
    return concat(
        "data:application/json;base64,",
        base64_uri._encode(
            b'{"name":"Wattproof households","description":"Records of households whose day-ahead load forecasts are proven in zero knowledge. They stay with their households.","symbol":"WATTH"}'
        ),
    )


@external
@view
def tokenURI(token_id: uint256) -> String[5700]:
    """
    @notice Metadata and picture of a record.
    @param token_id The household's address as a number.
    @return A data URI of JSON, with a data URI of SVG in it.
    """
    erc721._require_minted(token_id)
    household: address = convert(token_id, address)
    record: Record = self._read(household)
    level: String[10] = uint2str(self._level(record.days))
    streak: uint32 = self._streak(household, record)
    encoded: Bytes[5700] = abi_encode(
        base64_uri._encode(convert(self._picture(household, record, streak), Bytes[2560]))
    )
    picture: String[3416] = abi_decode(encoded, String[3416])  # what a picture of 2,560 bytes takes
    skill: String[60] = self._trait("skill", self._rank(record.buckets, SKILL))
    green: String[60] = self._trait("green", self._rank(convert(record.green, uint64), GREEN))
    content: String[4100] = concat(
        '{"name":"Wattproof household, level ', level,
        '","description":"Days on which a forecast proven in zero knowledge was paid.","image":"data:image/svg+xml;base64,',
        picture,
        '","attributes":[{"trait_type":"level","value":', level, skill, green,
        '},{"trait_type":"days","value":', uint2str(record.days),
        '},{"trait_type":"streak","value":', uint2str(streak),
        '},{"trait_type":"best streak","value":', uint2str(record.best_streak),
        '},{"trait_type":"error avoided (100 Wh)","value":', uint2str(record.buckets),
        '},{"trait_type":"green days","value":', uint2str(record.green),
        '},{"trait_type":"best day (100 Wh avoided)","value":', uint2str(record.best_buckets), "}]}",
    )
    return concat("data:application/json;base64,", base64_uri._encode(convert(content, Bytes[4100])))


@internal
@view
def _read(household: address) -> Record:
    word: uint256 = self._records[household]
    return Record(
        days=convert(word & WORD32, uint32),
        last_day=convert(word >> 32 & WORD32, uint32),
        best_streak=convert(word >> 64 & WORD32, uint32),
        best_buckets=convert(word >> 96 & WORD32, uint32),
        buckets=convert(word >> 128 & WORD64, uint64),
        green=convert(word >> 192 & WORD32, uint32),
    )


@internal
def _note(household: address, day: uint32) -> uint32:
    """Join a day to the runs before and after it; the length of the run that it is in now."""
    left: uint32 = self._runs[household][day - 1]
    right: uint32 = self._runs[household][day + 1]
    run: uint32 = left + 1 + right
    self._runs[household][day] = run
    self._runs[household][day - left] = run
    self._runs[household][day + right] = run
    return run


@internal
@view
def _streak(household: address, record: Record) -> uint32:
    if record.days == 0:
        return 0
    today: uint256 = (block.timestamp - DAY_OFFSET) // 86400
    if convert(record.last_day + OPEN_DAYS, uint256) < today:
        return 0
    return self._runs[household][record.last_day]


@internal
@pure
def _level(days: uint32) -> uint32:
    level: uint32 = 0
    for limit: uint32 in [1, 7, 30, 90, 365]:
        if days >= limit:
            level += 1
    return level


@internal
@pure
def _rank(reached: uint64, limits: uint64[3]) -> uint256:
    """Of a badge: none, bronze, silver or gold."""
    rank: uint256 = 0
    for limit: uint64 in limits:
        if reached >= limit:
            rank += 1
    return rank


@internal
@pure
def _trait(name: String[5], rank: uint256) -> String[60]:
    if rank == 0:
        return ""
    return concat('},{"trait_type":"', name, '","value":"', self._metal(rank), '"')


@internal
@pure
def _metal(rank: uint256) -> String[6]:
    if rank == 1:
        return "bronze"
    return "silver" if rank == 2 else "gold"


@internal
@pure
def _colour(rank: uint256) -> String[7]:
    if rank == 1:
        return "#d89060"
    return "#d5dde6" if rank == 2 else "#ffd24a"


@internal
@pure
def _progress(days: uint32) -> uint32:
    """Percent of the way from the level to the next."""
    start: uint32 = 0
    for limit: uint32 in [1, 7, 30, 90, 365]:
        if days < limit:
            return 100 * (days - start) // (limit - start)
        start = limit
    return 100


@internal
def _erase(household: address):
    token: uint256 = convert(household, uint256)
    assert erc721._exists(token), "no record"
    self.is_burnt[household] = True
    self._records[household] = 0
    erc721._burn(token)
    log RecordBurnt(household=household)


@internal
@view
def _picture(household: address, record: Record, streak: uint32) -> String[2560]:
    """A card in colours of the household's own: level, the way to the next one, days, streak, badge."""
    hue: uint256 = convert(household, uint256) % 360
    near: String[78] = uint2str(hue)
    level: uint32 = self._level(record.days)
    card: String[500] = concat(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 400 400'><linearGradient id='g' x2='1' y2='1'>",
        "<stop stop-color='hsl(", near, ",55%,34%)'/><stop offset='1' stop-color='hsl(", uint2str((hue + 40) % 360),
        ",70%,13%)'/></linearGradient><rect width='400' height='400' rx='36' fill='url(#g)'/>",
    )
    # The ring is the way to the next level; the dots below it are the levels: dashes of no length with round ends.
    ring: String[900] = concat(
        "<g fill='none' stroke='white' stroke-width='12' stroke-linecap='round'>",
        "<path d='M128 158l72-58 72 58M148 150v72h104v-72' stroke-width='8' opacity='.3'/>",
        "<g opacity='.2'><circle cx='200' cy='166' r='118'/><path d='M140 318h121' stroke-dasharray='0 30'/></g>",
        "<path d='M140 318h", uint2str(30 * level - 29), "' stroke-dasharray='0 30'/>",
        "<circle cx='200' cy='166' r='118' pathLength='100' stroke='hsl(", near, ",95%,72%)' stroke-dasharray='",
        uint2str(self._progress(record.days)), " 100' transform='rotate(-90 200 166)'/></g>",
    )
    words: String[500] = concat(
        "<g fill='white' font-family='sans-serif' text-anchor='middle'><text x='200' y='208' font-size='62'>",
        uint2str(level), "</text><text x='200' y='354' font-size='26'>", uint2str(record.days),
        " day, " if record.days == 1 else " days, ", uint2str(streak), " in a row</text><text x='200' y='380' font-size='15' opacity='.75'>",
        uint2str(record.buckets // 10), " kWh of error avoided</text></g></svg>",
    )
    # A star, and a leaf: paths whose corners are rounded by their own strokes.
    star: String[330] = self._badge(
        "52", self._rank(record.buckets, SKILL), "M0-17l4 11 12 1-9 8 3 11-10-6-10 6 3-11-9-8 12-1z"
    )
    leaf: String[330] = self._badge(
        "348", self._rank(convert(record.green, uint64), GREEN), "M-13 14C-18-6-4-15 15-15C16 4 6 17-13 14L3-2"
    )
    return concat(card, ring, star, leaf, words)


@internal
@pure
def _badge(x: String[3], rank: uint256, path: String[60]) -> String[330]:
    if rank == 0:
        return ""
    colour: String[7] = self._colour(rank)
    return concat(
        "<g transform='translate(", x, " 54)' stroke-linejoin='round' stroke-width='5' fill='", colour, "' stroke='",
        colour, "'><circle r='32' fill='black' stroke='none' opacity='.28'/><path d='", path, "'/></g>",
    )
