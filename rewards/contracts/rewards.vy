# pragma version ~=0.4.3
"""
@title Rewards
@license Apache-2.0
@notice Pays households for error that their forecasts avoided, from a day's budget (rewards/rule.py, docs/rewards.md).
        A day goes through three steps. From its end on and for fourteen days, households claim buckets of 100 Wh, each
        with a zero-knowledge proof that VERIFIER checks: so anybody may bring one, and nobody need be believed. Then
        anybody finalises the day: its budget is shared out, each bucket pays the same, and at most RATE. Then each
        claim is collected, by anybody, for its household.
        Checked of a claim: the forecast was registered in time; the day and the seven days of the benchmarks carry the
        signature of the meter that was at the household (EIP-712); neither household nor meter has claimed the day.
        What counts is capped for a meter and day, and for a meter and year. A forecast that was challenged and that
        nobody answered for (CHALLENGES) is paid nothing: anybody strikes its claim out.
        The contract for green shares (GREEN) pays from a budget of its own, through this one, which alone can mint.
        On a chain without BLS12-381 there is no verifier (the empty address). Then only the owner, as auditor, may
        claim, answers for the proof with its key, and the proof's hash in the event lets anybody check after it.
"""
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import ecdsa
from snekmate.utils import pausable

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: pausable
exports: (
    ownable_2step.owner, ownable_2step.pending_owner, ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership, pausable.paused,
)

# What a meter's day was claimed for: the household, its buckets that count, and whether they were collected.
struct Claim:
    household: address
    buckets: uint32
    collected: bool

# What `claim_many` takes of each household: what `claim` takes.
struct Brought:
    household: address
    day: uint32
    buckets: uint16
    round: uint32
    forecast: Bytes[48]
    forecast_proof_hash: bytes32
    days: Bytes[384]
    signatures: Bytes[520]
    proof: Bytes[1076]
    ordinates: Bytes[672]

interface IForecastRegistry:
    def meter_at(household: address, day: uint32) -> address: view
    def forecast_of(household: address, day: uint32) -> bytes32: view
    def day_end(day: uint32) -> uint256: view

interface ISkillVerifier:
    def verify(
        household: address,
        day: uint32,
        round: uint32,
        buckets: uint16,
        forecast: Bytes[48],
        days: Bytes[384],
        proof: Bytes[1076],
        ordinates: Bytes[672],
    ) -> bool: view
    def terms(
        household: address,
        day: uint32,
        round: uint32,
        buckets: uint16,
        forecast: Bytes[48],
        days: Bytes[384],
        proof: Bytes[1076],
        ordinates: Bytes[672],
    ) -> Bytes[TERMS]: view
    def settle(equations: DynArray[Bytes[TERMS], TOGETHER]) -> bool: view

interface IChallenges:
    def is_void(household: address, day: uint32) -> bool: view

interface IToken:
    def mint(owner: address, amount: uint256): nonpayable

interface IRecord:
    def record_day(household: address, day: uint32, buckets: uint32): nonpayable

event Claimed:
    household: indexed(address)
    day: indexed(uint32)
    buckets: uint32
    granted: uint32
    proof_hash: bytes32

# `reason`: the revert data of what refused it.
event Skipped:
    household: indexed(address)
    day: indexed(uint32)
    reason: Bytes[ANSWER]

event StruckOut:
    household: indexed(address)
    day: indexed(uint32)
    granted: uint32

event Finalised:
    day: indexed(uint32)
    total: uint256
    rate: uint256

event Rewarded:
    household: indexed(address)
    day: indexed(uint32)
    buckets: uint32
    amount: uint256

DAYS: constant(uint256) = 8
FIRST_BENCHMARK: constant(uint32) = 7
LAST_BENCHMARK: constant(uint32) = 13
MANY: constant(uint256) = 128
TOGETHER: constant(uint256) = 20
TERMS: constant(uint256) = 1344
# What `check_claim` answers at most, and the gas that it is given: a precompile that refuses takes all of it.
ANSWER: constant(uint256) = TERMS + 96
CHECK_GAS: constant(uint256) = 600000
YEAR: constant(uint32) = 365
DAY_TYPE: constant(bytes32) = keccak256("DayCommitment(address household,uint32 day,bytes commitment)")
METER_DOMAIN: immutable(bytes32)

# @notice For how long after its end a day is claimed, seconds.
CLAIM_PERIOD: public(constant(uint256)) = 14 * 86400

