"""A home's gateway shows surplus hours that it has checked: what the API says, and what follows from proofs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.gateway.client import ApiClient
from api.gateway.home_sensors import state
from api.gateway.own_surplus import SURPLUS, own_surplus
from api.gateway.surplus_hours import SurplusHoursUpdater
from api.protocol import surplus_file
from api.protocol.surplus import SurplusDay, shown
from data.day import DayClock
from tests.api.lying_api import LyingApi, lying_api
from tests.api.sunny import DAY, Sunny

CLOCK = DayClock(8)


@pytest.fixture
def api() -> Iterator[LyingApi]:
    with lying_api() as made:
        yield made


@pytest.fixture
def client(api: LyingApi) -> Iterator[ApiClient]:
    made = ApiClient(api.url)
    yield made
    made.close()


class Gateway:
    """The updater of a home, with a clock of its own; jobs are done in this process."""

    def __init__(self, folder: Path, client: ApiClient) -> None:
        self.folder, self.time = folder, 0.0

        def here(job: Callable[..., Any], *arguments: Any) -> Any:
            return job(*arguments)

        self.updater = SurplusHoursUpdater(
            folder, "Sunny Street", CLOCK.start_hour_utc, client, here, 0.0, lambda: self.time  # type: ignore[arg-type]
        )  # fmt: skip

    def look(self) -> None:
        self.updater.run_once()
        self.time += 1000


@pytest.fixture
def gateway(tmp_path: Path, client: ApiClient) -> Gateway:
    return Gateway(tmp_path, client)


def serve(
    api: LyingApi, surplus: SurplusDay, change: Callable[[dict[str, Any]], None] = lambda content: None
) -> None:
    content = json.loads(surplus_file.written(surplus))
    change(content)
    api.answers["GET /surplus"] = 200, [DAY]
    api.answers[f"GET /surplus/{DAY}/surplus.json"] = 200, content


def test_a_new_day_is_fetched_checked_and_kept(gateway: Gateway, api: LyingApi, sunny: Sunny) -> None:
    api.answers["GET /surplus"] = 200, []
    gateway.look()
    assert own_surplus(gateway.folder) is None
    serve(api, sunny.surplus)
    gateway.look()
    assert own_surplus(gateway.folder) == shown(sunny.surplus, CLOCK)
    asked = len(api.asked)
    gateway.look()
    assert len(api.asked) == asked + 1, "a day that is kept is not fetched again"
    (gateway.folder / SURPLUS).write_text("{")
    gateway.look()
    assert own_surplus(gateway.folder) == shown(sunny.surplus, CLOCK)


@pytest.mark.parametrize(
    "lie",
    [
        lambda c: c.update(hours=[3, 4]),
        lambda c: c["export"]["values_wh"].__setitem__(27, 10**6),
        lambda c: c.update(community="Cloudy Street"),
        lambda c: c.update(day=DAY + 7),
        lambda c: c["export"]["forecasts"].reverse() or c["export"]["forecasts"].pop(),
        lambda c: c["export"].update(forecasts=c["load"]["forecasts"]),
    ],
)
def test_hours_that_do_not_follow_are_not_shown(
    gateway: Gateway, api: LyingApi, sunny: Sunny, caplog: pytest.LogCaptureFixture, lie: Callable[[Any], None]
) -> None:
    serve(api, sunny.surplus, lie)
    gateway.look()
    assert own_surplus(gateway.folder) is None
    assert any("refused" in record.message for record in caplog.records)


@pytest.mark.parametrize("answer", [(404, {"error": "not-found"}), (200, {"days": 3}), (200, ["x"]), (500, {})])
def test_an_api_without_them_is_asked_again_later(
    gateway: Gateway, api: LyingApi, sunny: Sunny, answer: tuple[int, Any]
) -> None:
    api.answers["GET /surplus"] = answer
    gateway.look()
    assert own_surplus(gateway.folder) is None
    serve(api, sunny.surplus)
    gateway.look()
    assert own_surplus(gateway.folder) is not None


def test_home_assistant_is_told_the_best_hour_still_to_come(gateway: Gateway, api: LyingApi, sunny: Sunny) -> None:
    def told(now: float) -> dict[str, Any]:
        content = json.loads(state("elm-3", gateway.folder, CLOCK.start_hour_utc, None, now).payload)
        assert isinstance(content, dict)
        return content

    start = CLOCK.start_of(DAY)
    assert told(start.timestamp())["best_hour"] is None
    serve(api, sunny.surplus)
    gateway.look()
    before, day = told(start.timestamp()), own_surplus(gateway.folder)
    assert day is not None
    starts = [f"{CLOCK.hours(DAY)[hour]:%Y-%m-%dT%H:%M:%S+00:00}" for hour in day.hours]
    assert before["surplus_hours"] == starts
    assert before["best_hour"] == f"{CLOCK.hours(DAY)[day.best_hours[0]]:%Y-%m-%dT%H:%M:%S+00:00}"
    later = told(start.timestamp() + (day.hours[0] + 1) * 3600)
    assert later["surplus_hours"] == starts[1:]
    assert told(start.timestamp() + 86_400)["best_hour"] is None
