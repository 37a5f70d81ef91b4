"""A partner's side of a session: its ids are matched, its columns are multiplied, its part gives homes a cut.

Columns stay here. What leaves: to a home, sealed, blinded ids, the days there are, differences that are uniform, and
a cut of a few values an hour, clipped and with noise; to the coordinator, one masked part of a sum.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray

from data.day import HOURS_PER_DAY, DayClock
from fl.vertical import products, psi
from fl.vertical.channel import Channel, SessionKey, read_key
from fl.vertical.columns import PartnerTable, Record
from fl.vertical.errors import VerticalRefused
from fl.vertical.home import batch_of
from fl.vertical.ridge import JointRidge, partner_part
from fl.vertical.split import PartnerPart, noised
from fl.vertical.terms import VerticalTerms
from zkp.algebra.curve import curve
from zkp.algebra.field import SCALAR_BYTES

_log = logging.getLogger(__name__)
_POSITION_BYTES = 4
_DAYS_AT = _POSITION_BYTES + SCALAR_BYTES  # in what a home tells of its rows: position, secret, days
_T = TypeVar("_T")


@dataclass(frozen=True, repr=False)
class PartnerData:
    """What a partner brings: its name, its table, and the community's clock."""

    name: str
    table: PartnerTable
    clock: DayClock

    def __repr__(self) -> str:
        return f"PartnerData({self.name!r}, {self.table!r})"


@dataclass(frozen=True)
class PartnerLimits:
    """What a partner asks of a session at least; in its own settings."""

    fewest_homes: int = 3
    largest_cut: int = 4
    least_cut_noise: float = 0.0


@dataclass(repr=False)
class _Home:
    """What the partner has in a session of one home."""

    channel: Channel
    point: bytes  # its blinded id
    bound_to: bytes  # what its products are bound to
    record: Record | None = None
    learnt: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, HOURS_PER_DAY, 1), np.int64))
    mask: products.Words | None = None
    share: products.Words | None = None

    @property
    def flat(self) -> NDArray[np.int64]:
        return self.learnt.reshape(-1, self.learnt.shape[2])


