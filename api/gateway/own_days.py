"""What a home, and nobody else, may see of itself: its forecasts and readings by day, what became of them, its shares
of settled periods, and the community's next surplus hours.

Reads the gateway's files only; nothing is signed, made or changed, and nothing of it is ever sent anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from api.config.community_yaml import Config
from api.config.key_file import VAULT
from api.gateway.home import Home
from api.gateway.outbox import Outbox
from api.gateway.own_shares import OwnShare, own_shares
from api.gateway.own_surplus import own_surplus
from api.gateway.period_shares import is_settled
from data.day import DayClock
from data.errors import DataError
from data.numbered_files import numbered

_SHOWN_DAYS = 60
_HOURS = 24


@dataclass(frozen=True)
class OwnDay:
    """A day of the home: 24 hours in Wh from `start` (UTC). `date`: by which people call it. `forecast_state`,
    `claim_state`, `green_state`: of the outbox, with the refusal's code behind a colon; None where nothing is to be
    submitted."""

    day: int
    date: str
    start: str
    typical_wh: list[int] | None = field(repr=False)
    readings_wh: list[int] | None = field(repr=False)
    forecast_state: str | None
    claim_state: str | None
    green_state: str | None

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


class OwnDays:
    """The days of a home on this gateway. Raises DataError where the home is not here."""

    def __init__(self, config: Config, name: str) -> None:
        self._home = Home(name, config.api.homes_dir / name)
        if not self._home.folder.is_dir():
            raise DataError(f"{name} has no folder in {config.api.homes_dir}: is this its gateway?")
        self._shares = config.api.shares_dir
        self._clock, self._outbox = DayClock(config.data.day_start_utc), Outbox(config.api.outbox_dir, name)

    def shown(self) -> Mapping[str, Any]:
        """The last sixty days that there is anything of, and the shares of all settled periods; newest first."""
        sealed = self._home.folder.glob("forecast-*.json")
        found = set(numbered(path.stem.removeprefix("forecast-") for path in sealed))
        signed = set[int]()
        address = None
        if (self._home.folder / VAULT).exists():
            address = self._home.wallet.address
            signed = set(self._home.vault.days(address))
        days = sorted(found | signed, reverse=True)[:_SHOWN_DAYS]
        surplus = own_surplus(self._home.folder)
        return {
            "home": self._home.name,
            "household": address,
            "days": [self._day(day, day in signed).to_json() for day in days],
            "surplus": None if surplus is None else surplus.model_dump(mode="json"),
            "shares": [self._share(share) for share in reversed(own_shares(self._home.folder))],
        }

    def _share(self, share: OwnShare) -> dict[str, Any]:
        """A share with the dates of its period, both in it."""
        first, last = (self._clock.date_of(day).isoformat() for day in (share.first_day, share.last_day))
        settled = is_settled(self._shares, share.last_day, self._home.name)
        return asdict(share) | {"first_date": first, "last_date": last, "is_settled": settled}

    def _day(self, day: int, is_signed: bool) -> OwnDay:
        sealed = self._home.sealed(day)
        readings = None
        if is_signed:
            _, opening = self._home.vault.get(self._home.wallet.address, day)
            readings = list(opening.readings)
        return OwnDay(
            day=day, date=self._clock.date_of(day).isoformat(), start=self._clock.start_of(day).isoformat(),
            typical_wh=None if sealed is None else list(sealed.values[:_HOURS]), readings_wh=readings,
            forecast_state=self._state("forecast", day), claim_state=self._state("claim", day),
            green_state=self._state("green", day),
        )  # fmt: skip

    def _state(self, kind: Any, day: int) -> str | None:
        submission = self._outbox.get(kind, day)
        if submission is None:
            return None
        return f"{submission.state}: {submission.code}" if submission.code else submission.state
