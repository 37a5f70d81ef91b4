"""`python -m bench.gas`: the gas of every step on the chain, as one JSON line; writes out/bench/gas.json,
of which `make figures` makes the table of docs/protocol.md.

A community of one household on the embedded chain, by its own clock: deployment, enrolment, a round, a personal
head, a forecast, a claim, its payment; and inference proofs of the model that communities have, without a personal
head and with one. Nothing here depends on the machine.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from eth_account import Account
from eth_account.signers.local import LocalAccount

from api.operator.settlement_payment import brought
from api.protocol.period import SIDES, BlockRecord, DayRecord, Key, Period, Side
from api.protocol.settlement import Settlement, Share
from bench.local_rounds import OUT, SHAPE
from bench.proof_case import COMMUNITY, FIRST_DAY, Case
from data.atomic import write_bytes
from data.meter import Meter
from rewards.batches import Leaf, Tree
from rewards.chain import Chain
from rewards.claims import Claim, Granted, claims_close, pay_day, submit_claim
from rewards.claims_together import TOGETHER, submit_claims
from rewards.compile import artefact
from rewards.deploy import Contracts, deploy
from rewards.green import GreenDay, claim_green, pay_green_day, publish_weights
from rewards.inference_verifier import call_data, deploy_inference_verifier, parts
from rewards.membership import enrol
from rewards.settings import RewardSettings
from rewards.settlement_payments import deploy_payments, fund, leaf, pay
from rewards.settlements import deploy_settlements, publish_root
from zkp.algebra.commitment import commit_forecast
from zkp.lstm.integer_model import OUTPUTS, Shape
from zkp.lstm.weights import HeadOpening, commit_weights
from zkp.statements import green_share, skill
from zkp.statements.context import Context
from zkp.statements.total import Total

_DAY_S, _HOURS = 86_400, 24
_WEIGHTS = (255,) * 12 + (0,) * 12
_VERIFY_GAS = 16_000_000
_DEPLOYED = "deploy inference_verifier"
DAY_START_UTC = 8
BATCH = 128


def _account(number: int) -> LocalAccount:
    account: LocalAccount = Account.from_key(number.to_bytes(32, "big"))
    return account


@dataclass(frozen=True)
class Community:
    """The chain of a community with one household, whose meter is here, too."""

    chain: Chain
    contracts: Contracts
    operator: LocalAccount
    household: LocalAccount
    meter: Meter

    @classmethod
    def founded(cls) -> Community:
        chain = Chain.embedded(start_time=(FIRST_DAY - 1) * _DAY_S)
        operator, household, meter = _account(1), _account(2), Meter((3).to_bytes(32, "big"))
        contracts = deploy(chain, operator, RewardSettings(), DAY_START_UTC, COMMUNITY)
        chain.fund(household.address)
        registry = contracts.forecast_registry.functions
        chain.send(operator, registry.assign_meter(household.address, meter.address, 0))
        enrol(chain, contracts, operator, household)
        chain.send(operator, contracts.model_registry.functions.publish(1, b"\1" * 32))
        return cls(chain, contracts, operator, household, meter)

    def advance_to(self, day: int) -> None:
        self.chain.advance_to(day * _DAY_S + DAY_START_UTC * 3600)


def play_a_day(community: Community, day: int = FIRST_DAY) -> None:
    """A head is pinned, a forecast registered, claimed, and paid: 80 Wh off each hour, benchmarks 200 and more. The
    day's green share as well."""
    chain, contracts, operator = community.chain, community.contracts, community.operator
    community.advance_to(day - 1)
    publish_weights(chain, contracts, operator, day, _WEIGHTS)
    claim = registered(community, community.household, community.meter, day)
    community.advance_to(day + 1)
    submit_claim(chain, contracts, operator, claim)
    claim_green(chain, contracts, operator, green_day(community, day))
    chain.advance_to(claims_close(contracts, day))
    pay_day(chain, contracts, operator, day, [community.household.address])
    pay_green_day(chain, contracts, operator, day, [community.household.address])


def green_day(community: Community, day: int) -> GreenDay:
    """Of a day of which nearly all load was in the green half."""
    household, readings = community.household.address, [8000] * 12 + [2000] * 12
    signed, opening = community.meter.sign_day(household, day, readings)
    context = Context(COMMUNITY, bytes.fromhex(household[2:]), day, 0)
    statement = green_share.Statement(context, signed.commitment, _WEIGHTS, 80)
    return GreenDay(statement, green_share.prove(statement, readings, opening.blinding), signed.signature)


