"""A home proves its green shares by itself, whatever the API does, and nothing that tells of single hours."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.config.community_yaml import Config
from api.config.settings import GatewaySettings
from api.gateway import green_shares
from api.gateway.client import ApiClient
from api.gateway.green_shares import GreenShares
from api.gateway.outbox import Outbox, State, Submission
from api.protocol.bundle import GreenBundle, parse, verify
from fl.deployment.telemetry import AgentMetrics
from rewards.green_rule import base_of
from tests.api.conftest import DAY, Village
from tests.api.gateway.submitting import submitter_of
from tests.api.lying_api import LyingApi, lying_api

NOON, NIGHT = (tuple(255 if first <= hour < first + 8 else 20 for hour in range(24)) for first in (8, 0))
HOURS = f"GET /green-shares/{DAY}/hours"


@pytest.fixture
def api() -> Iterator[LyingApi]:
    with lying_api() as made:
        yield made


class Home:
    """A home of the village in a folder of its own, whose claim of the day was taken."""

    def __init__(self, village: Village, folder: Path, api: LyingApi, **gateway: Any) -> None:
        self.name, self.api = village.homes[0].name, api
        shutil.copytree(village.homes[0].folder, folder / "homes" / self.name)
        known = village.community.config
        self.config: Config = known.model_copy(update={
            "api": known.api.model_copy(update={"state_dir": folder}),
            "gateway": GatewaySettings.model_validate({"api_url": api.url, "retry_max_s": 1e-6} | gateway),
        })  # fmt: skip
        self.outbox = Outbox(folder / "outbox", self.name)
        self.outbox.put(Submission("claim", DAY, 0).ended("done"))
        self.bundle_path = folder / "green" / str(DAY) / f"{self.name}.json"

    def says(self, weights: tuple[int, ...], day: int = DAY) -> None:
        told = {"day": DAY, "start": "2017-07-01", "weights": list(weights), "base": 0}
        self.api.answers[f"GET /green-shares/{day}/hours"] = 200, told

    def run(self, job: Callable[..., Any] | None = None) -> tuple[State, str] | None:
        """A gateway just started, at its work; what became of the day. `job`: in place of the process that proves."""
        here: Any = job or (lambda work, *arguments: work(*arguments))
        GreenShares(self.config, self.name, self.outbox, ApiClient(self.api.url), here, 1e-6).run_once()
        found = self.outbox.get("green", DAY)
        return None if found is None else (found.state, found.code)

    def submit(self) -> tuple[State, str]:
        submitter_of(self.config, self.name, ApiClient(self.api.url)).run_once(AgentMetrics(self.name))
        found = self.outbox.get("green", DAY)
        assert found is not None
        return found.state, found.code


@pytest.fixture
def home(village: Village, tmp_path: Path, api: LyingApi) -> Home:
    return Home(village, tmp_path, api)


@pytest.mark.slow
def test_the_highest_percentage_is_proven_once_and_submitted_until_it_is_taken(home: Home) -> None:
    home.says(NOON)
    assert home.run() == ("waiting", "")
    bundle = parse(home.bundle_path.read_bytes())
    assert isinstance(bundle, GreenBundle) and bundle.tier > base_of(NOON) and tuple(bundle.weights) == NOON
    verify(bundle)
    for code in ("no-skill-claim", "paused", "chain-unreachable", "stale-transaction"):
        home.api.answers["POST /green-shares"] = 409, {"error": code, "message": code}
        assert home.submit() == ("waiting", ""), code
    home.api.answers["POST /green-shares"] = 409, {"error": "already-claimed", "message": "again"}
    assert home.submit() == ("done", "")
    sent = [body for what, body in home.api.asked if what == "POST /green-shares"]
    assert set(sent) == {home.bundle_path.read_bytes()}, "the same bytes each time"


@pytest.mark.slow
def test_a_gateway_killed_between_proof_and_outbox_goes_on_with_the_same_proof(home: Home) -> None:
    home.says(NOON)
    home.run()
    kept = home.bundle_path.read_bytes()
    (home.config.api.outbox_dir / home.name / f"green-{DAY}.json").unlink()

    def never(*_: Any) -> None:
        raise AssertionError("it is proven already")

    assert home.run(never) == ("waiting", "") and home.bundle_path.read_bytes() == kept


@pytest.mark.slow
def test_a_day_on_which_the_home_was_not_green_is_over(home: Home) -> None:
    home.says(NIGHT)
    assert home.run() == ("done", "not-green") and not home.bundle_path.exists()


def test_a_day_without_green_hours_is_over_and_one_that_the_api_does_not_tell_waits(home: Home) -> None:
    home.api.answers[HOURS] = 503, {"error": "not-ready", "message": "later"}
    assert home.run() is None
    home.api.answers[HOURS] = 200, {"day": DAY, "start": "", "weights": [300] * 24, "base": 0}
    assert home.run() is None, "of another form"
    home.api.answers[HOURS] = 404, {"error": "no-green-hours", "message": "none"}
    assert home.run() == ("done", "no-green-hours")


@pytest.mark.parametrize("weights", [(255, *[0] * 23), (255,) * 5 + (63,) * 19, (0,) * 24])
def test_weights_that_would_tell_of_single_hours_are_refused(home: Home, weights: tuple[int, ...]) -> None:
    """The attack: a server that asks for the load in one hour, in the guise of a green share."""
    home.says(weights)
    assert home.run() == ("refused", "narrow-hours") and not home.bundle_path.exists()


@pytest.mark.slow
def test_other_weights_for_a_day_that_is_proven_get_no_second_proof(home: Home) -> None:
    """The attack: one set of weights after another, until the load is known."""
    home.says(NOON)
    home.run()
    kept = home.bundle_path.read_bytes()
    home.api.answers["POST /green-shares"] = 422, {"error": "invalid-proof", "message": "other weights"}
    assert home.submit() == ("refused", "invalid-proof")
    home.says(NIGHT)
    assert home.run() == ("refused", "invalid-proof") and home.bundle_path.read_bytes() == kept


def test_a_home_that_wants_none_is_asked_for_none(village: Village, tmp_path: Path, api: LyingApi) -> None:
    home = Home(village, tmp_path, api, green_shares=False)
    home.says(NOON)
    assert home.run() is None and api.asked == []


def test_a_claim_that_was_not_taken_has_no_green_share(home: Home) -> None:
    for claim in (
        Submission("claim", DAY, 0),
        Submission("claim", DAY, 0).ended("done", "no-better-than-benchmarks"),
        Submission("claim", DAY, 0).ended("refused", "late-claim"),
    ):
        home.outbox.put(claim)
        assert home.run() is None and home.api.asked == []


def test_a_proof_that_fails_is_tried_again_and_keeps_no_other_day_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.outbox.put(Submission("claim", DAY + 1, 0).ended("done"))
    home.says(NOON)
    home.says(NOON, DAY + 1)

    def fails_for_the_first(_job: Any, *arguments: Any) -> str:
        if DAY in arguments:
            raise OSError("the vault can't be read")
        return "not-green"

    assert home.run(fails_for_the_first) is None
    found = home.outbox.get("green", DAY + 1)
    assert found is not None and found.code == "not-green"
    assert home.run(lambda *_: "not-green") == ("done", "not-green")


def test_what_goes_on_is_said_without_a_value(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    home.says(NOON)
    with caplog.at_level("INFO", green_shares.__name__):
        home.run(lambda *_: "")
    assert [record.getMessage() for record in caplog.records] == ["green share proven"]
    usual = logging.makeLogRecord({}).__dict__.keys()  # times and process numbers, which hold any digits
    told = {name: value for name, value in caplog.records[0].__dict__.items() if name not in usual}
    assert told.keys() >= {"home", "day"} and "255" not in json.dumps(told, default=str)
