# pragma version ~=0.4.3
"""
@title Settlement payments
@license Apache-2.0
@notice Pays members' shares of settled periods in a token (ERC-20), from an escrow that the community's operator fills
        for each period. The operator decides, once, what a watt-hour is paid with on each side, and pays in as much as
        all of the shared energy comes to: so every share that is under the period's root in REGISTRY is covered, and
        nothing is minted. Anybody may bring shares; each is paid to its household, once.
        What holds whatever roots are published: a household is paid once for a period and side; no day is in two funded
        periods; on each side no more is paid for than was shared; a period pays from its own escrow only. What members
        have not brought in half a year, and what rounding has left, the operator may take back.
"""
from ethereum.ercs import IERC20
from snekmate.auth import ownable
from snekmate.auth import ownable_2step

initializes: ownable
initializes: ownable_2step[ownable := ownable]
exports: (
    ownable_2step.owner, ownable_2step.pending_owner, ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)

interface ISettlementRegistry:
    def is_share(
        first_day: uint32, last_day: uint32, household: address, side: uint8, wh: uint256, proof_hash: bytes32,
        path: DynArray[bytes32, DEPTH],
    ) -> bool: view

# What a period is paid from. `rate`, `paid_wh`: by side, 0 of what was taken, 1 of what was fed in.
struct Budget:
    shared_wh: uint256
    rate: uint256[2]
    paid_wh: uint256[2]
    left: uint256
    reclaimable_at: uint256

# A share as a leaf of the registry says it, with its path to the root.
struct Brought:
    household: address
    side: uint8
    wh: uint256
    proof_hash: bytes32
    path: DynArray[bytes32, DEPTH]

event Funded:
    first_day: indexed(uint32)
    last_day: indexed(uint32)
    shared_wh: uint256
    rate: uint256[2]
    amount: uint256

event Paid:
    household: indexed(address)
    first_day: indexed(uint32)
    last_day: indexed(uint32)
    side: uint8
    wh: uint256
    amount: uint256

event Reclaimed:
    first_day: indexed(uint32)
    last_day: indexed(uint32)
    amount: uint256

DEPTH: constant(uint256) = 16
MANY: constant(uint256) = 64
MOST_DAYS: constant(uint32) = 366
WORD: constant(uint32) = 256
# Words that a period's days are in, at most.
WORDS: constant(uint32) = 3

# @notice How long members have to bring their shares, seconds.
CLAIM_PERIOD: public(constant(uint256)) = 180 * 86400

REGISTRY: public(immutable(ISettlementRegistry))
TOKEN: public(immutable(IERC20))

# @notice By first and last day: the period's budget, and by household and side whether its share was paid.
budget_of: public(HashMap[uint32, HashMap[uint32, Budget]])
is_paid: public(HashMap[uint32, HashMap[uint32, HashMap[address, HashMap[uint8, bool]]]])
# A bit for each day: whether it is in a funded period.
_funded: HashMap[uint32, uint256]


@deploy
def __init__(registry: address, token: address):
    """
    @notice The deployer is the first owner, the community's operator.
    @param registry The community's settlement registry.
    @param token What shares are paid with.
    """
    ownable.__init__()
    ownable_2step.__init__()
    assert registry.is_contract and token.is_contract, "no contract"
    REGISTRY = ISettlementRegistry(registry)
    TOKEN = IERC20(token)


@external
@nonreentrant
def fund(first_day: uint32, last_day: uint32, shared_wh: uint256, rate: uint256[2]):
    """
    @notice The operator pays in what a period's shared energy comes to; it decides so once.
    @param first_day The period's first day.
    @param last_day Its last day.
    @param shared_wh What was shared in it.
    @param rate What a watt-hour is paid with, of what was taken and of what was fed in, in the token's smallest unit.
    """
    ownable._check_owner()
    amount: uint256 = shared_wh * (rate[0] + rate[1])
    assert amount != 0, "nothing to pay"
    self._take_days(first_day, last_day)
    self.budget_of[first_day][last_day] = Budget(
        shared_wh=shared_wh, rate=rate, paid_wh=[0, 0], left=amount,
        reclaimable_at=block.timestamp + CLAIM_PERIOD,
    )
    before: uint256 = staticcall TOKEN.balanceOf(self)
    assert extcall TOKEN.transferFrom(msg.sender, self, amount, default_return_value=True), "no tokens"
    assert staticcall TOKEN.balanceOf(self) == before + amount, "the token keeps a part"
    log Funded(first_day=first_day, last_day=last_day, shared_wh=shared_wh, rate=rate, amount=amount)


