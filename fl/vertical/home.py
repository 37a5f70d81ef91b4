"""A home's side of a session: its id is matched, its columns are multiplied, it learns with the partner's values.

Readings and labels stay here. What leaves: to the partner, sealed, a blinded id, which days there are, differences
that are uniform, and gradients of the cut; to the coordinator, whether there was a match, the number of hours, and a
masked part of a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray

from data.day import HOURS_PER_DAY
from data.signed_id import SignedId
from data.windows import Windows
from fl.vertical import products, psi
from fl.vertical.channel import Channel, SessionKey, read_key
from fl.vertical.columns import home_column_count, home_columns
from fl.vertical.entered import Entered
from fl.vertical.errors import VerticalRefused
from fl.vertical.ridge import JointRidge, Ridge, home_part, vector_length, with_constant
from fl.vertical.split import HomePart, clipped, loss_of, noised
from fl.vertical.terms import VerticalTerms
from forecasting.model import LoadForecaster, tensors
from forecasting.parameters import SCALE_UNIT
from zkp.algebra.curve import curve

ROWS_PER_COLUMN = 4
"""So many more hours than columns a home must have: of fewer, a sum of products would tell single hours."""

Items = Mapping[str, bytes]


@dataclass(frozen=True, repr=False)
class HomeData:
    """What a home brings: its name, its id for the partner, its windows, and the community's forecaster.

    `windows`: whole days, with targets where they are known; `model`: called once for a fresh copy to learn on.
    """

    home: str
    signed_id: SignedId
    windows: Windows
    model: Callable[[], LoadForecaster]
    huber: float

    def __repr__(self) -> str:
        return f"HomeData({self.home!r})"


@dataclass(frozen=True)
class HomeLimits:
    """What a home asks of a session at least; in its own settings."""

    partners: tuple[str, ...]
    fewest_homes: int = 3
    least_gradient_noise: float = 0.0
    fresh_days: int = 28  # since the last sum, before this home enters another one
    most_steps: int = 1000  # of split learning in a session: each tells the partner a little of the labels


class HomeSide:
    """One session. Stages in order: begin, match, common, rows, difference, share, weights, then step and forecast.

    Args:
        identity, roster: this home's key, and the identities of homes and partners by name.
        entered: which days are in a sum already; None where one machine plays all parties.
    Raises VerticalRefused for a session that the home's own limits do not allow.
    """

    def __init__(
        self,
        terms: VerticalTerms,
        data: HomeData,
        limits: HomeLimits,
        identity: ec.EllipticCurvePrivateKey,
        roster: Mapping[str, bytes],
        entered: Entered | None = None,
    ) -> None:
        _check(terms, data, limits)
        self._entered, self._limits, self._last_step = entered or Entered(), limits, 0
        self._answered: set[str] = set()
        self.terms, self._data, self._roster = terms, data, roster
        self._key = SessionKey.new(terms, data.home, identity)
        self._channel: Channel | None = None
        self._matching = psi.Matching([data.signed_id.to_bytes()], curve())
        learnt = (data.windows.day >= terms.first_day) & (data.windows.day < terms.end_day)
        learnt &= (data.windows.target >= 0).all(axis=1)  # measured by now
        self._learnt = data.windows.where(learnt & (data.windows.shift == 0))
        self._bound_to = b""
        self._mask: products.Words | None = None
        self._share: products.Words | None = None
        self._summed = False
        self.model = HomePart(data.model(), terms.cut, terms.seed)
        self._optimiser = torch.optim.Adam(self.model.rates(terms.learning_rate))
        self.ridge: JointRidge | None = None
        self.asked: Windows | None = None
        self.forecasts: dict[str, NDArray[np.float64]] = {}

    def __repr__(self) -> str:
        return f"HomeSide({self._data.home!r})"

    @property
    def has_learnt(self) -> bool:
        """Whether it has taken a step of split learning: before, what the split forecast adds is arbitrary."""
        return self._last_step > 0

    def begin(self) -> bytes:
        """This home's session key."""
        return self._key.to_bytes()

    def match(self, partner_key: bytes) -> bytes:
        """Its blinded id, sealed for the partner. Raises VerticalRefused for a key that is not the partner's.

        Once: another channel of the same keys would number its messages from one again, and with two messages under
        one number whoever carries them reads both.
        """
        partner = self.terms.partner
        public = read_key(self.terms, partner, self._roster, partner_key)
        self._once("match")
        self._bound_to = products.context(self.terms.digest, self._key.public, public)
        self._channel = Channel(self.terms, self._data.home, partner, self._key.secret, public)
        return self._channel.seal("match", psi.to_bytes(self._matching.blinded()))

    def common(self, sealed: bytes) -> tuple[bool, bytes]:
        """Whether the partner has a record of this home.

        If so, for the partner: its position, shown to be this home's, and the days here. Once: the partner can't try
        out one list of ids after another.
        """
        content = self._open("doubled", sealed)
        self._once("common")
        points = psi.from_bytes(content)
        found = self._matching.common(points[:1], points[1:])
        if not found:
            return False, b""
        ((_, position),) = found
        days = products.to_bytes(self._learnt.day)
        return True, self._sealing().seal("rows", position.to_bytes(4, "big") + self._matching.secret() + days)

    def rows(self, sealed: bytes) -> int:
        """The hours that both have, once the partner has said of which days. Raises VerticalRefused for too few."""
        bits = np.frombuffer(self._open("days", sealed), dtype=np.uint8)
        self._once("rows")  # which days are learnt from does not change once products are formed
        if len(bits) != len(self._learnt) or bits.max(initial=0) > 1:
            raise VerticalRefused("the partner does not say of each day whether it has it")
        self._learnt = self._learnt.where(bits.astype(np.bool_))
        columns = home_column_count(self._learnt) + self.terms.columns
        rows = HOURS_PER_DAY * len(self._learnt)
        if rows < ROWS_PER_COLUMN * columns:
            raise VerticalRefused(
                f"{rows} hours in common are too few for {columns} columns: products of them would tell single hours"
            )
        return rows

    def difference(self, seed: bytes) -> bytes:
        """X - A, sealed for the partner; `seed`: from the coordinator."""
        if self._mask is not None:
            raise VerticalRefused("this home has told its difference: another one would tell its columns")
        shape = self._shape()
        self._mask, self._share = products.home_masks(seed, shape, self._bound_to)
        return self._sealing().seal("difference", products.to_bytes(products.words(self._joined()) - self._mask))

    def share(self, sealed: bytes) -> bytes:
        """This home's part of the sum, under the mask that the partner takes off."""
        if self._share is None or self._summed:
            raise VerticalRefused("this home has told its part of the sum, or is not there yet")
        self._entered.enter(int(self._learnt.day.max()), self._limits.fresh_days)
        self._summed = True
        shape = self._shape()
        their = products.from_bytes(self._open("difference", sealed), "u8", (shape.rows, shape.right))
        joined = self._joined()
        share = products.home_share(products.words(joined), self._share, their.astype(np.uint64))
        part = home_part(joined, share)
        return products.to_bytes(part + products.mask_of(self._sealing().mask_seed, b"ridge", len(part)))

    @property
    def column_count(self) -> int:
        """Columns of a home, without the constant and the target; the same for all homes."""
        return home_column_count(self._learnt)

    def weights(self, ridge: JointRidge) -> None:
        """Keep the regression. Raises VerticalRefused for one of other columns."""
        if len(ridge.home) != home_column_count(self._learnt) or len(ridge.partner) != self.terms.columns:
            raise VerticalRefused("the regression is of other columns than this home's")
        self.ridge = ridge

    def step(self, number: int, sealed: bytes | None) -> bytes:
        """Learn from a batch with the partner's values; for the partner: their gradient. Without them, b""."""
        if not self._last_step < number <= self._limits.most_steps:
            raise VerticalRefused(f"steps come in order, each once, and {self._limits.most_steps} at most")
        self._last_step = number
        batch = self._learnt.where(batch_of(self.terms, number, self._data.home, len(self._learnt)))
        cut = torch.zeros(len(batch), HOURS_PER_DAY, self.terms.cut)
        present = torch.zeros(len(batch), dtype=torch.bool)
        if sealed is not None:
            values = products.from_bytes(self._open(f"cut {number}", sealed), "f4", tuple(cut.shape))
            if not np.isfinite(values).all():
                raise VerticalRefused("the partner's values are not finite numbers")
            cut = torch.from_numpy(values.astype(np.float32))
            present = torch.from_numpy(kept_days(self.terms, number, self._data.home, len(batch)))
        gradient = self.learn(batch, cut, present)
        if sealed is None:
            return b""
        gradient = noised(
            clipped(gradient, self.terms.gradient_norm), self.terms.gradient_noise * self.terms.gradient_norm
        )
        return self._sealing().seal(f"gradient {number}", products.to_bytes(gradient.numpy()))

    def learn(self, batch: Windows, cut: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """One step of the home's part; the gradient of the batch's summed loss by the cut [days, 24, cut]."""
        torch.set_num_threads(1)
        history, steps, exogenous, target = tensors(batch)
        cut = cut.clone().requires_grad_(True)
        forecast, scale = self.model(history, steps, exogenous, cut, present)
        losses = loss_of(forecast, target, scale, self._data.huber)
        self._optimiser.zero_grad()
        losses.mean().backward()  # type: ignore[no-untyped-call]
        gradient = torch.zeros_like(cut) if cut.grad is None else cut.grad * losses.numel()
        self._optimiser.step()
        self.model.forecaster.project()
        return gradient

    def ask(self, days: NDArray[np.int64]) -> bytes:
        """For the partner: the days that values are wanted of, to forecast them.

        Raises VerticalRefused where none of them can be forecast.
        """
        found = self._data.windows.where(np.isin(self._data.windows.day, days) & (self._data.windows.shift == 0))
        if not len(found):
            raise VerticalRefused(
                f"this home has no week of readings, or no weather, before {', '.join(map(str, days.tolist()))}"
            )
        self.asked = found
        return self._sealing().seal("ask", products.to_bytes(self.asked.day))

    def forecast(self, sealed: bytes | None) -> dict[str, NDArray[np.float64]]:
        """Forecasts of the days asked for, Wh, and of each what the meter alone gives (`..._alone`).

        `split`: [days, 48], typical hours and means; `ridge`: [days, 24]. Without the partner's values (None), or on
        days that it has none of, they are those of the meter alone.
        """
        if self.asked is None:
            raise VerticalRefused("this home has asked for no day")
        count, cut_size = len(self.asked), self.terms.cut
        present, cut = np.zeros(count, np.bool_), np.zeros((count, HOURS_PER_DAY, cut_size), np.float32)
        theirs = np.zeros((count, HOURS_PER_DAY))
        if sealed is not None:
            content = self._open("values", sealed)
            sizes = np.cumsum([count, 4 * cut.size])
            present = np.frombuffer(content[: sizes[0]], dtype=np.uint8).astype(np.bool_)
            cut = products.from_bytes(content[sizes[0] : sizes[1]], "f4", cut.shape).astype(np.float32)
            theirs = products.from_bytes(content[sizes[1] :], "f8", theirs.shape).astype(np.float64)
            if not (np.isfinite(cut).all() and np.isfinite(theirs).all()):
                raise VerticalRefused("the partner's values are not finite numbers")
        self.forecasts = {
            "split": self._split(cut, present),
            "split_alone": self._split(cut, np.zeros_like(present)),
            **self._ridge(theirs, present),
        }
        return self.forecasts

    def _split(self, cut: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.float64]:
        assert self.asked is not None
        history, steps, exogenous, _ = tensors(self.asked)
        with torch.no_grad():
            relative, scale = self.model(history, steps, exogenous, torch.from_numpy(cut), torch.from_numpy(present))
            forecast = relative * (scale / SCALE_UNIT)[:, :, None]
            return np.asarray(forecast.transpose(1, 2).flatten(1).numpy(), dtype=np.float64)

    def _ridge(self, theirs: NDArray[np.float64], present: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
        if self.ridge is None or self.asked is None:
            return {}
        columns, shape = home_columns(self.asked), theirs.shape
        alone = self.ridge.alone.predict(columns).reshape(shape)
        joint = Ridge(self.ridge.home, self.ridge.intercept).predict(columns).reshape(shape) + theirs
        return {"ridge": np.where(present[:, None], joint, alone), "ridge_alone": alone}

    def _joined(self) -> NDArray[np.int64]:
        return with_constant(home_columns(self._learnt), self._learnt.target.reshape(-1))

    def _shape(self) -> products.Shape:
        left = home_column_count(self._learnt) + 2
        return products.Shape(HOURS_PER_DAY * len(self._learnt), left, self.terms.columns)

    def _sealing(self) -> Channel:
        if self._channel is None:
            raise VerticalRefused("this home has no channel to the partner yet")
        return self._channel

    def _once(self, stage: str) -> None:
        if stage in self._answered:
            raise VerticalRefused(f"this home answers `{stage}` once in a session, and has done so")
        self._answered.add(stage)

    def _open(self, what: str, sealed: bytes) -> bytes:
        return self._sealing().open(what, sealed)


def sum_length(windows: Windows, terms: VerticalTerms) -> int:
    """Words in the sum of the regression."""
    return vector_length(home_column_count(windows), terms.columns)


def batch_of(terms: VerticalTerms, number: int, home: str, days: int) -> NDArray[np.bool_]:
    """The days of a step, bool [days]: home and partner draw the same."""
    chosen = np.zeros(days, np.bool_)
    chosen[_generator(terms, number, home).permutation(days)[: terms.batch_days]] = True
    return chosen


def kept_days(terms: VerticalTerms, number: int, home: str, days: int) -> NDArray[np.bool_]:
    """The days of a batch that are learnt with the partner's values: all but `dropout` of them, drawn anew."""
    return _generator(terms, number, f"{home}\0dropout").random(days) >= terms.dropout


def _generator(terms: VerticalTerms, number: int, name: str) -> np.random.Generator:
    return np.random.default_rng([terms.seed, number, *name.encode()])


def _check(terms: VerticalTerms, data: HomeData, limits: HomeLimits) -> None:
    if data.home not in terms.homes:
        raise VerticalRefused(f"{data.home} is not in this session")
    if terms.partner not in limits.partners or data.signed_id.partner != terms.partner:
        raise VerticalRefused(
            f"this home learns with {', '.join(limits.partners)} only, not with {terms.partner!r:.70}"
        )
    if terms.fewest_homes < limits.fewest_homes or terms.gradient_noise < limits.least_gradient_noise:
        raise VerticalRefused(
            f"this home asks for {limits.fewest_homes} homes in a sum and gradient noise of "
            f"{limits.least_gradient_noise:g} at least"
        )


@dataclass
class Sessions:
    """The session that a home is in; a new one takes the place of the one before."""

    make: Callable[[VerticalTerms], HomeSide]
    now: HomeSide | None = None
    done: list[bytes] = field(default_factory=list)

    def begin(self, data: bytes) -> HomeSide:
        """Raises VerticalRefused for terms that were those of a session before."""
        if data in self.done:
            raise VerticalRefused("this session has begun before: each needs its own nonce")
        self.now = self.make(VerticalTerms.from_bytes(data))
        self.done.append(data)
        return self.now

    def current(self) -> HomeSide:
        if self.now is None:
            raise VerticalRefused("this home is in no session: it was not asked to begin one, or has restarted since")
        return self.now