class PartnerSide:
    """One session. Stages in order: begin, double, rows, difference, sum, weights, then cut and values.

    What one home sends wrongly leaves that home out of the answer, and no other (`left_out` has the reasons).

    Args:
        identity, roster: this partner's key, and the identities of the homes by name.
    Raises VerticalRefused for a session that the partner's own limits do not allow.
    """

    def __init__(
        self,
        terms: VerticalTerms,
        data: PartnerData,
        limits: PartnerLimits,
        identity: ec.EllipticCurvePrivateKey,
        roster: Mapping[str, bytes],
    ) -> None:
        _check(terms, data, limits)
        self.terms, self._data, self._roster = terms, data, roster
        self._key = SessionKey.new(terms, data.name, identity)
        self._records = list(data.table.records.items())
        self._matching = psi.Matching([signed.to_bytes() for signed, _ in self._records], curve())
        self._homes: dict[str, _Home] = {}
        self._matched: set[str] = set()
        self._summed = False
        self.left_out: dict[str, str] = {}
        self.part = PartnerPart(terms.columns, terms.cut, terms.cut_norm, terms.seed + 1)
        self._optimiser = torch.optim.Adam(self.part.parameters(), lr=terms.learning_rate)
        self._scale: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._last = 0
        self.ridge: JointRidge | None = None

    def __repr__(self) -> str:
        return f"PartnerSide({self._data.name!r})"

    def begin(self) -> bytes:
        """This partner's session key."""
        return self._key.to_bytes()

    def double(self, keys: Mapping[str, bytes], sealed: Mapping[str, bytes]) -> dict[str, bytes]:
        """For each home: its blinded id under both secrets, and this partner's blinded ids."""

        def answer(home: str, data: bytes) -> bytes:
            if home in self._homes or home not in self.terms.homes:
                raise VerticalRefused("it is matched once in a session, and only if it is in it")
            public = read_key(self.terms, home, self._roster, keys[home])
            channel = Channel(self.terms, self._data.name, home, self._key.secret, public)
            points = psi.from_bytes(channel.open("match", data))
            if len(points) != 1:
                raise VerticalRefused("a home has one id, and more would be guesses at others'")
            doubled = self._matching.doubled(points)
            bound_to = products.context(self.terms.digest, public, self._key.public)
            self._homes[home] = _Home(channel, points[0], bound_to)
            return channel.seal("doubled", psi.to_bytes([*doubled, *self._matching.blinded()]))

        return self._each(sealed, answer)

    def rows(self, sealed: Mapping[str, bytes]) -> dict[str, bytes]:
        """For each home that has a match: of which of its days there is a complete record."""

        def answer(home: str, data: bytes) -> bytes:
            own = self._home(home)
            content = own.channel.open("rows", data)
            position, secret = int.from_bytes(content[:_POSITION_BYTES], "big"), content[_POSITION_BYTES:_DAYS_AT]
            if own.record is not None or not self._matching.is_of(position, own.point, secret):
                raise VerticalRefused("it does not show that the record is its own, or has asked for one before")
            days = products.from_bytes(content[_DAYS_AT:], "i8", ((len(content) - _DAYS_AT) // 8,))
            signed, record = self._records[self._matching.order[position]]
            if signed.household in self._matched:
                raise VerticalRefused("another home of this session has that record")
            complete, values = record.days(days.astype(np.int64), self._data.clock)
            self._matched.add(signed.household)
            own.record, own.learnt = record, values[complete]
            return own.channel.seal("days", products.to_bytes(complete.astype(np.uint8)))

        return self._each(sealed, answer)

    def difference(self, dealt: Mapping[str, tuple[bytes, bytes]], left: int) -> dict[str, bytes]:
        """Y - B for each home; `dealt`: by home a seed and this side's share of A'B; `left`: columns of a home."""

        def answer(home: str, data: tuple[bytes, bytes]) -> bytes:
            own, (seed, share) = self._home(home), data
            if own.mask is not None:
                raise VerticalRefused("it has been told a difference: another one would tell the columns")
            shape = products.Shape(len(own.flat), left, self.terms.columns)
            own.mask = products.partner_mask(seed, shape, own.bound_to)
            own.share = products.from_bytes(share, "u8", (left, self.terms.columns)).astype(np.uint64)
            return own.channel.seal("difference", products.to_bytes(products.words(own.flat) - own.mask))

        return self._each(dealt, answer)

    def sum(self, sealed: Mapping[str, bytes]) -> bytes:
        """This side's part of the sum over these homes, their masks taken off. Asked for once a session.

        Raises VerticalRefused for fewer homes than the terms say, or one whose difference is not what it should be.
        """
        if self._summed:
            raise VerticalRefused("the sum of this session has been told: two of them would tell their difference")
        self._summed = True
        if len(sealed) < self.terms.fewest_homes:
            raise VerticalRefused(f"a sum of {len(sealed)} homes, where {self.terms.fewest_homes} must be in it")
        total: products.Words | None = None
        for home, data in sorted(sealed.items()):
            own = self._home(home)
            if own.mask is None or own.share is None:
                raise VerticalRefused(f"{home} is in the sum and was dealt nothing")
            content = own.channel.open("difference", data)
            theirs = products.from_bytes(content, "u8", (len(own.flat), own.share.shape[0])).astype(np.uint64)
            part = partner_part(own.flat, products.partner_share(own.mask, own.share, theirs))
            part = part - products.mask_of(own.channel.mask_seed, b"ridge", len(part))
            total = part if total is None else total + part
        assert total is not None
        return products.to_bytes(total)

    def weights(self, ridge: JointRidge) -> None:
        """Keep the regression. Raises VerticalRefused for one of other columns."""
        if len(ridge.partner) != self.terms.columns:
            raise VerticalRefused("the regression is of other columns than this partner's")
        self.ridge = ridge

    def cut(self, number: int, homes: Collection[str], gradients: Mapping[str, bytes]) -> dict[str, bytes]:
        """Learn from the gradients of the step before; for each home the values of its batch of this step."""
        if number <= self._last:
            raise VerticalRefused("steps come in order, each once")
        before, self._last = self._last, number
        self._learn(before, gradients)

        def answer(home: str, _: bytes) -> bytes:
            own = self._home(home)
            with torch.no_grad():
                values = self.part(self._batch(home, own, number))
            noisy = noised(values, self.terms.cut_noise * self.terms.cut_norm)
            return own.channel.seal(f"cut {number}", products.to_bytes(noisy.numpy()))

        return self._each(dict.fromkeys(homes, b""), answer)

    def values(self, sealed: Mapping[str, bytes]) -> dict[str, bytes]:
        """For each home, of the days it asks for: whether there is a record, the cut, and the regression's part."""

        def answer(home: str, data: bytes) -> bytes:
            own = self._home(home)
            content = own.channel.open("ask", data)
            days = products.from_bytes(content, "i8", (len(content) // 8,)).astype(np.int64)
            if own.record is None:
                raise VerticalRefused("it has no match here")
            complete, columns = own.record.days(days, self._data.clock)
            with torch.no_grad():
                cut = noised(self.part(self._standardised(columns)), self.terms.cut_noise * self.terms.cut_norm)
            ridge = np.zeros(columns.shape[:2]) if self.ridge is None else columns @ self.ridge.partner
            parts = [complete.astype(np.uint8), cut.numpy(), ridge.astype(np.float64)]
            return own.channel.seal("values", b"".join(products.to_bytes(part) for part in parts))

        return self._each(sealed, answer)

    def _learn(self, number: int, gradients: Mapping[str, bytes]) -> None:
        """One step down the mean loss over the homes' hours; `number`: the step that the gradients are of."""
        torch.set_num_threads(1)
        self._optimiser.zero_grad()
        count = 0

        def take(home: str, data: bytes) -> bytes:
            nonlocal count
            own = self._home(home)
            batch = self._batch(home, own, number)
            shape = (*batch.shape[:2], self.terms.cut)
            gradient = products.from_bytes(own.channel.open(f"gradient {number}", data), "f4", shape)
            if not np.isfinite(gradient).all():
                raise VerticalRefused("its gradient is not of finite numbers")
            self.part(batch).backward(torch.from_numpy(gradient.astype(np.float32)))
            count += shape[0] * shape[1]
            return b""

        self._each(gradients, take)
        if count:
            for parameter in self.part.parameters():
                if parameter.grad is not None:
                    parameter.grad /= count
            self._optimiser.step()

    def _batch(self, home: str, own: _Home, number: int) -> torch.Tensor:
        return self._standardised(own.learnt[batch_of(self.terms, number, home, len(own.learnt))])

    def _standardised(self, columns: NDArray[np.int64]) -> torch.Tensor:
        """Columns [days, 24, q] about the mean of all that is learnt from, in units of the standard deviation."""
        if self._scale is None:
            learnt = np.concatenate([home.flat for home in self._homes.values() if len(home.flat)])
            deviation = learnt.std(axis=0)
            self._scale = learnt.mean(axis=0), np.where(deviation > 0, deviation, 1)
        mean, deviation = self._scale
        return torch.from_numpy(((columns - mean) / deviation).astype(np.float32))

    def _home(self, home: str) -> _Home:
        if home not in self._homes:
            raise VerticalRefused("it has no channel to this partner")
        return self._homes[home]

    def _each(self, items: Mapping[str, _T], answer: Callable[[str, _T], bytes]) -> dict[str, bytes]:
        out = {}
        for home, item in sorted(items.items()):
            try:
                out[home] = answer(home, item)
            except VerticalRefused as refused:
                _log.warning("home left out", extra={"home": home, "reason": str(refused)})
                self.left_out[home] = str(refused)
        return out


def _check(terms: VerticalTerms, data: PartnerData, limits: PartnerLimits) -> None:
    if terms.partner != data.name or terms.columns != len(data.table.columns):
        raise VerticalRefused(f"this partner is {data.name}, with {len(data.table.columns)} columns")
    if terms.fewest_homes < limits.fewest_homes:
        raise VerticalRefused(f"this partner asks for {limits.fewest_homes} homes in a sum at least")
    if terms.cut > limits.largest_cut or terms.cut_noise < limits.least_cut_noise:
        raise VerticalRefused(
            f"this partner gives at most {limits.largest_cut} values an hour, with noise of "
            f"{limits.least_cut_noise:g} at least"
        )
