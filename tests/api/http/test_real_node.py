"""A community on a real chain node (anvil): a day is registered and paid there, and the node is away meanwhile; in
the end it is started as another chain's, and with an empty one."""

from __future__ import annotations

import pytest

from api.operator.payer import Payer
from api.protocol.bundle import ClaimBundle, encode
from rewards.claims import claims_close, holdings
from rewards.rpc_client import RpcClient
from tests.api.conftest import DAY, Village
from tests.api.http.test_forecasts import refusal, registered, submit
from tests.support.anvil import Anvil

pytestmark = pytest.mark.process
GWEI = 10**9


def ready(there: Village) -> str:
    """What the server says of its chain."""
    return str(there.client.get("/readyz").json()["checks"]["chain"])


def test_a_day_on_a_node_that_is_away_for_a_while(
    village_on_anvil: Village, claim: ClaimBundle, anvil_node: Anvil
) -> None:
    """What was registered stays so, what was not is asked for again, and nobody restarts the server."""
    there, node = village_on_anvil, anvil_node
    first, second = there.homes[:2]
    told = submit(there, there.bundle(first), first)
    assert told.status_code == 201, told.text
    assert registered(there, first).hex() == there.bundle(first).forecast[2:]
    body = {
        "bundle": there.bundle(second).model_dump(),
        "transaction": there.transaction(second.wallet, there.bundle(second)),
    }
    registry = str(there.chain_session.contracts.forecast_registry.address)
    node.stop()
    for answer in (
        there.client.post("/forecasts", json=body),
        there.client.post("/claims", content=encode(claim)),
        there.client.get(f"/households/{first.wallet.address}/signing"),
        there.client.get(f"/households/{first.wallet.address}/rewards"),
        there.client.get(f"/households/{first.wallet.address}/heads/1"),
    ):
        assert refusal(answer) == (503, "chain-unreachable") and int(answer.headers["retry-after"]) > 0
    assert refusal(there.client.get("/health")) == (503, "not-ready")
    assert "chain node" in there.client.get("/readyz").json()["checks"]["chain"]
    assert [f["household"] for f in there.client.get(f"/forecasts/{DAY}").json()] == [first.wallet.address]
    node.start()
    assert there.client.get("/health").status_code == 200
    again = there.client.post("/forecasts", json=body)
    assert again.status_code == 201, again.text  # the very same transaction
    assert refusal(there.client.post("/claims", content=encode(claim))) == (409, "day-not-over")
    node.be_at(there.community.start_of(DAY + 1))
    assert there.client.post("/claims", content=encode(claim)).status_code == 201, (
        "the contract has checked the proof"
    )
    held = holdings(there.chain_session.chain, there.chain_session.contracts, claim.household)
    assert held.tokens == 0, "it is paid when the claims of its day are closed"
    node.be_at(claims_close(there.chain_session.contracts, DAY))
    Payer(there.community, there.chain_session).look()
    held = holdings(there.chain_session.chain, there.chain_session.contracts, claim.household)
    assert held.tokens == claim.buckets * 10**18 and held.metadata is not None
    prices = there.chain_session.chain.gas_price, RpcClient(node.url, registry).facts(first.wallet.address).gas_price
    assert max(prices) <= 3 * GWEI, "our own offers have not raised what is asked"
    node.stop()
    node.forget()
    node.start(chain_id=31_338)
    assert "answers for chain 31338, and did for chain 31337" in ready(there)
    node.stop()
    node.forget()
    node.start()
    assert "started with an empty chain" in ready(there) and "rewards.rpc_url" in ready(there)
    told = there.client.get("/health")
    assert refusal(told) == (503, "not-ready") and "no contract rewards" in told.json()["detail"]
