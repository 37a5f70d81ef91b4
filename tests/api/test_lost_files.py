"""Files that are gone, and must not be made anew for what is beside them: said, with nothing changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from api.config.key_file import household_account
from api.gateway.home import Home
from api.one_machine.community import LocalCommunity
from api.operator.community import CONTRACTS, JOURNAL
from api.operator.database.tables import Household
from data.errors import LostFile
from rewards.journal import Journal
from tests.api.conftest import DAY, Village, small_config


@pytest.fixture
def community(tmp_path: Path) -> LocalCommunity:
    return LocalCommunity(small_config(tmp_path))


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


@pytest.mark.parametrize("name", ["wallet.key", "meter.key"])
def test_a_household_that_has_signed_days_gets_no_new_key(tmp_path: Path, name: str) -> None:
    """With one it would be another household, and nobody would notice before its forecasts are refused."""
    home = Home("elm-3", tmp_path)
    assert home.vault.days(home.wallet.address) == []
    (tmp_path / name).unlink()
    before = files(tmp_path)
    for look in (
        lambda: (Home("elm-3", tmp_path).wallet, Home("elm-3", tmp_path).meter),
        lambda: Home("elm-3", tmp_path).vault,
    ):
        with pytest.raises(LostFile, match=rf"{name} is missing.*restore it from your backup"):
            look()
    assert files(tmp_path) == before


def test_a_gateway_signs_nothing_with_a_new_wallet(tmp_path: Path) -> None:
    known = Home("elm-3", tmp_path).vault.path.parent
    assert household_account(known).address == Home("elm-3", tmp_path).wallet.address
    (known / "wallet.key").unlink()
    with pytest.raises(LostFile):
        household_account(known)


def test_a_new_household_gets_its_keys_before_its_vault(tmp_path: Path) -> None:
    assert Home("elm-3", tmp_path).vault.path.exists()
    assert {path.name for path in tmp_path.iterdir()} >= {"wallet.key", "meter.key"}


def test_the_embedded_chain_gets_no_other_beginning(community: LocalCommunity) -> None:
    with Journal(community.folder / JOURNAL) as journal:
        journal.append({"time": community.start_of(DAY)})
    before = files(community.folder)
    for first_day in (None, DAY):
        with pytest.raises(LostFile, match=r"chain\.start is missing, and chain\.jsonl beside it"):
            community.open_chain(first_day)
    assert files(community.folder) == before


def test_a_community_with_households_gets_no_other_contracts(village: Village, community: LocalCommunity) -> None:
    """They would know of no forecast, and pay in other tokens."""
    with village.community.sessions() as known, community.sessions.begin() as session:
        session.merge(known.scalars(select(Household)).first())
    block = village.chain_session.chain.web3.eth.block_number
    with pytest.raises(LostFile, match=rf"{CONTRACTS} is missing, and the database knows households"):
        community.open_contracts(village.chain_session.chain)
    assert village.chain_session.chain.web3.eth.block_number == block, "nothing was deployed"


def test_contracts_get_no_other_operator(community: LocalCommunity) -> None:
    (community.folder / CONTRACTS).write_text("{}")
    with pytest.raises(
        LostFile, match=r"operator\.key is missing, and the contracts of contracts\.json obey no other"
    ):
        _ = community.operator
    assert not (community.folder / "operator.key").exists()
