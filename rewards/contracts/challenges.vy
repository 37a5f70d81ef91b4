# pragma version ~=0.4.3
"""
@title Challenges
@license Apache-2.0
@notice Whether a registered forecast is the output of the day's model. Anybody may doubt it, with a bond, until a week
        after the day; then an inference proof answers within three days, whoever brings it, and takes the bond. A
        forecast that nobody answers for is void: the rewards contract pays nothing for it, and the bond goes back.
        An answer must be the proof that the forecast was registered with, of the round's model, of the personal head in
        force, of the seven days that the household's meter signed, and of the public features that the operator
        registered for the day; FORMS check the proof itself (zkp/evm/entry.py). The contract knows no weather: a day
        without registered features can't be challenged.
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

# The verifier of a form of statement, and its input (zkp/evm/layout.py): rows of the model and of the personal head,
# bytes of the features, bytes of the proof.
struct Form:
    verifier: address
    rows: uint256
    personal: uint256
    features: uint256
    proof: uint256

struct Case:
    challenger: address
    deadline: uint256
    answered: bool
    closed: bool

interface IForecastRegistry:
    def meter_at(household: address, day: uint32) -> address: view
    def forecast_of(household: address, day: uint32) -> bytes32: view
    def head_in_force(household: address, round: uint32, day: uint32) -> bytes32: view
    def day_end(day: uint32) -> uint256: view
    def GRACE() -> uint256: view

interface IModelRegistry:
    def digest_of(round: uint32) -> bytes32: view

event FeaturesPublished:
    day: indexed(uint32)
    digest: bytes32

event Challenged:
    household: indexed(address)
    day: indexed(uint32)
    challenger: address
    deadline: uint256

event Answered:
    household: indexed(address)
    day: indexed(uint32)
    by: address

event Voided:
    household: indexed(address)
    day: indexed(uint32)

DAY: constant(uint256) = 86400
DAYS: constant(uint256) = 7
WHO: constant(uint256) = 28
POINT: constant(uint256) = 48
# The longest input of a form that is taken, and the longest features.
MOST: constant(uint256) = 16384
HEAD_NAME: constant(Bytes[25]) = b"wattproof/personal-head/4"
DAY_TYPE: constant(bytes32) = keccak256("DayCommitment(address household,uint32 day,bytes commitment)")
FILLED_DAY_TYPE: constant(bytes32) = keccak256(
    "FilledDayCommitment(address household,uint32 day,bytes commitment,uint32 measured)"
)
HOURS: constant(uint256) = 24
ALL_MEASURED: constant(uint256) = 2**24 - 1
G1_ADD: constant(address) = 0x000000000000000000000000000000000000000b

# @notice How long after its day a forecast is challenged, and how long an answer is waited for, seconds. Together less
#         than claims are open for.
CHALLENGE_PERIOD: public(constant(uint256)) = 7 * 86400
ANSWER_PERIOD: public(constant(uint256)) = 3 * 86400

FORECASTS: public(immutable(IForecastRegistry))
MODELS: public(immutable(IModelRegistry))
# @notice How many days before its day a forecast's last reading is, at least one.
HORIZON: public(immutable(uint256))
# @notice What a challenge costs, in the chain's smallest unit; it covers the gas of an answer.
BOND: public(immutable(uint256))
METER_DOMAIN: immutable(bytes32)

# @notice Keccak-256 of a day's public features; empty while there are none.
features_of: public(HashMap[uint32, bytes32])
# @notice The challenge of a household's forecast of a day.
case_of: public(HashMap[address, HashMap[uint32, Case]])

# @notice The verifiers without a personal head and with one; what is hashed before a model's rows.
forms: public(Form[2])
prefix: public(Bytes[64])


@deploy
def __init__(forecasts: address, models: address, bond: uint256, prefix: Bytes[64], horizon: uint256, forms: Form[2]):
    """
    @notice The deployer is the first owner, who publishes features.
    @param forecasts The forecast registry.
    @param models The model registry.
    @param bond What a challenge costs.
    @param prefix What is hashed before a model's rows (`zkp.lstm.weights.digest_prefix`).
    @param horizon How many days before its day a forecast's last reading is.
    @param forms The verifiers without a personal head and with one, and their inputs.
    """
    assert horizon > 0, "malformed settings"
    ownable.__init__()
    ownable_2step.__init__()
    FORECASTS = IForecastRegistry(forecasts)
    MODELS = IModelRegistry(models)
    HORIZON = horizon
    BOND = bond
    METER_DOMAIN = keccak256(
        abi_encode(keccak256("EIP712Domain(string name,string version)"), keccak256("Wattproof meter"), keccak256("1"))
    )
    self.prefix = prefix
    self.forms = forms


@external
def publish_features(day: uint32, digest: bytes32):
    """
    @notice The operator says, once and before forecasts are due, what the public features of a day are.
    @param day The day.
    @param digest Keccak-256 of the features, 8 bytes each, steps before exogenous values.
    """
    ownable._check_owner()
    assert digest != empty(bytes32), "empty digest"
    assert self.features_of[day] == empty(bytes32), "features exist"
    due: uint256 = staticcall FORECASTS.day_end(day) - DAY + staticcall FORECASTS.GRACE()
    assert block.timestamp <= due, "late features"
    self.features_of[day] = digest
    log FeaturesPublished(day=day, digest=digest)


@external
@payable
def challenge(household: address, day: uint32):
    """
    @notice Doubt that a forecast is the model's, once for each forecast. The bond is sent along.
    @param household Whose forecast it is.
    @param day The day.
    """
    assert msg.value == BOND, "wrong bond"
    assert staticcall FORECASTS.forecast_of(household, day) != empty(bytes32), "no forecast"
    assert self.features_of[day] != empty(bytes32), "no features"
    assert self.case_of[household][day].challenger == empty(address), "challenged before"
    assert block.timestamp < staticcall FORECASTS.day_end(day) + CHALLENGE_PERIOD, "late challenge"
    deadline: uint256 = block.timestamp + ANSWER_PERIOD
    self.case_of[household][day] = Case(challenger=msg.sender, deadline=deadline, answered=False, closed=False)
    log Challenged(household=household, day=day, challenger=msg.sender, deadline=deadline)


@external
def answer(
    household: address,
    day: uint32,
    personal: bool,
    data: Bytes[MOST],
    days: Bytes[336],
    signatures: Bytes[455],
    ordinates: Bytes[384],
    measured: uint256,
):
    """
    @notice Answer a challenge for a household with its inference proof; the bond goes to who sends it.
    @param household The household.
    @param day The day.
    @param personal Whether the forecast is made with a personal head.
    @param data The input of the form's verifier: statement and proof.
    @param days The meter's commitments of the seven days up to HORIZON days before the day, oldest first, 48 bytes
           each.
    @param signatures The meter's, of each of them, 65 bytes each.
    @param ordinates y of each of the seven commitments, and of their sum, 48 bytes each.
    @param measured Which hours of each day were measured, 24 bits a day, the oldest day's lowest.
    """
    case: Case = self.case_of[household][day]
    assert case.challenger != empty(address), "no challenge"
    assert not case.answered, "answered before"
    assert block.timestamp <= case.deadline, "late answer"
    form: Form = self.forms[1 if personal else 0]
    rows_end: uint256 = WHO + POINT * (form.rows + form.personal)
    proof: uint256 = rows_end + 2 * POINT + form.features
    assert len(data) >= proof + form.proof, "malformed answer"
    assert len(days) == 336 and len(signatures) == 455 and len(ordinates) == 384, "malformed answer"
    self._check_statement(household, day, form, data, rows_end, proof)
    self._check_days(household, day, days, signatures, measured)
    self._check_window(slice(data, rows_end, POINT), days, ordinates)
    accepted: bool = False
    output: Bytes[32] = b""
    accepted, output = raw_call(
        form.verifier, data, max_outsize=32, is_static_call=True, revert_on_failure=False
    )
    assert accepted and len(output) == 32 and convert(output, uint256) == 1, "invalid proof"
    self.case_of[household][day].answered = True
    self.case_of[household][day].closed = True
    log Answered(household=household, day=day, by=msg.sender)
    send(msg.sender, BOND)


@external
def close(household: address, day: uint32):
    """
    @notice Give the bond of a challenge that nobody has answered in time back to its challenger. Anybody may call.
    @param household The household.
    @param day The day.
    """
    case: Case = self.case_of[household][day]
    assert self._is_void(household, day), "not void"
    assert not case.closed, "closed before"
    self.case_of[household][day].closed = True
    log Voided(household=household, day=day)
    send(case.challenger, BOND)


@external
@view
def is_void(household: address, day: uint32) -> bool:
    """
    @notice Whether nobody has answered for a challenged forecast in time.
    @param household The household.
    @param day The day.
    @return Whether it is worth nothing.
    """
    return self._is_void(household, day)


@internal
@view
def _is_void(household: address, day: uint32) -> bool:
    case: Case = self.case_of[household][day]
    return case.challenger != empty(address) and not case.answered and block.timestamp > case.deadline


@internal
@view
def _check_statement(
    household: address, day: uint32, form: Form, data: Bytes[MOST], rows_end: uint256, proof: uint256
):
    """Who, when, by which model, head and features; and that it is the registered forecast's very proof."""
    round: uint32 = convert(convert(slice(data, 24, 4), bytes4), uint32)
    assert slice(data, 0, 24) == concat(convert(household, bytes20), convert(day, bytes4)), "another forecast"
    model: bytes32 = keccak256(concat(self.prefix, slice(data, WHO, POINT * form.rows)))
    assert model == staticcall MODELS.digest_of(round), "another model"
    head: bytes32 = empty(bytes32)
    if form.personal > 0:
        head = keccak256(concat(HEAD_NAME, model, slice(data, WHO + POINT * form.rows, POINT * form.personal)))
    assert head == staticcall FORECASTS.head_in_force(household, round, day), "wrong head"
    assert keccak256(slice(data, rows_end + 2 * POINT, form.features)) == self.features_of[day], "other features"
    kept: bytes32 = keccak256(
        concat(slice(data, rows_end + POINT, POINT), slice(data, 24, 4), keccak256(slice(data, proof, form.proof)))
    )
    assert kept == staticcall FORECASTS.forecast_of(household, day), "another forecast"


