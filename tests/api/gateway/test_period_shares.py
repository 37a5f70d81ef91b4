"""When a gateway looks at an opened period, and when it looks again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from api.config.community_yaml import Config
from api.gateway.client import ApiClient
from api.gateway.outbox import Outbox
from api.gateway.period_shares import REFUSED, OwnRules, PeriodShares
from api.protocol.schemas import OpenPeriodPublic

PERIOD = OpenPeriodPublic(
    period="2026-02", first_day=20_485, last_day=20_512, missing=6, closes_at=None, is_closed=False
)


class Offered:
    """An API with one opened period."""

    def open_periods(self) -> list[OpenPeriodPublic]:
        return [PERIOD]

    def period_terms(self, period: str) -> bytes:
        return period.encode()


def test_a_period_that_was_refused_is_looked_at_again_after_a_restart(tmp_path: Path) -> None:
    """With other settings it may be acceptable: the refusal stood for good, and the household never had its share."""
    config = Config.model_validate({
        "community": {"name": "Terms"}, "data": {"source": "none"}, "api": {"state_dir": tmp_path},
        "settlement": {"gateways": True, "key": "static", "numbers": {"elm-3": 2_500, "elm-4": 1}},
    })  # fmt: skip
    outbox, asked = Outbox(config.api.outbox_dir, "elm-3"), list[Any]()

    def started(answer: str | None) -> Callable[[], None]:
        def run(_job: Any, _places: Any, rules: OwnRules, *_given: Any) -> str | None:
            asked.append(rules)
            return answer

        client, job = cast(ApiClient, Offered()), cast(Any, run)
        return PeriodShares("elm-3", config, client, outbox, job, lambda: True, first_s=0)._look

    look = started("the key is another one")
    look(), look()
    assert len(asked) == 1 and (asked[0].key, asked[0].number) == ("static", 2_500)
    entry = outbox.get("share", PERIOD.last_day)
    assert entry is not None and (entry.state, entry.code) == ("refused", REFUSED)
    started(None)()
    entry = outbox.get("share", PERIOD.last_day)
    assert len(asked) == 2 and entry is not None and (entry.state, entry.code) == ("waiting", "")
    started(None)()
    assert len(asked) == 2
