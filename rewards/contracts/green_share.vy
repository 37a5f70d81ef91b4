# pragma version ~=0.4.3
"""
@title Green share
@license Apache-2.0
@notice Pays households for load in the community's green hours, and notes the days on their records. A household proves
        in zero knowledge what percentage of a day's load was green at least, weighed hour by hour
        (zkp/statements/green_share.py). The weights are the community's: the operator says them once, before the day
        starts, so that nobody fits them to a load, and for six hours at least, so that no percentage tells of one hour.
        A day is green where its percentage is above that of a load that is the same in every hour: so neither an
        empty home nor a constant one is. What counts are points: percent above it, times the buckets that the rewards
        contract has granted the household for its forecast of that day. A bucket takes 2 kWh of use, so points are
        bounded by energy and by the caps of the meter, and splitting a home gains nothing.
        Days go through the steps of the rewards contract, within the same periods: claims, each checked here; anybody
        finalises, and the green budget is shared out, at most RATE a point; anybody collects, once the claim for the
        forecast is paid. Checked of a proof: the day's commitment carries the signature of the meter that was at the
        household, all hours measured; the weights are the registered ones.
        Anybody may bring a proof. PROGRAM is compiled from the verifier that everybody runs, as the skill verifier's.
"""
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import ecdsa
import compressed_point

initializes: ownable
initializes: ownable_2step[ownable := ownable]
exports: (
    ownable_2step.owner, ownable_2step.pending_owner, ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)

interface IForecastRegistry:
    def meter_at(household: address, day: uint32) -> address: view
    def day_end(day: uint32) -> uint256: view

# The rewards contract, which is whoever mints records.
struct Claim:
    household: address
    buckets: uint32
    collected: bool

# What was claimed of a day: points, and whether they were collected.
struct Green:
    points: uint32
    collected: bool

interface IRewards:
    def CLAIM_PERIOD() -> uint256: view
    def claim_of(household: address, day: uint32) -> Claim: view
    def pay_green(household: address, amount: uint256): nonpayable

interface IRecord:
    def minter() -> address: view
    def record_green(household: address, day: uint32): nonpayable

event WeightsPublished:
    day: indexed(uint32)
    weights: bytes24

event GreenClaimed:
    household: indexed(address)
    day: indexed(uint32)
    tier: uint8
    points: uint32
    proof_hash: bytes32

event GreenStruckOut:
    household: indexed(address)
    day: indexed(uint32)
    points: uint32

event GreenFinalised:
    day: indexed(uint32)
    total: uint256
    rate: uint256

event GreenRewarded:
    household: indexed(address)
    day: indexed(uint32)
    points: uint32
    amount: uint256

DAY: constant(uint256) = 86400
DAY_TYPE: constant(bytes32) = keccak256("DayCommitment(address household,uint32 day,bytes commitment)")
HEADER: constant(Bytes[4]) = b"WPG\x04"
PROOF: constant(uint256) = 676
BODY: constant(uint256) = PROOF - 4
STATEMENT: constant(uint256) = 133
ROTATIONS: constant(uint32) = 7
HOURS: constant(uint256) = 24
NUMBERS: constant(uint256) = 32

# Where the points of the equation's left side begin in statement and proof; the last is its right side as well.
POINTS: constant(uint256) = 5
PLACES: constant(uint256[POINTS]) = [85, 133, 629, 677, 725]
BASES: constant(uint256) = 2
BASES_BYTES: constant(uint256) = 160 * BASES
SCALARS: constant(uint256) = POINTS + BASES
G1_MSM: constant(address) = 0x000000000000000000000000000000000000000C
PAIRING_CHECK: constant(address) = 0x000000000000000000000000000000000000000F

MANY: constant(uint256) = 128
MAX_WEIGHT: constant(uint256) = 255
# So many hours have at least such a weight.
LEAST_HOURS: constant(uint256) = 6
LEAST_WEIGHT: constant(uint256) = 64

FORECASTS: public(immutable(IForecastRegistry))
RECORD: public(immutable(IRecord))
COMMUNITY: public(immutable(bytes32))
PROGRAM: public(immutable(address))
CEREMONY: public(immutable(address))
METER_DOMAIN: immutable(bytes32)

# @notice In the token's smallest unit: what a day may pay, what a point pays at most.
DAY_BUDGET: public(immutable(uint256))
RATE: public(immutable(uint256))

# @notice A weight for each hour of a day, 0 to 255; empty while there are none.
weights_of: public(HashMap[uint32, bytes24])
# @notice Of a day: points that were claimed, and what each pays (zero until the day is finalised).
total_of: public(HashMap[uint32, uint256])
rate_of: public(HashMap[uint32, uint256])

# By household and day, in one word: points, collected << 32.
_claims: HashMap[address, HashMap[uint32, uint256]]