FORECASTS: public(immutable(IForecastRegistry))
TOKEN: public(immutable(IToken))
RECORD: public(immutable(IRecord))
VERIFIER: public(immutable(ISkillVerifier))
CHALLENGES: public(immutable(IChallenges))
GREEN: public(immutable(address))

# @notice In the token's smallest unit: what a day may pay, what a bucket pays at most.
DAY_BUDGET: public(immutable(uint256))
RATE: public(immutable(uint256))
# @notice Buckets of a meter that count: on a day, in a year.
DAY_CAP: public(immutable(uint32))
YEAR_CAP: public(immutable(uint32))

# @notice Of a day: buckets that count, and what each pays (zero until the day is finalised).
total_of: public(HashMap[uint32, uint256])
rate_of: public(HashMap[uint32, uint256])
# @notice Buckets of a meter that counted in a year (day // 365).
granted_in: public(HashMap[address, HashMap[uint32, uint32]])

# By meter and day, in one word: household, buckets << 160, collected << 192.
_claims: HashMap[address, HashMap[uint32, uint256]]


@deploy
def __init__(
    forecasts: address,
    token: address,
    record: address,
    verifier: address,
    challenges: address,
    green: address,
    day_budget: uint256,
    rate: uint256,
    day_cap: uint32,
    year_cap: uint32,
):
    """
    @notice Without a verifier the deployer is the first auditor.
    @param forecasts The forecast registry.
    @param token The reward token.
    @param record The household record.
    @param verifier The skill verifier, or the empty address.
    @param challenges The challenges of forecasts, or the empty address.
    @param green The contract for green shares, or the empty address.
    @param day_budget What a day may pay, in the token's smallest unit.
    @param rate What a bucket pays at most.
    @param day_cap Buckets of a meter that count on a day.
    @param year_cap Buckets of a meter that count in a year.
    """
    assert rate > 0 and day_budget >= rate * convert(day_cap, uint256), "malformed settings"
    ownable.__init__()
    ownable_2step.__init__()
    pausable.__init__()
    FORECASTS = IForecastRegistry(forecasts)
    TOKEN = IToken(token)
    RECORD = IRecord(record)
    VERIFIER = ISkillVerifier(verifier)
    CHALLENGES = IChallenges(challenges)
    GREEN = green
    DAY_BUDGET = day_budget
    RATE = rate
    DAY_CAP = day_cap
    YEAR_CAP = year_cap
    METER_DOMAIN = keccak256(
        abi_encode(keccak256("EIP712Domain(string name,string version)"), keccak256("Wattproof meter"), keccak256("1"))
    )


@external
@view
def claim_of(household: address, day: uint32) -> Claim:
    """
    @notice What a household has claimed of a day.
    @param household The household.
    @param day The day.
    @return Buckets that count, and whether they were collected; empty where there is no claim.
    """
    found: Claim = self._claim(staticcall FORECASTS.meter_at(household, day), day)
    return found if found.household == household else empty(Claim)


@external
def claim(
    household: address,
    day: uint32,
    buckets: uint16,
    round: uint32,
    forecast: Bytes[48],
    forecast_proof_hash: bytes32,
    days: Bytes[384],
    signatures: Bytes[520],
    proof: Bytes[1076],
    ordinates: Bytes[672],
):
    """
    @notice Claim a day for a household, whoever calls.
    @param household Whose forecast it is.
    @param day The day.
    @param buckets Units of 100 Wh of error avoided, as proven.
    @param round The round of the registered forecast.
    @param forecast Its commitment.
    @param forecast_proof_hash The hash of its inference proof.
    @param days The meter's commitments: the day, and those from 7 to 13 days before it, 48 bytes each.
    @param signatures The meter's, of each of them, 65 bytes each.
    @param proof The skill proof.
    @param ordinates See the verifier.
    """
    pausable._require_not_paused()
    if VERIFIER.address == empty(address):
        ownable._check_owner()
    assert len(proof) > 0, "malformed claim"
    meter: address = self._check(household, day, buckets, round, forecast, forecast_proof_hash, days, signatures)
    if VERIFIER.address != empty(address):
        assert staticcall VERIFIER.verify(
            household, day, round, buckets, forecast, days, proof, ordinates
        ), "invalid proof"
    self._take(meter, household, day, buckets, keccak256(proof))


