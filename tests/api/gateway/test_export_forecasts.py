"""A gateway's forecasts of export: which model it takes for one, and that what fails leaves load alone."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.config.community_yaml import Config, ConfigError, parse
from api.gateway.client import ApiClient
from api.gateway.export_forecasts import ExportForecasts
from api.gateway.export_training import export_side
from api.gateway.jobs import prove_export_due
from api.gateway.model_updater import ModelUpdater
from api.gateway.proof_folder import ProofFolder
from api.gateway.services import _export_models
from api.protocol.bundle import verify
from data.errors import TableError
from fl.deployment.kept_model import keep_model, kept_round
from fl.deployment.telemetry import AgentMetrics
from fl.deployment.training_process import TrainingProcess
from fl.worker import WorkProcess
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.api.http_fixture import save_round
from tests.api.lying_api import LyingApi, lying_api
from tests.api.sunny import DAY, Sunny

SIZES = ModelSettings(hidden=8)
HOME = "elm-3"


@pytest.fixture
def api() -> Iterator[LyingApi]:
    with lying_api() as made:
        yield made


class Registries:
    """A node of the household's own: each registry has its own digest of round 5."""

    def __init__(self, digests: dict[str | None, bytes]) -> None:
        self.digests = digests

    def digest_of(self, number: int, registry: str | None = None) -> bytes | None:
        return self.digests.get(registry) if number == 5 else None


def here(job: Callable[..., Any], *arguments: Any) -> Any:
    return job(*arguments)


def offered(folder: Path, api: LyingApi, path: str, seed: int) -> bytes:
    """Round 5 of a model at a path of the API; its digest."""
    save_round(folder / str(seed), 5, seed=seed)
    saved = folder / str(seed) / "rounds" / "0005"
    digest = (saved / "digest").read_text()
    api.answers[f"GET {path}"] = 200, [{"number": 5, "digest": digest}]
    api.answers[f"GET {path}/5/weights"] = 200, (saved / "weights.npz").read_bytes()
    return bytes.fromhex(digest)


def test_each_quantity_takes_its_own_model_and_neither_that_of_the_other(tmp_path: Path, api: LyingApi) -> None:
    """An API that offers the model of load as one of export is refused by a household with a node of its own."""
    load, export = offered(tmp_path, api, "/rounds", 1), offered(tmp_path, api, "/export/rounds", 2)
    node, metrics = Registries({None: load, "0xof-export": export}), AgentMetrics(HOME)

    def updater(quantity: Any) -> ModelUpdater:
        registry = None if quantity == "load" else "0xof-export"
        return ModelUpdater(
            tmp_path / quantity, SIZES, here, ApiClient(api.url), node,  # type: ignore[arg-type]
            first_s=1e-6, most_s=1e-6, quantity=quantity, registry=registry,
        )  # fmt: skip

    for path in ("/rounds", "/export/rounds"):
        other = "/export/rounds" if path == "/rounds" else "/rounds"
        api.answers[f"GET {path}/5/weights"], kept = (
            api.answers[f"GET {other}/5/weights"],
            api.answers[f"GET {path}/5/weights"],
        )
        quantity = "load" if path == "/rounds" else "export"
        assert updater(quantity).refresh(metrics, urgent=True)
        assert kept_round(tmp_path / quantity) == 0, "the other quantity's model"
        api.answers[f"GET {path}/5/weights"] = kept
        assert updater(quantity).refresh(metrics, urgent=True)
        assert kept_round(tmp_path / quantity) == 5
    assert metrics.registry.get_sample_value("wattproof_agent_model_round") == 5


def settings(**changes: Any) -> Config:
    return Config.model_validate({"community": {"name": "Elm Street"}, "data": {"source": "none"}} | changes)


NODE = {
    "api_url": "https://elm.example", "rpc_url": "https://node.example", "forecast_registry": "0x" + "Aa" * 20,
}  # fmt: skip