@internal
@view
def _check_days(household: address, day: uint32, days: Bytes[336], signatures: Bytes[455], measured: uint256):
    """A model may read hours that were filled in, as far as the meter signed them as such."""
    for k: uint256 in range(DAYS):
        signed: uint32 = day - convert(HORIZON - 1 + DAYS - k, uint32)
        commitment: Bytes[48] = slice(days, POINT * k, POINT)
        hours: uint256 = measured >> (HOURS * k) & ALL_MEASURED
        content: bytes32 = keccak256(abi_encode(DAY_TYPE, household, signed, keccak256(commitment)))
        if hours != ALL_MEASURED:
            content = keccak256(abi_encode(FILLED_DAY_TYPE, household, signed, keccak256(commitment), hours))
        digest: bytes32 = keccak256(concat(b"\x19\x01", METER_DOMAIN, content))
        signer: address = ecdsa._recover_sig(digest, slice(signatures, 65 * k, 65))
        assert signer == staticcall FORECASTS.meter_at(household, signed) and signer != empty(address), "not the meter"


@internal
@view
def _check_window(window: Bytes[48], days: Bytes[336], ordinates: Bytes[384]):
    """The window's commitment is the sum of the seven days'. The verifier asks for its subgroup."""
    total: uint256[4] = compressed_point._coordinates(slice(days, 0, POINT), slice(ordinates, 0, POINT))
    for k: uint256 in range(1, DAYS):
        point: uint256[4] = compressed_point._coordinates(slice(days, POINT * k, POINT), slice(ordinates, POINT * k, POINT))
        accepted: bool = False
        output: Bytes[128] = b""
        accepted, output = raw_call(
            G1_ADD, abi_encode(total, point), max_outsize=128, is_static_call=True, revert_on_failure=False
        )
        assert accepted and len(output) == 128, "malformed point"
        total = abi_decode(output, uint256[4])
    stated: uint256[4] = compressed_point._coordinates(window, slice(ordinates, POINT * DAYS, POINT))
    assert keccak256(abi_encode(total)) == keccak256(abi_encode(stated)), "another window"