def registered(community: Community, household: LocalAccount, meter: Meter, day: int = FIRST_DAY) -> Claim:
    """A household pins a head, where it has not, and registers a forecast; the claim of its day."""
    actual = [5000 + 10 * hour for hour in range(_HOURS)]
    forecast = [a + 80 for a in actual] * 2
    past = [[a - 200 - 10 * k for a in actual] for k in range(len(skill.BENCHMARK_DAYS))]
    days = zip((day, *(day - back for back in skill.BENCHMARK_DAYS)), (actual, *past), strict=True)
    (signed, opening), *before = (meter.sign_day(household.address, d, r) for d, r in days)
    registry = community.contracts.forecast_registry.functions
    if not any(registry.head_of(household.address, 1).call()[0]):
        community.chain.send(household, registry.pin_head(1, b"\2" * 32))
    context = Context(COMMUNITY, bytes.fromhex(household.address[2:]), day, 1)
    commitment = commit_forecast(forecast, 5)
    community.chain.send(household, registry.submit(day, 1, b"\2" * 32, commitment, b"\4" * 32))
    blinding = sum(known.blinding for _, known in before)
    secrets = skill.Secrets(forecast, actual, past, 5, opening.blinding, blinding)
    commitments = tuple(one.commitment for one, _ in before)
    statement = skill.Statement(context, commitment, signed.commitment, commitments, skill.most_buckets(secrets))
    proof, signatures = skill.prove(statement, secrets), (signed.signature, *(one.signature for one, _ in before))
    return Claim(statement, b"\4" * 32, proof, signatures)


