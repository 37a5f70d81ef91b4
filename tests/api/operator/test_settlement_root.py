"""A settlement's root on the chain: each share is under it, nothing else is, and an audit compares it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from eth_hash.auto import keccak
from web3.contract import Contract

from api.audit.settlement import audit_settlement
from api.cli.main import app
from api.operator.community import Community
from api.operator.settlement_root import REGISTRY, publish_settlement, registry_address
from api.protocol.period import SIDES, Side
from api.protocol.settlement import Settlement, Share
from data.day import DayClock
from data.errors import DamagedFile
from rewards.chain import Chain
from rewards.errors import ContractsLost
from rewards.settlements import is_share, root_of, settlements_at
from tests.api.conftest import small_config
from tests.api.settled import WEEK, settle_week
from tests.rewards.json_rpc import json_rpc
from tests.support.commands import CliRunner


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def community(folder: Path) -> Community:
    return Community(small_config(folder / "state"))


@pytest.fixture(scope="module")
def settled(folder: Path, community: Community) -> Settlement:
    return settle_week("Test village", folder / "homes", community.config.api.settlements_dir, DayClock(8))


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain.embedded()


@pytest.fixture(scope="module")
def registry(community: Community, chain: Chain, settled: Settlement) -> Contract:
    return settlements_at(chain, publish_settlement(community, chain, settled))


def under(registry: Contract, settled: Settlement, household: str, side: Side, share: Share) -> bool:
    """Whether the chain takes a share, with the path that the settlement has for that place."""
    days, path = (settled.period.first, settled.period.last), settled.path(household, side)
    return is_share(registry, days, household, SIDES.index(side), share.wh, keccak(share.proof), path)


def test_every_share_is_under_the_root(registry: Contract, settled: Settlement) -> None:
    for (household, side), share in settled.shares.items():
        assert under(registry, settled, household, side, share)


def test_nothing_else_is(registry: Contract, settled: Settlement) -> None:
    (household, side), share = next(item for item in settled.shares.items() if item[1].wh)
    other = next(one for one in settled.period.households if one != household)
    opposite: Side = "export" if side == "import" else "import"
    assert not under(registry, settled, household, side, replace(share, wh=share.wh + 1))
    assert not under(registry, settled, household, side, replace(share, proof=share.proof + b"\0"))
    days, number = (settled.period.first, settled.period.last), SIDES.index(side)
    path, proof = settled.path(household, side), keccak(share.proof)
    assert is_share(registry, days, household, number, share.wh, proof, path)
    for changed in (
        (days, other, number, share.wh, proof, path),
        (days, household, SIDES.index(opposite), share.wh, proof, path),
        ((days[0], days[1] + 1), household, number, share.wh, proof, path),
        (days, household, number, share.wh, proof, path[:-1]),
        (days, household, number, share.wh, proof, [*path, bytes(32)]),
    ):
        assert not is_share(registry, *changed)


@pytest.mark.parametrize("count", range(1, 7))
def test_paths_lead_to_the_root_whatever_the_number_of_shares(settled: Settlement, count: int) -> None:
    """Odd levels, too, in which the last node has no pair."""
    some = replace(settled, shares=dict(sorted(settled.shares.items())[:count]))
    for household, side in some.shares:
        node = some._leaf(household, side)
        for beside in some.path(household, side):
            node = keccak(b"".join(sorted([node, beside])))
        assert node == some.root


def test_publishing_again_takes_the_registry_that_is_there(
    community: Community, chain: Chain, settled: Settlement, registry: Contract
) -> None:
    block = chain.block
    assert publish_settlement(community, chain, settled) == registry.address
    assert chain.block == block, "the root is the one that counts: no transaction"


def test_an_audit_compares_the_root(
    community: Community, chain: Chain, settled: Settlement, registry: Contract
) -> None:
    data = (community.config.api.settlements_dir / WEEK / "settlement.json").read_bytes()
    on_chain = partial(root_of, registry)
    told = {finding.what: finding.kind for finding in audit_settlement(data, root_of=on_chain)}
    assert told["The root of all shares is the one on the chain."] == "held" and "failed" not in told.values()
    (*_, other) = audit_settlement(data, root_of=lambda first, last: b"\7" * 32)
    assert other.kind == "failed" and "0x" + "07" * 32 in (other.problem or "")
    (*_, none) = audit_settlement(data, root_of=lambda first, last: None)
    assert none.kind == "missing"


def test_the_command_asks_the_auditors_own_node(community: Community, chain: Chain, registry: Contract) -> None:
    file, address = community.config.api.settlements_dir / WEEK / "settlement.json", community.folder / REGISTRY
    with json_rpc(chain) as url:
        options = ["--rpc-url", url, "--registry", str(address)]
        done = CliRunner().invoke(app, ["audit-settlement", str(file), *options])
    assert done.exit_code == 0 and "is the one on the chain" in done.output


def test_a_registry_that_is_not_on_this_chain_is_not_deployed_anew(
    community: Community, settled: Settlement, registry: Contract
) -> None:
    """With a second registry beside it, each could name another root."""
    with pytest.raises(ContractsLost, match="of another chain"):
        publish_settlement(community, Chain.embedded(), settled)


def test_a_damaged_address_is_named(tmp_path: Path) -> None:
    for content in ("", "[]", '{"settlement_registry": "0x12"}', "{}"):
        (tmp_path / REGISTRY).write_text(content)
        with pytest.raises(DamagedFile, match=REGISTRY):
            registry_address(tmp_path / REGISTRY)
