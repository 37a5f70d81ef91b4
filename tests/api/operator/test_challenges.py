"""The server registers features and answers challenges by itself, with the bundles that it has."""

from __future__ import annotations

import pytest

from api.operator.challenges import Answerer
from rewards import challenges
from tests.api.conftest import DAY, Village
from tests.api.http.test_forecasts import submit
from tests.rewards.conftest import account


def test_a_doubted_forecast_is_answered_for_by_the_server(village: Village, caplog: pytest.LogCaptureFixture) -> None:
    session, home = village.chain_session, village.homes[0]
    answerer, stranger = Answerer(village.community, session), account(9)
    answerer.look()
    assert session.contracts.challenges is not None
    assert any(session.contracts.challenges.functions.features_of(DAY).call()), "before forecasts are due"
    assert submit(village, village.bundle(home), home).status_code == 201
    session.chain.fund(stranger.address)
    challenges.challenge(session.chain, session.contracts, stranger, home.wallet.address, DAY)
    for _ in range(2):
        answerer.look()
    found = challenges.challenge_of(session.contracts, home.wallet.address, DAY)
    assert found is not None and found.answered
    assert not [r for r in caplog.records if r.name == "api.operator.challenges" and r.levelname == "ERROR"]
