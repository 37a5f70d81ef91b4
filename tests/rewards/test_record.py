"""The household record: streaks by days, levels, its picture, and the ERCs to the letter."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from rewards.chain import Chain
from rewards.compile import artefact
from rewards.errors import Refused
from tests.rewards.conftest import DAY, DAY_START, account
from tests.support.laws import examples

pytestmark = pytest.mark.slow

OFFSET = 8 * 3600
SVG = "{http://www.w3.org/2000/svg}"
NAMES = ("days", "last_day", "best_streak", "best_buckets", "buckets", "green")


@dataclass
class Records:
    """The contract by itself; its operator notes days."""

    chain: Chain
    contract: Any

    @property
    def functions(self) -> Any:
        return self.contract.functions

    def note(self, *days: int, household: int = 2, buckets: int = 5) -> None:
        for day in days:
            call = self.functions.record_day(account(household).address, day, buckets)
            self.chain.send(account(1), call, 300_000)

    def read(self, household: int = 2) -> dict[str, int]:
        return dict(zip(NAMES, self.functions.record_of(account(household).address).call(), strict=True))

    def streak(self, household: int = 2) -> int:
        return int(self.functions.streak_of(account(household).address).call())

    def metadata(self, household: int = 2) -> dict[str, Any]:
        uri = self.functions.tokenURI(token(household)).call()
        kind, content = uri.split(",", 1)
        assert kind == "data:application/json;base64"
        found: dict[str, Any] = json.loads(b64decode(content, validate=True))
        return found


def token(household: int = 2) -> int:
    return int(account(household).address, 16)


@pytest.fixture(scope="module")
def deployed() -> Records:
    chain = Chain.embedded(start_time=DAY_START)
    for who in (1, 2):
        chain.fund(account(who).address)
    contract = chain.deploy(account(1), artefact("household_nft"), OFFSET)
    chain.send(account(1), contract.functions.propose_minter(account(1).address))
    return Records(chain, contract)


@pytest.fixture
def records(deployed: Records) -> Iterator[Records]:
    snapshot, moment = deployed.chain.tester.take_snapshot(), deployed.chain.now
    yield deployed
    deployed.chain.tester.revert_to_snapshot(snapshot)
    deployed.chain.reset_clock(moment)


def longest_run(days: set[int]) -> int:
    starts = [day for day in days if day - 1 not in days]
    return max(next(k for k in range(1, 400) if day + k not in days) for day in starts)


@examples(8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(DAY - 14, DAY - 1), min_size=1, max_size=10, unique=True))
def test_streaks_are_by_days_whatever_the_order_of_claims(records: Records, days: list[int]) -> None:
    snapshot, moment = records.chain.tester.take_snapshot(), records.chain.now
    records.note(*days)
    last = max(days)
    present = next(k for k in range(1, 20) if last - k not in days)
    assert records.read() == {
        "days": len(days), "last_day": last, "best_streak": longest_run(set(days)), "best_buckets": 5,
        "buckets": 5 * len(days), "green": 0,
    }  # fmt: skip
    assert records.streak() == present
    records.chain.tester.revert_to_snapshot(snapshot)
    records.chain.reset_clock(moment)


def test_a_streak_ends_when_a_day_is_missing_that_cannot_be_claimed_any_more(records: Records) -> None:
    """By absence alone: nothing has to be noted for it."""
    records.note(DAY - 3, DAY - 2)
    assert records.streak() == 2
    records.chain.advance_to(DAY_START + 15 * 86_400)
    assert records.streak() == 2
    records.chain.advance_to(DAY_START + 16 * 86_400)
    records.note(DAY - 9, household=5)  # a block of that time
    assert records.streak() == 0
    assert records.read()["best_streak"] == 2


def test_only_the_minter_notes_days(records: Records) -> None:
    with pytest.raises(Refused, match="not the minter"):
        records.chain.send(account(2), records.functions.record_day(account(2).address, DAY, 1))


def test_a_burnt_record_stays_burnt(records: Records) -> None:
    """The attack: anybody's claim makes the record anew of a household that has withdrawn."""
    records.note(DAY - 2)
    records.chain.send(account(2), records.functions.burn())
    records.note(DAY - 1)
    assert records.read() == dict.fromkeys(NAMES, 0)
    assert records.functions.totalSupply().call() == 0
    with pytest.raises(Refused, match="no record"):
        records.chain.send(account(2), records.functions.burn())