def claim_together(community: Community, count: int = TOGETHER) -> dict[str, int]:
    """Gas of a claim among so many in one transaction, each of another household, its first one in the year."""
    chain, contracts, operator = community.chain, community.contracts, community.operator
    claims = []
    for number in range(count):
        household, meter = _account(1000 + number), Meter((2000 + number).to_bytes(32, "big"))
        chain.fund(household.address)
        call = contracts.forecast_registry.functions.assign_meter(household.address, meter.address, 0)
        chain.send(operator, call)
        enrol(chain, contracts, operator, household)
        claims.append(registered(community, household, meter))
    community.advance_to(FIRST_DAY + 1)
    assert all(isinstance(taken, Granted) for taken in submit_claims(chain, contracts, operator, claims))
    return {f"reward_many_{count}": -(-chain.gas["claim_many"][-1] // count)}


def batch(community: Community) -> dict[str, int]:
    """Gas of a day of 128 households as one root, for each of them, and of registering one leaf of it."""
    chain, contracts, household = community.chain, community.contracts, community.household
    registry, day = contracts.forecast_registry.functions, FIRST_DAY
    leaf = Leaf(household.address, day, 1, b"\2" * 32, b"\x88" * 48, b"\4" * 32)
    where = chain.chain_id, str(contracts.forecast_registry.address)
    digests = {number: bytes([number]) * 32 for number in range(1, BATCH + 1)}
    mine = int(registry.number_of(household.address).call())
    tree = Tree(digests | {mine: leaf.digest(*where)})
    root = chain.send(community.operator, registry.submit_root(day, tree.root))
    signature = leaf.sign(household, *where)
    call = registry.register_leaf(
        household.address, day, 1, leaf.commitment, leaf.proof_hash, signature, tree.path(mine)
    )
    registered = chain.send(community.operator, call)
    return {
        f"register_batched_{BATCH}": -(-int(root["gasUsed"]) // BATCH),
        "register_leaf": int(registered["gasUsed"]),
    }


def verify_inference(chain: Chain, operator: LocalAccount, shape: Shape, *, personal: bool) -> dict[str, int]:
    """Gas of checking a proof in a transaction of its own, of deploying what checks it, and the sizes of these."""
    state, model = Case.model_of(shape, 1)
    case = Case(state, model, commit_weights(model.weights), 1)
    home = case.home(2, 1)
    if personal:
        head = HeadOpening.blind(shape, np.zeros((OUTPUTS, shape.personal_inputs), dtype=np.int64))
        statement = replace(home.statement, personal=head.commit(shape))
        home = replace(home, statement=statement, secrets=replace(home.secrets, personal=head))
    proof, earlier = home.prove(model.weights), len(chain.gas[_DEPLOYED])
    address = deploy_inference_verifier(chain, operator, COMMUNITY, shape, personal=personal)
    deployed = chain.gas[_DEPLOYED][earlier:]
    used = _sent(chain, operator, address, call_data(home.statement, proof))
    name = "verify_inference_personal" if personal else "verify_inference"
    contracts = [len(code) for code in parts(shape, personal=personal).codes]
    return {
        name: used,
        f"{name}_deployment": sum(deployed),
        f"{name}_deployment_largest": max(deployed),
        f"{name}_contracts": len(deployed),
        f"{name}_code_bytes": sum(contracts),
        f"{name}_proof_bytes": len(proof),
    }


def _sent(chain: Chain, sender: LocalAccount, address: str, data: bytes) -> int:
    """The gas of a transaction that asks a contract. Raises Refused."""
    fields: dict[str, Any] = {
        "to": chain.web3.to_checksum_address(address), "data": data, "gas": _VERIFY_GAS, "value": 0,
        "gasPrice": 2 * chain.gas_price, "nonce": chain.nonce_of(sender.address), "chainId": chain.chain_id,
    }  # fmt: skip
    raw = bytes(sender.sign_transaction(fields).raw_transaction)
    return int(chain.relay(raw, address, "0x" + data.hex(), "verify_inference")["gasUsed"])


def pay_shares(homes: int = 17) -> dict[str, int]:
    """Gas of paying the shares of a settled month in tokens: of one of them, and of all of them together."""
    chain, operator = Chain.embedded(), _account(1)
    chain.fund(operator.address)
    token = chain.deploy(operator, artefact("reward_token"))
    chain.send(operator, token.functions.propose_minter(operator.address))
    chain.send(operator, token.functions.mint(operator.address, 10**9))
    nothing = Total((0,) * _HOURS, 0)
    month = tuple(DayRecord(day, (BlockRecord(day, (), (), (), nothing),)) for day in (FIRST_DAY, FIRST_DAY + 30))
    shares: dict[tuple[str, Side], Share] = {
        (_account(k + 2).address, side): Share(10_000 + k, b"proof") for k in range(homes) for side in SIDES
    }
    settlement = Settlement(Period("bench", Key(), month), shares)
    registry = deploy_settlements(chain, operator, settlement.period.identifier)
    payments = deploy_payments(chain, operator, str(registry.address), str(token.address))
    days, brought_ = (month[0].day, month[-1].day), brought(settlement)
    publish_root(chain, registry, operator, days, settlement.root, 20_000 * homes)
    fund(chain, payments, operator, days, 20_000 * homes, (3, 5))
    chain.send(operator, payments.functions.pay(*days, leaf(brought_[0])))
    pay(chain, payments, operator, days, brought_)
    return {
        "settlement_payments_new": chain.gas["deploy settlement_payments"][-1],
        "fund_period": chain.gas["fund"][-1],
        "pay_share": chain.gas["pay"][-1],
        f"pay_shares_{2 * homes - 1}": chain.gas["pay_many"][-1],
    }


def measure() -> dict[str, int]:
    community = Community.founded()
    community.chain.send(community.household, community.contracts.forecast_registry.functions.pin_head(1, b"\2" * 32))
    batched = batch(community)
    together = claim_together(Community.founded())
    community = Community.founded()
    play_a_day(community)
    gas: dict[str, int] = {
        name.replace(" ", "_"): max(each) for name, each in sorted(community.chain.gas.items()) if name != "fund"
    }
    gas |= pay_shares()
    gas |= (
        batched
        | together
        | {"register_direct": gas["submit"], "reward_single": gas["claim"], "note": gas["claim_green"]}
    )
    for personal in (False, True):
        gas |= verify_inference(community.chain, community.operator, Shape(**asdict(SHAPE)), personal=personal)
    return gas


def main() -> None:
    gas = measure()
    OUT.mkdir(parents=True, exist_ok=True)
    write_bytes(OUT / "gas.json", json.dumps(gas, indent=1).encode())
    print(json.dumps(gas))


if __name__ == "__main__":
    main()
