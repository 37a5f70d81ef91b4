# pragma version ~=0.4.3
"""
@title Green share
@license Apache-2.0
@notice Notes on a household's record the days of which it has proven, in zero knowledge, that at least half of its load
        lay in the community's green hours (zkp/statements/green_share.py). The weights of a day's hours are the
        community's: the operator says them once, before the day starts, so that nobody fits them to a load.
        Checked of a proof: the day's commitment carries the signature of the meter that was at the household, all hours
        measured; the weights are the registered ones. A day counts once, and only if it stands on the record, that is,
        was paid for skill, for which a home has to use energy: a day without load is green whatever the hours.
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

interface IRecord:
    def record_green(household: address, day: uint32): nonpayable

event WeightsPublished:
    day: indexed(uint32)
    weights: bytes24

event GreenDay:
    household: indexed(address)
    day: indexed(uint32)
    tier: uint8
    proof_hash: bytes32

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

# @notice Percent of a day's load that has to be green, by weight.
LEAST_TIER: public(constant(uint8)) = 50

FORECASTS: public(immutable(IForecastRegistry))
RECORD: public(immutable(IRecord))
COMMUNITY: public(immutable(bytes32))
PROGRAM: public(immutable(address))
CEREMONY: public(immutable(address))
METER_DOMAIN: immutable(bytes32)

# @notice A weight for each hour of a day, 0 to 255; empty while there are none.
weights_of: public(HashMap[uint32, bytes24])


@deploy
def __init__(forecasts: address, record: address, community: bytes32, program: address, ceremony: address):
    """
    @notice The deployer is the first owner, who publishes weights.
    @param forecasts The forecast registry.
    @param record The household record, which has to be told of this contract (`appoint_green`).
    @param community What names the community in every proof.
    @param program The compiled verifier.
    @param ceremony The ceremony's points, the skill verifier's.
    """
    ownable.__init__()
    ownable_2step.__init__()
    FORECASTS = IForecastRegistry(forecasts)
    RECORD = IRecord(record)
    COMMUNITY = community
    PROGRAM = program
    CEREMONY = ceremony
    METER_DOMAIN = keccak256(
        abi_encode(keccak256("EIP712Domain(string name,string version)"), keccak256("Wattproof meter"), keccak256("1"))
    )


@external
def publish_weights(day: uint32, weights: bytes24):
    """
    @notice The operator says, once and before the day starts, how green each of its hours is.
    @param day The day.
    @param weights A byte for each hour; 255 is all green.
    """
    ownable._check_owner()
    assert weights != empty(bytes24), "empty weights"
    assert self.weights_of[day] == empty(bytes24), "weights exist"
    assert block.timestamp < staticcall FORECASTS.day_end(day) - DAY, "late weights"
    self.weights_of[day] = weights
    log WeightsPublished(day=day, weights=weights)


@external
def note(
    household: address,
    day: uint32,
    tier: uint8,
    actual: Bytes[48],
    signature: Bytes[65],
    proof: Bytes[PROOF],
    ordinates: Bytes[48 * POINTS],
):
    """
    @notice Note a green day on a household's record, whoever calls.
    @param household The household.
    @param day The day, which was paid for skill.
    @param tier Percent of the load that is green at least, by weight, as proven.
    @param actual The meter's commitment of the day.
    @param signature The meter's, of it.
    @param proof The proof; its statement has round 0.
    @param ordinates y of each point of PLACES, 48 bytes each.
    """
    assert tier >= LEAST_TIER and tier <= 100, "not green enough"
    weights: bytes24 = self.weights_of[day]
    assert weights != empty(bytes24), "no weights"
    assert len(actual) == 48 and len(signature) == 65, "malformed statement"
    assert len(proof) == PROOF and len(ordinates) == 48 * POINTS, "malformed proof"
    assert slice(proof, 0, 4) == HEADER, "malformed proof"
    meter: address = staticcall FORECASTS.meter_at(household, day)
    content: bytes32 = keccak256(abi_encode(DAY_TYPE, household, day, keccak256(actual)))
    signer: address = ecdsa._recover_sig(keccak256(concat(b"\x19\x01", METER_DOMAIN, content)), signature)
    assert signer == meter and meter != empty(address), "not the meter"
    self._verify(household, day, tier, weights, actual, proof, ordinates)
    extcall RECORD.record_green(household, day)
    log GreenDay(household=household, day=day, tier=tier, proof_hash=keccak256(proof))


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
        numbers[1 + hour] = convert(weights, uint256) >> (8 * (HOURS - 1 - hour)) & 255
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
