"""What `deploy/` ships fits this program: settings, units, alerts, the proxy before the server."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from prometheus_client import CollectorRegistry

from api.config.community_yaml import Config
from api.config.settings import ApiSettings
from api.gateway.secure_sum.client import OUTCOMES as SUMS
from api.gateway.submitter import OUTCOMES as SUBMITTED
from fl.deployment.telemetry import AgentMetrics, CoordinatorMetrics
from tests.support.commands import program
from tests.support.needed import is_missing

DEPLOY = Path(__file__).parents[1] / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
RULES = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]


def settings(name: str) -> Config:
    return Config.model_validate(yaml.safe_load((DEPLOY / name).read_text()))


@pytest.mark.parametrize("name", ["coordinator.yaml", "gateway.yaml"])
def test_the_settings_are_valid_and_secure(name: str) -> None:
    assert not settings(name).federation.deployment.insecure


@pytest.mark.parametrize("name", ["coordinator.yaml", "gateway.yaml"])
def test_everything_is_kept_where_the_units_may_write(name: str) -> None:
    """Relative paths begin at the settings' folder, which is /etc/wattproof there, and read-only."""
    config = settings(name)
    deployment, api = config.federation.deployment, config.api
    paths = [api.state_dir, deployment.keys_dir, *config.data.files]
    assert all(path.is_relative_to("/var/lib/wattproof") for path in paths)


def test_both_sides_mean_the_same_coordinator() -> None:
    ours, theirs = settings("coordinator.yaml"), settings("gateway.yaml")
    assert ours.community == theirs.community
    one, other = ours.federation.deployment, theirs.federation.deployment
    assert (one.host, one.port) == (other.host, other.port)


def test_the_proxy_passes_on_to_the_servers_port_at_the_gateways_address() -> None:
    proxy = (DEPLOY / "Caddyfile").read_text()
    assert f"reverse_proxy 127.0.0.1:{settings('coordinator.yaml').api.port}\n" in proxy
    url = settings("gateway.yaml").gateway.api_url
    assert url is not None and f"\n{url.removeprefix('https://')} {{" in proxy


def test_there_is_a_unit_for_each_part() -> None:
    assert [unit.stem for unit in UNITS] == [f"wattproof-{part}" for part in ("agent", "coordinator", "server")]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_units_command_and_settings_exist(unit: Path) -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    executable, name, *arguments = shlex.split(line.replace("${WATTPROOF_HOME}", "elm-3"))
    assert Path(executable).name == "wattproof"
    command = program().commands[name]
    context = command.make_context(name, arguments)  # refuses options and arguments that it does not have
    assert (DEPLOY / Path(context.params["config"]).name).exists()


COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
GATEWAYS = [name for name in COMPOSE["services"] if name.startswith("home-")]


def _parsed(name: str, *arguments: str) -> dict[str, Any]:
    """What a command of `wattproof` takes from its arguments; refuses those that it does not have."""
    group: click.Command = program()
    for part in name.split():
        assert isinstance(group, click.Group)
        group = group.commands[part]
    return group.make_context(name, list(arguments)).params


@pytest.mark.parametrize("name", ["server", "coordinator", *GATEWAYS])
def test_a_service_of_the_trial_community_runs_what_exists_and_keeps_to_its_own_volume(name: str) -> None:
    service = COMPOSE["services"][name]
    command, *arguments = service["command"]
    assert str(_parsed(command, *arguments)["config"]) == "settings.yaml"
    own = "server" if name == "coordinator" else name
    assert service["volumes"] == [f"{own}:{service['working_dir']}"]
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and "user" not in service
    if name in GATEWAYS:
        assert service["networks"] == ["community"] and COMPOSE["networks"]["community"] == {"internal": True}


def test_the_trial_community_is_what_its_setup_writes(tmp_path: Path) -> None:
    setup = COMPOSE["services"]["setup"]
    (line,) = [line for line in setup["command"][0].splitlines() if line.startswith("wattproof ")]
    told = _parsed("replay init", *shlex.split(line)[3:])
    assert len(GATEWAYS) == told["homes"]
    assert {volume.partition(":")[0] for volume in setup["volumes"]} == {"server", *GATEWAYS}
    url = setup["environment"]["WATTPROOF_DATABASE_URL"]
    assert url.endswith("@database/wattproof") and "database" in COMPOSE["services"]
    proxy = (DEPLOY / "Caddyfile.compose").read_text()
    assert told["api_url"] == "https://proxy" and f"reverse_proxy server:{ApiSettings().port}\n" in proxy
    assert told["coordinator"] == "coordinator", "gateways reach it by the name of its service"


