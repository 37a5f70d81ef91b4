# pragma version ~=0.4.3
"""
@title Rewards
@license Apache-2.0
@notice Pays a household for a day on which its committed forecast is proven to beat the seasonal-naive one.
        Checked here: the forecast was registered in time, the day is over, both meter commitments carry the enrolled
        meter's signature (EIP-712), the day was not paid before, and the zero-knowledge skill proof, by VERIFIER: so
        anybody may bring a proof, and nobody need be believed.
        On a chain without BLS12-381 there is no verifier (the empty address). Then only the owner, as auditor, may
        call, answers for the proof with its key, and the proof's hash in the event lets anybody check after it.
"""
from snekmate.auth import ownable
from snekmate.utils import ecdsa

initializes: ownable
exports: (ownable.owner, ownable.transfer_ownership)

struct Forecast:
    commitment: Bytes[48]
    round: uint32
    proof_hash: bytes32

interface IForecastRegistry:
    def meter_of(household: address) -> address: view
    def forecast_of(household: address, day: uint32) -> Forecast: view
    def day_end(day: uint32) -> uint256: view

interface ISkillVerifier:
    def verify(
        household: address,
        day: uint32,
        round: uint32,
        tier: uint32,
        forecast: Bytes[48],
        actual: Bytes[48],
        naive: Bytes[48],
        proof: Bytes[4660],
        ordinates: Bytes[480],
    ) -> bool: view

interface IToken:
    def mint(owner: address, amount: uint256): nonpayable

interface IRecord:
    def record_day(household: address, day: uint32, tier: uint32): nonpayable

event Rewarded:
    household: indexed(address)
    day: indexed(uint32)
    tier: uint32
    amount: uint256
    proof_hash: bytes32

SEASON: constant(uint32) = 7
DAY_TYPE: constant(bytes32) = keccak256("DayCommitment(address household,uint32 day,bytes commitment)")
METER_DOMAIN: immutable(bytes32)

FORECASTS: public(immutable(IForecastRegistry))
TOKEN: public(immutable(IToken))
RECORD: public(immutable(IRecord))
VERIFIER: public(immutable(ISkillVerifier))
BASE: public(immutable(uint256))
PER_PERCENT: public(immutable(uint256))

claimed: public(HashMap[address, HashMap[uint32, bool]])


@deploy
def __init__(
    forecasts: address, token: address, record: address, verifier: address, base: uint256, per_percent: uint256
):
    """Amounts are in the token's smallest unit. Without a verifier the deployer is the first auditor."""
    ownable.__init__()
    FORECASTS = IForecastRegistry(forecasts)
    TOKEN = IToken(token)
    RECORD = IRecord(record)
    VERIFIER = ISkillVerifier(verifier)
    BASE = base
    METER_DOMAIN = keccak256(
        abi_encode(keccak256("EIP712Domain(string name,string version)"), keccak256("Wattproof meter"), keccak256("1"))
    )
    PER_PERCENT = per_percent


@external
def reward(
    household: address,
    day: uint32,
    tier: uint32,
    actual: Bytes[48],
    actual_signature: Bytes[65],
    naive: Bytes[48],
    naive_signature: Bytes[65],
    proof: Bytes[4660],
    ordinates: Bytes[480],
):
    """
    @notice Pay a household for a day, whoever calls. `ordinates`: the y of the proof's points, see the verifier.
    """
    if VERIFIER.address == empty(address):
        ownable._check_owner()
    meter: address = staticcall FORECASTS.meter_of(household)
    assert meter != empty(address), "unknown household"
    forecast: Forecast = staticcall FORECASTS.forecast_of(household, day)
    assert len(forecast.commitment) == 48, "no forecast"
    assert block.timestamp >= staticcall FORECASTS.day_end(day), "day is not over"
    assert not self.claimed[household][day], "already claimed"
    assert tier <= 100 and len(proof) > 0, "malformed claim"
    assert self._signer(household, day, actual, actual_signature) == meter, "not the meter"
    assert self._signer(household, day - SEASON, naive, naive_signature) == meter, "not the meter"
    if VERIFIER.address != empty(address):
        assert staticcall VERIFIER.verify(
            household, day, forecast.round, tier, forecast.commitment, actual, naive, proof, ordinates
        ), "invalid proof"
    self.claimed[household][day] = True
    amount: uint256 = BASE + PER_PERCENT * convert(tier, uint256)
    extcall TOKEN.mint(household, amount)
    extcall RECORD.record_day(household, day, tier)
    log Rewarded(household=household, day=day, tier=tier, amount=amount, proof_hash=keccak256(proof))


@internal
@view
def _signer(household: address, day: uint32, commitment: Bytes[48], signature: Bytes[65]) -> address:
    """Who signed a day's commitment (EIP-712); snekmate's ecdsa refuses a high s."""
    content: bytes32 = keccak256(abi_encode(DAY_TYPE, household, day, keccak256(commitment)))
    return ecdsa._recover_sig(keccak256(concat(b"\x19\x01", METER_DOMAIN, content)), signature)
