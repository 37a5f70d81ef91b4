"""The federation's part of community.yaml: what is refused, and in which words."""

import pytest
from pydantic import ValidationError

from fl.deployment.settings import DeploymentSettings
from fl.settings import FederationSettings


def test_the_defaults_are_a_secure_federation_of_all_homes() -> None:
    settings = FederationSettings()
    assert settings.num_clients is None and not settings.deployment.insecure


@pytest.mark.parametrize("where", [{"bind": "0.0.0.0"}, {"host": "coordinator.example"}])
def test_plain_connections_are_for_loopback_only(where: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="make keys with `wattproof keys`"):
        DeploymentSettings.model_validate({"insecure": True} | where)
    assert DeploymentSettings(insecure=True).insecure


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(ValidationError, match=r"strategy\.mu"):
        FederationSettings.model_validate({"strategy": {"name": "fedprox", "mu": 1}})


def test_more_homes_needed_than_there_are_is_refused() -> None:
    with pytest.raises(ValidationError, match="num_clients is 2 but min_homes asks for 3"):
        FederationSettings(num_clients=2, min_homes=3)