@external
def claim_many(claims: DynArray[Brought, TOGETHER]):
    """
    @notice `claim` for many households, whose proofs are settled together. What refuses one of them (it was claimed
            meanwhile, is void, of another forecast) skips that one alone, and `Skipped` says why. Proofs that fail
            nowhere but in the last equation refuse all of them: whoever sends has checked each, as everybody can.
    @param claims The claims.
    """
    pausable._require_not_paused()
    by_contract: bool = VERIFIER.address != empty(address)
    if not by_contract:
        ownable._check_owner()
    equations: DynArray[Bytes[TERMS], TOGETHER] = []
    for one: Brought in claims:
        accepted: bool = False
        answer: Bytes[ANSWER] = b""
        accepted, answer = raw_call(
            self,
            abi_encode(
                one,
                method_id=method_id("check_claim((address,uint32,uint16,uint32,bytes,bytes32,bytes,bytes,bytes,bytes))"),
            ),
            max_outsize=ANSWER, gas=CHECK_GAS, is_static_call=True, revert_on_failure=False,
        )
        if not accepted:
            log Skipped(household=one.household, day=one.day, reason=answer)
            continue
        meter: address = empty(address)
        own: Bytes[TERMS] = b""
        meter, own = abi_decode(answer, (address, Bytes[TERMS]))
        self._take(meter, one.household, one.day, one.buckets, keccak256(one.proof))
        equations.append(own)
    if by_contract and len(equations) > 0:
        assert staticcall VERIFIER.settle(equations), "invalid proof"