def needed_module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        is_missing(name, "pip install 'wattproof[charts]'")


@pytest.mark.parametrize("extra", [{}, {"existingSettingsSecret": "own", "ingress": {"enabled": False}}])
def test_the_chart_renders_what_kubernetes_and_wattproof_take(extra: dict[str, Any]) -> None:
    """With Helm's library, of the extra `charts` (360 MB, for CI); hosted CI has helm itself."""
    helm, validator = needed_module("helm_python"), needed_module("kubernetes_validate")
    values = yaml.safe_load((DEPLOY / "chart" / "example.yaml").read_text()) | extra
    with helm.Chart.load(str(DEPLOY / "chart")) as chart:
        rendered = chart.render(values, name="elm", namespace="energy")
    manifests = "\n---\n".join(text for path, text in rendered.items() if path.endswith(".yaml"))
    found = [part for part in yaml.safe_load_all(manifests) if part]
    for part in found:
        validator.validate(part, "1.31", strict=True)
    for pod in (_pod(part) for part in found if part["kind"] in ("Deployment", "CronJob")):
        (container,) = pod["containers"]
        command, *arguments = container["args"]
        assert str(_parsed(command, *arguments)["config"]) == "/etc/wattproof/settings/settings.yaml"
        assert pod["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]
    secrets = [part for part in found if part["kind"] == "Secret"]
    assert bool(secrets) == (not extra)
    for secret in secrets:
        config = Config.model_validate(yaml.safe_load(secret["stringData"]["settings.yaml"]))
        assert config.api.database_url is not None and config.api.host == "0.0.0.0"
        assert config.federation.deployment.keys_dir == Path("/etc/wattproof/keys")


def _pod(part: dict[str, Any]) -> dict[str, Any]:
    spec = part["spec"]["jobTemplate"]["spec"] if part["kind"] == "CronJob" else part["spec"]
    pod: dict[str, Any] = spec["template"]["spec"]
    return pod


def test_the_charts_user_is_the_images() -> None:
    image = (DEPLOY / "Containerfile").read_text()
    (user,) = re.findall(r"^USER (\d+)$", image, re.MULTILINE)
    security = (DEPLOY / "chart" / "templates" / "_helpers.tpl").read_text()
    assert f"--uid {user} " in image and f"runAsUser: {user}\n" in security


def _names(registry: CollectorRegistry) -> set[str]:
    """Series as Prometheus stores them."""
    return {f.name + ("_total" if f.type == "counter" else "") for f in registry.collect()} | {
        sample.name for family in registry.collect() for sample in family.samples
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_is_about_series_that_are_exported(rule: dict[str, Any]) -> None:
    exported = _names(CoordinatorMetrics().registry) | _names(AgentMetrics("elm-3").registry)
    named = set(re.findall(r"wattproof_\w+", rule["expr"]))
    assert named <= exported
    assert named or re.match(r'up\{role="(agent|coordinator)"\}', rule["expr"])


def test_a_day_without_a_forecast_raises_an_alert_whatever_the_reason() -> None:
    (rule,) = [rule for rule in RULES if "days_without_forecast" in rule["expr"]]
    assert rule["expr"] == "increase(wattproof_agent_days_without_forecast_total[1d]) > 0" and "for" not in rule
    assert "{{ $labels.reason }}" in rule["annotations"]["summary"]


def test_gateways_count_days_by_the_communitys_own_deadline() -> None:
    assert settings("gateway.yaml").rewards.grace_seconds == settings("coordinator.yaml").rewards.grace_seconds


def test_alerts_name_outcomes_that_are_counted() -> None:
    for series, outcomes in (("submissions", SUBMITTED), ("sums", SUMS)):
        found = [
            text
            for rule in RULES
            for text in re.findall(rf'wattproof_agent_{series}_total{{[^}}]*outcome[=!]~"([^"]+)"', rule["expr"])
        ]
        assert found and all(set(text.split("|")) <= set(outcomes) for text in found)


def test_prometheus_asks_where_the_parts_listen() -> None:
    scraped = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    targets = {each["labels"]["role"]: each["targets"] for each in scraped["scrape_configs"][0]["static_configs"]}
    assert targets == {
        "coordinator": [f"127.0.0.1:{settings('coordinator.yaml').federation.deployment.coordinator_metrics_port}"],
        "agent": [f"127.0.0.1:{settings('gateway.yaml').federation.deployment.agent_metrics_port}"],
    }
    assert scraped["rule_files"] == ["alerts.yml"]