@deploy
def __init__(
    forecasts: address,
    record: address,
    community: bytes32,
    program: address,
    ceremony: address,
    day_budget: uint256,
    rate: uint256,
):
    """
    @notice The deployer is the first owner, who publishes weights.
    @param forecasts The forecast registry.
    @param record The household record, which has to be told of this contract (`appoint_green`).
    @param community What names the community in every proof.
    @param program The compiled verifier.
    @param ceremony The ceremony's points, the skill verifier's.
    @param day_budget What a day may pay, in the token's smallest unit.
    @param rate What a point pays at most.
    """
    assert rate > 0 and day_budget >= rate, "malformed settings"
    ownable.__init__()
    ownable_2step.__init__()
    FORECASTS = IForecastRegistry(forecasts)
    RECORD = IRecord(record)
    COMMUNITY = community
    PROGRAM = program
    CEREMONY = ceremony
    DAY_BUDGET = day_budget
    RATE = rate
    METER_DOMAIN = keccak256(
        abi_encode(keccak256("EIP712Domain(string name,string version)"), keccak256("Wattproof meter"), keccak256("1"))
    )


@external
def publish_weights(day: uint32, weights: bytes24):
    """
    @notice The operator says, once and before the day starts, how green each of its hours is.
    @param day The day.
    @param weights A byte for each hour; 255 is all green. Six of them at least are a quarter of that or more.
    """
    ownable._check_owner()
    wide: uint256 = 0
    for hour: uint256 in range(HOURS):
        if self._weight(weights, hour) >= LEAST_WEIGHT:
            wide += 1
    assert wide >= LEAST_HOURS, "narrow weights"
    assert self.weights_of[day] == empty(bytes24), "weights exist"
    assert block.timestamp < staticcall FORECASTS.day_end(day) - DAY, "late weights"
    self.weights_of[day] = weights
    log WeightsPublished(day=day, weights=weights)


@external
@view
def base_of(day: uint32) -> uint8:
    """
    @notice The percentage of a load that is the same in every hour, rounded up.
    @param day The day.
    @return From 0 to 100; 0 while there are no weights.
    """
    return self._base(self.weights_of[day])


@external
@view
def green_of(household: address, day: uint32) -> Green:
    """
    @notice What a household has claimed of a day.
    @param household The household.
    @param day The day.
    @return Points, and whether they were collected; empty where there is no claim.
    """
    word: uint256 = self._claims[household][day]
    return Green(points=convert(word & (1 << 32) - 1, uint32), collected=word >> 32 == 1)


@external
def claim_green(
    household: address,
    day: uint32,
    tier: uint8,
    actual: Bytes[48],
    signature: Bytes[65],
    proof: Bytes[PROOF],
    ordinates: Bytes[48 * POINTS],
):
    """
    @notice Claim a green day for a household, whoever calls.
    @param household The household, whose forecast of the day is claimed at the rewards contract.
    @param day The day.
    @param tier Percent of the load that is green at least, by weight, as proven.
    @param actual The meter's commitment of the day.
    @param signature The meter's, of it.
    @param proof The proof; its statement has round 0.
    @param ordinates y of each point of PLACES, 48 bytes each.
    """
    weights: bytes24 = self.weights_of[day]
    assert weights != empty(bytes24), "no weights"
    base: uint8 = self._base(weights)
    assert tier > base and tier <= 100, "not green enough"
    rewards: IRewards = self._rewards()
    end: uint256 = staticcall FORECASTS.day_end(day)
    assert block.timestamp >= end, "day is not over"
    assert block.timestamp < end + staticcall rewards.CLAIM_PERIOD(), "late claim"
    assert self._claims[household][day] == 0, "already claimed"
    assert len(actual) == 48 and len(signature) == 65, "malformed statement"
    assert len(proof) == PROOF and len(ordinates) == 48 * POINTS, "malformed proof"
    assert slice(proof, 0, 4) == HEADER, "malformed proof"
    meter: address = staticcall FORECASTS.meter_at(household, day)
    content: bytes32 = keccak256(abi_encode(DAY_TYPE, household, day, keccak256(actual)))
    signer: address = ecdsa._recover_sig(keccak256(concat(b"\x19\x01", METER_DOMAIN, content)), signature)
    assert signer == meter and meter != empty(address), "not the meter"
    self._verify(household, day, tier, weights, actual, proof, ordinates)
    buckets: uint32 = (staticcall rewards.claim_of(household, day)).buckets
    assert buckets > 0, "no claim for the forecast"
    points: uint32 = buckets * convert(tier - base, uint32)
    self._claims[household][day] = convert(points, uint256)
    self.total_of[day] += convert(points, uint256)
    log GreenClaimed(household=household, day=day, tier=tier, points=points, proof_hash=keccak256(proof))


@external
def strike_out_green(household: address, day: uint32):
    """
    @notice Take a claim back whose claim for the forecast was struck out, before its day is final: its share goes to
            the others. Anybody may call.
    @param household The household.
    @param day The day.
    """
    assert (staticcall self._rewards().claim_of(household, day)).buckets == 0, "forecast is not void"
    assert self.rate_of[day] == 0, "day is final"
    points: uint256 = self._claims[household][day]
    assert points > 0, "no claim"
    self._claims[household][day] = 0
    self.total_of[day] -= points
    log GreenStruckOut(household=household, day=day, points=convert(points, uint32))