@external
@view
def check_claim(one: Brought) -> (address, Bytes[TERMS]):
    """
    @notice All that `claim` asks for but the last equation of the proof; or a revert with the reason.
    @param one The claim.
    @return The meter of the day, and the equation that is left to be settled (empty without a verifier).
    """
    assert len(one.proof) > 0, "malformed claim"
    meter: address = self._check(
        one.household, one.day, one.buckets, one.round, one.forecast, one.forecast_proof_hash, one.days, one.signatures
    )
    assert self.granted_in[meter][one.day // YEAR] < YEAR_CAP, "cap of the year"
    if VERIFIER.address == empty(address):
        return meter, b""
    return meter, staticcall VERIFIER.terms(
        one.household, one.day, one.round, one.buckets, one.forecast, one.days, one.proof, one.ordinates
    )


@external
def strike_out(household: address, day: uint32):
    """
    @notice Take a claim back whose forecast is void, before its day is final: its share goes to the others. Anybody may
            call.
    @param household The household.
    @param day The day.
    """
    assert self._is_void(household, day), "forecast is not void"
    assert self.rate_of[day] == 0, "day is final"
    meter: address = staticcall FORECASTS.meter_at(household, day)
    found: Claim = self._claim(meter, day)
    assert found.household == household and found.buckets > 0, "no claim"
    self._claims[meter][day] = convert(household, uint256)
    self.total_of[day] -= convert(found.buckets, uint256)
    self.granted_in[meter][day // YEAR] -= found.buckets
    log StruckOut(household=household, day=day, granted=found.buckets)


@external
def finalise(day: uint32):
    """
    @notice When claims are closed, fix what each bucket of a day pays. Anybody may call.
    @param day The day.
    """
    assert block.timestamp >= staticcall FORECASTS.day_end(day) + CLAIM_PERIOD, "claims are open"
    total: uint256 = self.total_of[day]
    assert total > 0, "nothing claimed"
    assert self.rate_of[day] == 0, "day is final"
    rate: uint256 = min(RATE, DAY_BUDGET // total)
    assert rate > 0, "budget too small"
    self.rate_of[day] = rate
    log Finalised(day=day, total=total, rate=rate)


@external
def collect(household: address, day: uint32):
    """
    @notice Have a household paid for a day that is final. Anybody may call.
    @param household The household.
    @param day The day.
    """
    pausable._require_not_paused()
    self._collect(household, day)


@external
def collect_many(households: DynArray[address, MANY], day: uint32):
    """
    @notice `collect` for many households; what is refused for one is refused for all.
    @param households The households.
    @param day The day.
    """
    pausable._require_not_paused()
    for household: address in households:
        self._collect(household, day)


@external
def pay_green(household: address, amount: uint256):
    """
    @notice The contract for green shares pays what its rule grants.
    @param household The household.
    @param amount In the token's smallest unit.
    """
    pausable._require_not_paused()
    assert msg.sender == GREEN, "not the contract for green shares"
    extcall TOKEN.mint(household, amount)


@external
def pause():
    """
    @notice The operator stops claims and payments. Periods go on; what was claimed is paid afterwards.
    """
    ownable._check_owner()
    pausable._pause()


@external
def unpause():
    """
    @notice The operator lets claims and payments go on.
    """
    ownable._check_owner()
    pausable._unpause()


@internal
def _collect(household: address, day: uint32):
    rate: uint256 = self.rate_of[day]
    assert rate > 0, "day is not final"
    meter: address = staticcall FORECASTS.meter_at(household, day)
    found: Claim = self._claim(meter, day)
    assert found.household == household and found.buckets > 0, "no claim"
    assert not found.collected, "already collected"
    assert not self._is_void(household, day), "forecast is void"
    self._claims[meter][day] |= 1 << 192
    amount: uint256 = rate * convert(found.buckets, uint256)
    extcall TOKEN.mint(household, amount)
    extcall RECORD.record_day(household, day, found.buckets)
    log Rewarded(household=household, day=day, buckets=found.buckets, amount=amount)


@internal
@view
def _check(
    household: address,
    day: uint32,
    buckets: uint16,
    round: uint32,
    forecast: Bytes[48],
    forecast_proof_hash: bytes32,
    days: Bytes[384],
    signatures: Bytes[520],
) -> address:
    """The meter of the day, after all was checked that stands on the chain, or is signed."""
    registered: bytes32 = staticcall FORECASTS.forecast_of(household, day)
    assert registered != empty(bytes32), "no forecast"
    assert len(forecast) == 48, "malformed claim"
    told: bytes32 = keccak256(concat(forecast, convert(round, bytes4), forecast_proof_hash))
    assert registered == told, "another forecast"
    end: uint256 = staticcall FORECASTS.day_end(day)
    assert block.timestamp >= end, "day is not over"
    assert block.timestamp < end + CLAIM_PERIOD, "late claim"
    assert 0 < buckets and len(days) == 384 and len(signatures) == 520, "malformed claim"
    meter: address = self._check_meter(household, day, days, signatures)
    assert self._claims[meter][day] == 0, "already claimed"
    assert not self._is_void(household, day), "forecast is void"
    return meter


@internal
def _take(meter: address, household: address, day: uint32, buckets: uint16, proof_hash: bytes32):
    granted: uint32 = self._grant(meter, day, buckets)
    self._claims[meter][day] = convert(household, uint256) | convert(granted, uint256) << 160
    self.total_of[day] += convert(granted, uint256)
    log Claimed(household=household, day=day, buckets=convert(buckets, uint32), granted=granted, proof_hash=proof_hash)


@internal
@view
def _is_void(household: address, day: uint32) -> bool:
    return CHALLENGES.address != empty(address) and staticcall CHALLENGES.is_void(household, day)


@internal
@view
def _claim(meter: address, day: uint32) -> Claim:
    word: uint256 = self._claims[meter][day]
    return Claim(
        household=convert(word & (1 << 160) - 1, address),
        buckets=convert(word >> 160 & (1 << 32) - 1, uint32),
        collected=word >> 192 == 1,
    )


@internal
def _grant(meter: address, day: uint32, buckets: uint16) -> uint32:
    """What counts of a claim under the caps of the meter's day and year."""
    year: uint32 = day // YEAR
    before: uint32 = self.granted_in[meter][year]
    granted: uint32 = min(min(convert(buckets, uint32), DAY_CAP), YEAR_CAP - before)
    assert granted > 0, "cap of the year"
    self.granted_in[meter][year] = before + granted
    return granted


@internal
@view
def _check_meter(household: address, day: uint32, days: Bytes[384], signatures: Bytes[520]) -> address:
    """The meter of the day, after every one of the eight days was found to be signed by the meter that was there."""
    meter: address = staticcall FORECASTS.meter_at(household, day)
    assert meter != empty(address), "no meter"
    same: bool = staticcall FORECASTS.meter_at(household, day - LAST_BENCHMARK) == meter
    for k: uint256 in range(DAYS):
        signed: uint32 = day if k == 0 else day - FIRST_BENCHMARK + 1 - convert(k, uint32)
        there: address = meter
        if not same:
            there = staticcall FORECASTS.meter_at(household, signed)
        commitment: Bytes[48] = slice(days, 48 * k, 48)
        signer: address = self._signer(household, signed, commitment, slice(signatures, 65 * k, 65))
        assert signer == there and there != empty(address), "not the meter"
    return meter


@internal
@view
def _signer(household: address, day: uint32, commitment: Bytes[48], signature: Bytes[65]) -> address:
    """Who signed a day's commitment (EIP-712); snekmate's ecdsa refuses a high s."""
    content: bytes32 = keccak256(abi_encode(DAY_TYPE, household, day, keccak256(commitment)))
    return ecdsa._recover_sig(keccak256(concat(b"\x19\x01", METER_DOMAIN, content)), signature)
