"""A charger's operator and homes with made-up loads, over a grid without a network: real mods, real messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from eth_account import Account
from flwr.app import Message, RecordDict
from numpy.typing import NDArray

from data.day import DayClock
from data.meter import Meter
from data.signed_id import SignedId, sign_id
from data.windows import Windows
from fl.secagg.roster import identity_of
from fl.vertical.columns import PartnerTable, Record
from fl.vertical.coordinator import VerticalSession
from fl.vertical.entered import Entered
from fl.vertical.home import HomeData, HomeLimits, HomeSide
from fl.vertical.home_mod import VerticalHomeMod
from fl.vertical.partner import PartnerData, PartnerLimits, PartnerSide
from fl.vertical.partner_mod import VerticalPartnerMod
from fl.vertical.terms import VerticalTerms
from forecasting.model import LoadForecaster
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.fl.federation import made_up_windows
from tests.fl.local_grid import LeastSquares
from tests.fl.vertical.session_names import COLUMNS, DAYS, HOMES, LEARNT, PARTNER
from tests.fl.watched_grid import WatchedGrid

CLOCK = DayClock(8)
SHAPE = ModelShape.of(ModelSettings(hidden=4))


def signed(home: str, partner: str = PARTNER) -> SignedId:
    """The id that a home's meter has signed; the same each time."""
    meter = Meter(bytes([len(home)]) + home.encode().rjust(31, b"\1"))
    return sign_id(meter, Account.from_key(home.encode().rjust(32, b"\2")).address, partner)


def bookings(home: str) -> Record:
    """Sessions of a charger in the evening of every other day or so, and what is plugged in."""
    generator = np.random.default_rng(list(home.encode()))
    hours = CLOCK.start_hour_utc + np.arange(24 * DAYS, dtype=np.int64)
    on = np.zeros((DAYS, 24), np.int64)
    for day in np.flatnonzero(generator.random(DAYS) < 0.6):
        start = int(generator.integers(0, 20))
        on[day, start : start + 3] = 1
    booked = on.reshape(-1) * int(generator.integers(2000, 7000))
    return Record(hours, np.column_stack([booked, on.reshape(-1) * 60]))


def windows_of(home: str, charged: bool = True) -> Windows:
    """A made-up home's days, with what its charger takes in its readings of the day (not in its history)."""
    windows = made_up_windows((home,), DAYS, seed=sum(home.encode()))
    if not charged:
        return windows
    target = windows.target + bookings(home).values[:, 0].reshape(DAYS, 24)
    return Windows(**{**windows.__dict__, "target": target})


@dataclass
class Community:
    """All parties of one session. `changes`: to its terms; `gone`: whoever no longer answers, from a stage on."""

    changes: dict[str, Any] = field(default_factory=dict)
    customers: tuple[str, ...] = HOMES
    limits: HomeLimits = field(default_factory=partial(HomeLimits, (PARTNER,)))
    partner_limits: PartnerLimits = field(default_factory=PartnerLimits)
    gone: dict[str, str] = field(default_factory=dict)
    meddle: Callable[[str, str, RecordDict], None] = lambda name, stage, content: None

    def __post_init__(self) -> None:
        self.keys = {name: ec.generate_private_key(ec.SECP384R1()) for name in (*HOMES, PARTNER)}
        self.roster = {name: identity_of(key.public_key()) for name, key in self.keys.items()}
        self.entered = {home: Entered() for home in HOMES}
        self.windows = {home: windows_of(home) for home in HOMES}
        table = {signed(home): bookings(home) for home in self.customers}
        table |= {signed(f"stranger {number}"): bookings("x") for number in range(3)}
        self.partner = VerticalPartnerMod(partial(self.partner_side, PartnerTable(COLUMNS, table)))
        self.homes = {home: VerticalHomeMod(partial(self.home_side, home)) for home in HOMES}
        mods = {**self.homes, PARTNER: self.partner}
        self.grid = SessionGrid(
            [LeastSquares(name) for name in mods],
            mods_of=lambda name: [mods[name]],
            gone=self.gone,
            meddle=self.meddle,
        )
        nodes = {learner.home: node for node, (learner, _) in self.grid._apps.items()}
        self.session = VerticalSession(self.grid, self.terms, nodes, timeout=1)

    @property
    def terms(self) -> VerticalTerms:
        base: dict[str, Any] = {
            "nonce": b"n" * 16, "partner": PARTNER, "homes": HOMES, "columns": len(COLUMNS), "first_day": 0,
            "end_day": LEARNT, "batch_days": 16, "cut_norm": 4.0,
        }  # fmt: skip
        return VerticalTerms(**base | self.changes)

    def home_side(self, home: str, terms: VerticalTerms) -> HomeSide:
        data = HomeData(home, signed(home), self.windows[home], lambda: LoadForecaster(SHAPE, 3), 0.5)
        return HomeSide(terms, data, self.limits, self.keys[home], self.roster, self.entered[home])

    def partner_side(self, table: PartnerTable, terms: VerticalTerms) -> PartnerSide:
        data = PartnerData(PARTNER, table, CLOCK)
        return PartnerSide(terms, data, self.partner_limits, self.keys[PARTNER], self.roster)

    def side(self, home: str) -> HomeSide:
        return self.homes[home].sessions.current()

    @property
    def partner_now(self) -> PartnerSide:
        assert self.partner.side is not None
        return self.partner.side

    def learnt(self, home: str) -> Windows:
        return self.windows[home].between(0, LEARNT)

    def partner_columns(self, home: str) -> NDArray[np.int64]:
        """[days * 24, 2] of the days that are learnt from."""
        return bookings(home).values[: 24 * LEARNT]


class SessionGrid(WatchedGrid):
    """Stages of vertical learning; who is told to be `gone` comes back once it is taken out of that."""

    def _answer(self, number: int, message: Message) -> Message | None:
        record = message.content.config_records.get("vertical")
        if record is not None:
            message.content["secagg"] = record  # where the watched grid looks for a stage
        learner, _ = self._apps[message.metadata.dst_node_id]
        if learner.home not in self.gone:
            self._left.discard(learner.home)
        return super()._answer(number, message)