def burn_signature(records: Records, deadline: int, signer: int = 2) -> bytes:
    domain = {
        "name": "Wattproof household", "version": "1", "chainId": records.chain.chain_id,
        "verifyingContract": str(records.contract.address),
    }  # fmt: skip
    types = {"Burn": [{"name": "household", "type": "address"}, {"name": "deadline", "type": "uint256"}]}
    content = {"household": account(2).address, "deadline": deadline}
    return bytes(account(signer).sign_message(encode_typed_data(domain, types, content)).signature)


def test_a_record_is_burnt_by_its_households_signature_whoever_sends_it(records: Records) -> None:
    records.note(DAY - 2)
    deadline, who = records.chain.now + 60, account(2).address
    burn = records.functions.burn_by_signature
    with pytest.raises(Refused, match="not the household"):
        records.chain.send(account(1), burn(who, deadline, burn_signature(records, deadline, signer=3)))
    records.chain.send(account(1), burn(who, deadline, burn_signature(records, deadline)))
    assert records.functions.is_burnt(who).call()
    with pytest.raises(Refused, match="signature is late"):
        records.chain.send(account(1), burn(who, DAY_START - 1, burn_signature(records, DAY_START - 1)))


def test_the_token_is_locked_and_nothing_moves_it(records: Records) -> None:
    """ERC-5192: `locked` throws for no token."""
    call = {"gas": 1_000_000}
    with pytest.raises(Exception, match="invalid token ID"):
        records.functions.locked(token()).call(call)
    records.note(DAY)
    assert records.functions.locked(token()).call() is True
    me, other, n = account(2).address, account(1).address, token()
    for move in (
        records.functions.transferFrom(me, other, n),
        records.functions["safeTransferFrom(address,address,uint256)"](me, other, n),
        records.functions["safeTransferFrom(address,address,uint256,bytes)"](me, other, n, b""),
        records.functions.approve(other, n),
        records.functions.setApprovalForAll(other, True),
    ):
        with pytest.raises(Refused, match="bound to its household"):
            records.chain.send(account(2), move)
    assert records.functions.ownerOf(n).call() == me


@pytest.mark.parametrize(
    ("interface", "is_there"),
    [
        ("01ffc9a7", True),
        ("80ac58cd", True),
        ("5b5e139f", True),
        ("780e9d63", True),
        ("49064906", True),
        ("b45a3c0e", True),
        ("ffffffff", False),
    ],
)
def test_interfaces_are_told_as_by_erc_165(interface: str, is_there: bool, records: Records) -> None:
    assert records.functions.supportsInterface(bytes.fromhex(interface)).call() is is_there


def test_minting_and_every_day_are_told_by_events(records: Records) -> None:
    records.note(DAY - 1, DAY)
    first = 0
    events = records.contract.events
    assert [e["args"]["tokenId"] for e in events.Locked().get_logs(from_block=first)] == [token()]
    assert [e["args"]["_tokenId"] for e in events.MetadataUpdate().get_logs(from_block=first)] == [token()] * 2


