"""Models of export are published in a registry of their own, and an audit of surplus hours compares with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from api.audit.surplus import PublishedModel, audit_surplus
from api.operator.community import Community
from api.operator.export_models import REGISTRY, export_models_at, publish_export_model, registry_address
from api.protocol import surplus_file
from api.protocol.finding import Finding
from data.errors import DamagedFile
from data.quantity import Quantity
from rewards.chain import Chain
from rewards.errors import ContractsLost, Refused
from tests.api.conftest import small_config
from tests.api.sunny import DAY, Sunny


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain.embedded()


@pytest.fixture
def community(tmp_path: Path) -> Community:
    return Community(small_config(tmp_path))


def test_a_round_is_published_once_and_never_changed(community: Community, chain: Chain) -> None:
    address = publish_export_model(community, chain, 8, b"\x08" * 32)
    assert publish_export_model(community, chain, 8, b"\x08" * 32) == address
    assert registry_address(community.folder / REGISTRY) == address
    registry = export_models_at(chain, address).functions
    assert bytes(registry.digest_of(8).call()) == b"\x08" * 32 and registry.published_at(8).call() > 0
    with pytest.raises(Refused, match="round is published"):
        publish_export_model(community, chain, 8, b"\x09" * 32)
    with pytest.raises(Refused, match="round is published"):
        publish_export_model(community, chain, 7, b"\x07" * 32)


def test_an_address_that_is_none_or_of_another_chain_is_named(community: Community, chain: Chain) -> None:
    path = community.folder / REGISTRY
    path.write_text("{}")
    with pytest.raises(DamagedFile, match="registry of models of export"):
        publish_export_model(community, chain, 1, b"\x01" * 32)
    path.write_text(json.dumps({"export_model_registry": "0x" + "11" * 20}))
    with pytest.raises(ContractsLost, match="no registry of models of export"):
        publish_export_model(community, chain, 1, b"\x01" * 32)


# -- the audit -----------------------------------------------------------------------------------------------------
class Registries:
    """The chain's word on meters and models, as the sunny street has them."""

    def __init__(self, sunny: Sunny) -> None:
        surplus = sunny.surplus
        self.meters = {bundle.household: bundle.meter for bundle in surplus.load.bundles}
        self.models: dict[Quantity, PublishedModel | None] = {
            "load": PublishedModel(surplus.load.digest, True), "export": PublishedModel(surplus.export.digest, True),
        }  # fmt: skip

    def meter_at(self, household: str, day: int) -> str:
        assert DAY - 7 <= day < DAY
        return self.meters[household]

    def model_of(self, quantity: Quantity, number: int, day: int) -> PublishedModel | None:
        assert (number, day) == (1, DAY)
        return self.models[quantity]


@pytest.fixture
def registries(sunny: Sunny) -> Registries:
    return Registries(sunny)


def audited(sunny: Sunny, registries: Registries) -> list[Finding]:
    return list(audit_surplus(surplus_file.written(sunny.surplus), registries.meter_at, registries.model_of))


def test_all_holds_against_the_registries(sunny: Sunny, registries: Registries) -> None:
    found = audited(sunny, registries)
    assert {finding.kind for finding in found} == {"held"} and len(found) == 6
    assert sum("published before the day" in finding.what for finding in found) == 2


def test_a_meter_that_is_not_enrolled_is_named(sunny: Sunny, registries: Registries) -> None:
    household = sunny.surplus.export.households[1]
    registries.meters[household] = "0x" + "22" * 20
    (bad,) = (finding for finding in audited(sunny, registries) if finding.is_bad)
    assert bad.kind == "failed" and household in bad.what and "meter is NOT the enrolled one" in bad.what


@pytest.mark.parametrize("quantity", ["load", "export"])
def test_a_model_that_is_another_or_came_later_is_named(
    sunny: Sunny, registries: Registries, quantity: Quantity
) -> None:
    """The model of load, published, is none of export, and the reverse."""
    other: Quantity = "load" if quantity == "export" else "export"
    mine = registries.models[quantity]
    assert mine is not None
    for known, kind, words in (
        (registries.models[other], "failed", "NOT the published one"),
        (replace(mine, is_before=False), "failed", "AFTER the day"),
        (replace(mine, digest=bytes(32)), "missing", "NOT published"),
        (None, "missing", "NOT published"),
    ):
        registries.models[quantity] = known
        (bad,) = (finding for finding in audited(sunny, registries) if finding.is_bad)
        assert bad.kind == kind and words in bad.what and f"odel of {quantity}" in bad.what
