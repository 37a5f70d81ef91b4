"""A community on a real chain node (anvil): a day is registered and paid there, and the node is away meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.one_machine.community import LocalCommunity
from api.one_machine.day import pin_heads
from api.operator.chain_session import open_chain_session, publish_round
from api.operator.payer import Payer
from api.protocol.bundle import ClaimBundle, encode
from rewards.claims import claims_close, holdings
from rewards.rpc_client import RpcClient
from rewards.settings import RewardSettings
from tests.api.conftest import DAY, Village, app_of, small_config
from tests.api.http.test_forecasts import refusal, registered, submit
from tests.support.anvil import Anvil, anvil
from tests.support.documented import DocumentedClient

pytestmark = pytest.mark.process
_AHEAD_S, GWEI = 3600, 10**9


@pytest.fixture
def node(village: Village, tmp_path: Path) -> Iterator[Anvil]:
    with anvil(tmp_path, village.community.start_of(DAY) - _AHEAD_S) as started:
        yield started


@pytest.fixture
def there(village: Village, claim: ClaimBundle, node: Anvil, tmp_path: Path) -> Iterator[Village]:
    """The village's homes, models and proofs on that node. (`claim` was proven before.)"""
    shutil.copytree(village.community.folder / "homes", tmp_path / "state" / "homes")
    key = tmp_path / "operator.key"
    key.write_text("11" * 32)
    rewards = RewardSettings.model_validate({"rpc_url": node.url, "key_file": key})
    community = LocalCommunity(small_config(tmp_path / "state").model_copy(update={"rewards": rewards}))
    for account in (community.operator, *(home.wallet for home in community.homes)):
        node.fund(account.address)
    session = open_chain_session(community)
    publish_round(community, session, village.trained)
    pin_heads(community, session, village.trained.round)
    app = app_of(community, session)
    with app.state.work:
        yield replace(village, community=community, chain_session=session, client=DocumentedClient(app))


def test_a_day_on_a_node_that_is_away_for_a_while(there: Village, claim: ClaimBundle, node: Anvil) -> None:
    """What was registered stays so, what was not is asked for again, and nobody restarts the server."""
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