def test_metadata_and_picture_are_data_uris_and_well_formed(records: Records) -> None:
    records.note(*range(DAY - 8, DAY), buckets=4_000)
    found = records.metadata()
    traits = {a["trait_type"]: a["value"] for a in found["attributes"]}
    assert traits == {
        "level": 2, "skill": "gold", "days": 8, "streak": 8, "best streak": 8, "error avoided (100 Wh)": 32_000,
        "green days": 0, "best day (100 Wh avoided)": 4_000,
    }  # fmt: skip
    kind, content = found["image"].split(",", 1)
    assert kind == "data:image/svg+xml;base64"
    picture = ElementTree.fromstring(b64decode(content, validate=True))
    assert picture.tag == SVG + "svg"
    words = [e.text for e in picture.iter(SVG + "text")]
    assert words == ["2", "8 days, 8 in a row", "3200 kWh of error avoided"]


STAR = "M0-17l4 11 12 1-9 8 3 11-10-6-10 6 3-11-9-8 12-1z"


@pytest.mark.parametrize(
    ("buckets", "rank", "metal", "colour"),
    [
        (99, 0, None, None),
        (100, 1, "bronze", "#d89060"),
        (499, 1, "bronze", "#d89060"),
        (500, 2, "silver", "#d5dde6"),
        (1499, 2, "silver", "#d5dde6"),
        (1500, 3, "gold", "#ffd24a"),
    ],
)
def test_energy_that_forecasts_were_nearer_by_makes_a_badge(
    buckets: int, rank: int, metal: str | None, colour: str | None, records: Records
) -> None:
    records.note(DAY - 2, buckets=buckets - 40)
    assert records.functions.skill_of(account(2).address).call() == sum(buckets - 40 >= n for n in (100, 500, 1500))
    records.note(DAY - 1, buckets=40)
    assert records.functions.skill_of(account(2).address).call() == rank
    found = records.metadata()
    assert [a["value"] for a in found["attributes"] if a["trait_type"] == "skill"] == ([metal] if metal else [])
    picture = ElementTree.fromstring(b64decode(found["image"].split(",", 1)[1]))
    groups = {path.get("d"): group for group in picture.iter(SVG + "g") for path in group.findall(SVG + "path")}
    assert (STAR in groups) == (metal is not None)
    if metal is not None:
        assert groups[STAR].get("fill") == colour


LEAF = "M-13 14C-18-6-4-15 15-15C16 4 6 17-13 14L3-2"


def test_green_days_make_a_badge(records: Records) -> None:
    chain, functions, who, first = records.chain, records.functions, account(2).address, DAY - 100
    chain.send(account(1), functions.appoint_green(account(1).address))
    before = 0
    for rank, (days, metal) in enumerate([(6, None), (7, "bronze"), (30, "silver"), (100, "gold")]):
        records.note(*range(first + before, first + days), buckets=1)
        for day in range(first + before, first + days):
            chain.send(account(1), functions.record_green(who, day), 300_000)
        assert records.read()["green"] == days and records.read()["buckets"] == days
        assert functions.green_of(who).call() == rank
        found = records.metadata()
        traits = {a["trait_type"]: a["value"] for a in found["attributes"]}
        assert traits.get("green") == metal and traits["green days"] == days
        picture = ElementTree.fromstring(b64decode(found["image"].split(",", 1)[1]))
        assert (LEAF in [path.get("d") for path in picture.iter(SVG + "path")]) == (metal is not None)
        before = days
    records.note(DAY)
    assert records.read()["green"] == 100, "another day leaves them as they are"


def test_a_badge_goes_with_the_record(records: Records) -> None:
    records.note(DAY - 1, buckets=2_000)
    records.chain.send(account(2), records.functions.burn())
    assert records.functions.skill_of(account(2).address).call() == 0


def test_the_largest_record_still_has_a_picture(records: Records) -> None:
    """Every number as long as it can be."""
    records.note(DAY - 1, buckets=2**32 - 1)
    assert records.metadata()["attributes"][-1]["value"] == 2**32 - 1


def test_the_collection_tells_what_it_is(records: Records) -> None:
    kind, content = records.functions.contractURI().call().split(",", 1)
    assert kind == "data:application/json;base64"
    assert json.loads(b64decode(content, validate=True))["symbol"] == "WATTH"