def test_a_model_that_could_not_be_checked_is_not_fetched(caplog: pytest.LogCaptureFixture) -> None:
    node: Any = object()
    assert _export_models(settings(), here, None, node, 1.0) is None  # type: ignore[arg-type]
    assert not caplog.records
    both = {"federation": {"export": True}}
    assert _export_models(settings(gateway=NODE, **both), here, None, node, 1.0) is None  # type: ignore[arg-type]
    assert "gateway.export_models" in caplog.text
    named = settings(gateway=NODE | {"export_models": "0x" + "Bb" * 20}, **both)
    assert _export_models(named, here, None, node, 1.0) is not None  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"gateway.export_models needs gateway.rpc_url"):
        parse(
            "community: {name: Elm Street}\ndata: {source: none}\n"
            f"gateway: {{export_models: '0x{'Bb' * 20}'}}\n", "settings.yaml",
        )  # fmt: skip


def test_a_home_that_forecasts_load_only_has_no_part_in_export() -> None:
    training = TrainingProcess(HOME, _never)
    assert export_side(settings(), HOME, training) is None
    side = export_side(settings(federation={"export": True}), HOME, training)
    assert side is not None and side.learner.home == HOME


def _never() -> Any:
    raise AssertionError("this gateway does not train")


class Here(TrainingProcess):
    """Opens what is proven with in this process."""

    def paused_for(self, open_subject: Callable[[], Any]) -> Any:
        subject = open_subject()

        class Process(WorkProcess[Any]):
            def __init__(self) -> None:
                """Nothing is started."""

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None:
                """Nothing is closed."""

            def call(self, job: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
                return job(subject, *arguments, **named)

        return Process()


def test_export_is_proven_once_from_what_the_meter_signed_of_it(sunny: Sunny, tmp_path: Path) -> None:
    """The bundle of a gateway is that of its household, and holds."""
    config = sunny.community.config
    folder = Path(shutil.copytree(config.api.homes_dir, tmp_path / "homes")).parent
    for sealed in folder.glob("homes/*/export-forecast-*.json"):
        sealed.unlink()
    folders = config.api.model_copy(update={"state_dir": folder})
    home = sunny.community.homes[0].name
    model = sunny.models["export"]
    keep_model(folders.model_of("export"), 1, model.weights, ModelShape.of(config.forecasting.model))
    opened = sunny.community.opened(sunny.community.homes[0], "export")
    from dataclasses import replace

    from api.gateway.home import Home

    until_day = opened.readings[opened.readings["ds"] < opened.clock.start_of(DAY)].reset_index(drop=True)
    own = replace(opened, home=Home(home, folder / "homes" / home), readings=until_day)
    proven = prove_export_due(own, folders)
    assert proven is not None and (proven.day, proven.round) == (DAY, 1)
    assert prove_export_due(own, folders) is None, "once"
    bundle = ProofFolder(folders.proofs_of("export")).read(DAY, home)
    assert bundle is not None and bundle.of == "export" and not bundle.personal
    verify(bundle)
    assert not (folder / "proofs").exists(), "and nothing of it stands where forecasts of load do"


def test_readings_without_export_are_told_once_and_change_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(
        federation={"export": True}, api={"state_dir": str(tmp_path)}, forecasting={"model": SIZES.model_dump()}
    )
    export = ExportForecasts(config, HOME, Here(HOME, _never), None)
    metrics = AgentMetrics(HOME)
    opened: list[str] = []

    def none(*_: Any) -> Any:
        opened.append("once")
        raise TableError("the readings have no column export")

    monkeypatch.setattr("api.gateway.export_forecasts.open_prover", none)
    export.run_once(metrics)
    assert not opened, "without a model there is nothing to prove"
    save_round(tmp_path, 1, seed=1)
    from fl.task import initial_weights

    shape = ModelShape.of(SIZES)
    keep_model(config.api.model_of("export"), 1, initial_weights(shape, 1), shape)
    for _ in range(3):
        export.run_once(metrics)
    said = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert opened == ["once"] and len(said) == 1 and "no column export" in vars(said[0])["reason"]