@external
def finalise_green(day: uint32):
    """
    @notice When claims are closed, fix what each point of a day pays. Anybody may call.
    @param day The day.
    """
    end: uint256 = staticcall FORECASTS.day_end(day) + staticcall self._rewards().CLAIM_PERIOD()
    assert block.timestamp >= end, "claims are open"
    total: uint256 = self.total_of[day]
    assert total > 0, "nothing claimed"
    assert self.rate_of[day] == 0, "day is final"
    rate: uint256 = min(RATE, DAY_BUDGET // total)
    assert rate > 0, "budget too small"
    self.rate_of[day] = rate
    log GreenFinalised(day=day, total=total, rate=rate)


@external
def collect_green(households: DynArray[address, MANY], day: uint32):
    """
    @notice Have households paid for a green day that is final, and noted. Anybody may call; what is refused for one is
            refused for all.
    @param households The households, whose claims for their forecasts are collected.
    @param day The day.
    """
    rate: uint256 = self.rate_of[day]
    assert rate > 0, "day is not final"
    rewards: IRewards = self._rewards()
    for household: address in households:
        points: uint256 = self._claims[household][day]
        assert points > 0, "no claim"
        assert points < 1 << 32, "already collected"
        assert (staticcall rewards.claim_of(household, day)).collected, "day is not paid"
        self._claims[household][day] = points | 1 << 32
        extcall rewards.pay_green(household, rate * points)
        extcall RECORD.record_green(household, day)
        log GreenRewarded(household=household, day=day, points=convert(points, uint32), amount=rate * points)


@internal
@view
def _rewards() -> IRewards:
    return IRewards(staticcall RECORD.minter())


@internal
@pure
def _weight(weights: bytes24, hour: uint256) -> uint256:
    return convert(weights, uint256) >> (8 * (HOURS - 1 - hour)) & 255


@internal
@pure
def _base(weights: bytes24) -> uint8:
    total: uint256 = 0
    for hour: uint256 in range(HOURS):
        total += self._weight(weights, hour)
    whole: uint256 = HOURS * MAX_WEIGHT
    return convert((100 * total + whole - 1) // whole, uint8)


@internal
@view
def _verify(
    household: address,
    day: uint32,
    tier: uint8,
    weights: bytes24,
    actual: Bytes[48],
    proof: Bytes[PROOF],
    ordinates: Bytes[48 * POINTS],
):
    message: Bytes[STATEMENT + BODY] = concat(
        COMMUNITY, convert(household, bytes20), convert(day, bytes4), empty(bytes4), convert(tier, bytes1), weights,
        actual, slice(proof, 4, BODY),
    )
    numbers: uint256[NUMBERS] = empty(uint256[NUMBERS])
    numbers[0] = convert(tier, uint256)
    for hour: uint256 in range(HOURS):
        numbers[1 + hour] = self._weight(weights, hour)
    numbers[1 + HOURS + convert(day % ROTATIONS, uint256)] = 1
    accepted: bool = False
    output: Bytes[32 * SCALARS] = b""
    accepted, output = raw_call(
        PROGRAM, concat(message, abi_encode(numbers)), max_outsize=32 * SCALARS, is_static_call=True,
        revert_on_failure=False,
    )
    assert accepted, "invalid proof"
    scalars: uint256[SCALARS] = abi_decode(output, uint256[SCALARS])
    terms: uint256[5 * SCALARS] = empty(uint256[5 * SCALARS])
    bases: uint256[5 * BASES] = abi_decode(slice(CEREMONY.code, 0, BASES_BYTES), uint256[5 * BASES])
    for k: uint256 in range(SCALARS):
        if k < POINTS:
            point: uint256[4] = compressed_point._coordinates(
                slice(message, PLACES[k], 48), slice(ordinates, 48 * k, 48)
            )
            for n: uint256 in range(4):
                terms[5 * k + n] = point[n]
        else:
            for n: uint256 in range(4):
                terms[5 * k + n] = bases[5 * (k - POINTS) + n]
        terms[5 * k + 4] = scalars[k]
    encoded: Bytes[160 * SCALARS] = abi_encode(terms)
    left: Bytes[128] = b""
    accepted, left = raw_call(G1_MSM, encoded, max_outsize=128, is_static_call=True, revert_on_failure=False)
    assert accepted and len(left) == 128, "malformed point"
    self._check_equal(left, slice(encoded, 160 * (POINTS - 1), 128))


@internal
@view
def _check_equal(left: Bytes[128], witness: Bytes[128]):
    """e(left, G2) e(witness, -tau G2) = 1"""
    accepted: bool = False
    output: Bytes[32] = b""
    pairs: Bytes[768] = concat(
        left, slice(CEREMONY.code, BASES_BYTES, 256), witness, slice(CEREMONY.code, BASES_BYTES + 256, 256)
    )
    accepted, output = raw_call(PAIRING_CHECK, pairs, max_outsize=32, is_static_call=True, revert_on_failure=False)
    assert accepted and len(output) == 32 and convert(output, uint256) == 1, "invalid proof"
