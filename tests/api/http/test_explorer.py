"""What the page asks of a proof and a household: is it as registered, which days, what would be claimed."""

from __future__ import annotations

from sqlalchemy import update

from api.one_machine.day import register
from api.operator.chain_session import claim_of
from api.operator.database.tables import Forecast
from api.operator.paid_claims import settle
from api.protocol.bundle import ClaimBundle, encode
from rewards.claims import claim_call
from tests.api.conftest import DAY, Village


def test_what_is_given_out_is_compared_with_the_chain(village: Village) -> None:
    home, other = village.homes[:2]
    path = f"/v1/forecasts/{home.wallet.address}/{DAY}/registration"
    assert village.client.get(path).json()["error"] == "no-forecast"
    for one in (home, other):
        register(village.community, village.chain_session, one, village.bundle(one))
    assert village.client.get(path).json() == {"household": home.wallet.address, "day": DAY, "agrees": True}
    with village.community.sessions.begin() as session:
        wrong = update(Forecast).where(Forecast.household == home.wallet.address)
        session.execute(wrong.values(bundle=encode(village.bundle(other))))
    assert village.client.get(path).json()["agrees"] is False


def test_the_days_of_a_household(village: Village, claim: ClaimBundle) -> None:
    settle(village.community, village.chain_session, claim)
    answer = village.client.get(f"/v1/households/{claim.household.lower()}/days")
    assert answer.json() == [{"day": DAY, "in_total": False, "claimed": True, "green_percent": None}]
    assert village.client.get(f"/v1/households/{claim.household}/days?after={DAY}").json() == []
    stranger = village.client.get(f"/v1/households/0x{'1' * 40}/days")
    assert (stranger.status_code, stranger.json()["error"]) == (404, "unknown-household")


def test_a_wallet_is_given_the_very_call_that_the_server_would_send(village: Village, claim: ClaimBundle) -> None:
    told = village.client.post("/v1/claims/call", content=encode(claim)).json()
    contracts, chain = village.chain_session.contracts, village.chain_session.chain
    assert told["to"] == contracts.rewards.address and told["chain_id"] == chain.chain_id
    assert (
        contracts.rewards.decode_function_input(told["data"])[0].fn_name
        == claim_call(contracts, claim_of(contracts, claim)).fn_name
    )
    sender = chain.tester.get_accounts()[0]
    chain.web3.eth.call({"from": sender, "to": told["to"], "data": told["data"], "gas": 10_000_000}, "pending")
    settle(village.community, village.chain_session, claim)
    again = village.client.post("/v1/claims/call", content=encode(claim))
    assert (again.status_code, again.json()["error"]) == (409, "already-claimed")
    bundle = encode(village.bundle(village.homes[0]))
    assert village.client.post("/v1/claims/call", content=bundle).json()["error"] == "malformed-proof"