@external
@nonreentrant
def pay(first_day: uint32, last_day: uint32, share: Brought):
    """
    @notice Pay a household its share.
    @param first_day The period's first day.
    @param last_day Its last day.
    @param share The share, and its path to the period's root.
    """
    assert not self.is_paid[first_day][last_day][share.household][share.side], "paid before"
    self._pay(first_day, last_day, share)


@external
@nonreentrant
def pay_many(first_day: uint32, last_day: uint32, shares: DynArray[Brought, MANY]):
    """
    @notice Pay several shares of a period; those that were paid before are passed over.
    @param first_day The period's first day.
    @param last_day Its last day.
    @param shares The shares, each with its path to the period's root.
    """
    for share: Brought in shares:
        if not self.is_paid[first_day][last_day][share.household][share.side]:
            self._pay(first_day, last_day, share)


@external
@nonreentrant
def reclaim(first_day: uint32, last_day: uint32):
    """
    @notice The operator takes back what is left of a period, half a year after it was funded.
    @param first_day The period's first day.
    @param last_day Its last day.
    """
    ownable._check_owner()
    budget: Budget = self.budget_of[first_day][last_day]
    assert budget.left != 0, "nothing is left"
    assert block.timestamp >= budget.reclaimable_at, "too early"
    self.budget_of[first_day][last_day].left = 0
    log Reclaimed(first_day=first_day, last_day=last_day, amount=budget.left)
    assert extcall TOKEN.transfer(msg.sender, budget.left, default_return_value=True), "no tokens"


@internal
def _pay(first_day: uint32, last_day: uint32, share: Brought):
    """What is written down is written before the token is called."""
    assert share.side < 2, "no side"
    assert staticcall REGISTRY.is_share(
        first_day, last_day, share.household, share.side, share.wh, share.proof_hash, share.path
    ), "not a share"
    budget: Budget = self.budget_of[first_day][last_day]
    assert budget.shared_wh != 0, "the period is not funded"
    side: uint256 = convert(share.side, uint256)
    paid_wh: uint256 = budget.paid_wh[side] + share.wh
    assert paid_wh <= budget.shared_wh, "more than was shared"
    amount: uint256 = share.wh * budget.rate[side]
    assert amount <= budget.left, "nothing is left"
    self.is_paid[first_day][last_day][share.household][share.side] = True
    self.budget_of[first_day][last_day].paid_wh[side] = paid_wh
    self.budget_of[first_day][last_day].left = budget.left - amount
    log Paid(
        household=share.household, first_day=first_day, last_day=last_day, side=share.side, wh=share.wh, amount=amount
    )
    if amount != 0:
        assert extcall TOKEN.transfer(share.household, amount, default_return_value=True), "no tokens"


@internal
def _take_days(first_day: uint32, last_day: uint32):
    """Refuse a period with a day that is in another one: its energy would be paid for twice."""
    assert first_day <= last_day and last_day - first_day < MOST_DAYS, "no period"
    for k: uint32 in range(WORDS):
        word: uint32 = first_day // WORD + k
        if word > last_day // WORD:
            break
        low: uint32 = first_day % WORD if k == 0 else 0
        high: uint32 = last_day % WORD if word == last_day // WORD else WORD - 1
        ones: uint256 = max_value(uint256) >> convert(WORD - 1 - (high - low), uint256)
        days: uint256 = ones << convert(low, uint256)
        assert self._funded[word] & days == 0, "a day is in another period"
        self._funded[word] |= days
