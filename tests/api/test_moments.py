"""Tests that share a village find its chain whole, whatever the others did in between."""

from __future__ import annotations

from api.protocol.bundle import ClaimBundle
from tests.api.conftest import Moment, Village


def test_a_moment_comes_back_with_all_its_blocks_after_others_have_taken_their_numbers(
    village: Village, before: Moment, claim: ClaimBundle
) -> None:
    chain = village.chain_session.chain

    def blocks() -> list[str]:
        return [chain.tester.get_block_by_number(at)["hash"] for at in range(village.begins, chain.block + 1)]

    after, found = Moment.now(village), blocks()
    before.bring_back(village)
    chain.tester.mine_block()
    assert blocks()[1] != found[1]
    after.bring_back(village)
    assert blocks() == found
