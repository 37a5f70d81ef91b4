"""The coordinator's side of vertical learning: it leads a session, and carries sealed messages.

It sees who has a match, how many hours they have, sealed messages, and the sum over homes that the regression is made
from. It deals what the multiplication needs, so it must be colluding with neither side (`fl.vertical.products`).

A home that does not answer leaves the session, with the reason recorded. When the partner becomes unreachable, homes
continue to learn without its values, and forecast from the meter alone until it is back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from flwr.app import MessageType, RecordDict
from flwr.serverapp import Grid
from numpy.typing import NDArray

from fl.exchange import exchange
from fl.vertical import products
from fl.vertical.errors import VerticalRefused
from fl.vertical.ridge import DEFAULT_PENALTY, JointRidge, solve, vector_length
from fl.vertical.terms import VerticalTerms
from fl.vertical.wire import (
    COLUMNS,
    KEY_OF,
    NUMBER,
    RIDGE,
    TERMS,
    item,
    message,
    number,
    number_bytes,
    read,
    ridge_bytes,
)

_log = logging.getLogger(__name__)


class TooFewHomes(VerticalRefused):
    """Fewer homes have a match, or stay, than a sum may have."""


class PartnerAway(VerticalRefused):
    """The partner does not answer before there is anything that homes could do without it."""


@dataclass
class VerticalSession:
    """One session over Flower's grid.

    Attributes:
        nodes: of the homes and of the partner, by name.
        timeout: of one exchange, in seconds; partner_timeout: of one with the partner, if another.
        left_out: homes that are out of it, and why; `partner_away`: why the partner gives no values any more.
        bytes_home, bytes_partner: carried to and from all homes, and the partner.
    """

    grid: Grid
    terms: VerticalTerms
    nodes: Mapping[str, int]
    timeout: float = 600
    partner_timeout: float | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    partner_away: str | None = None
    bytes_home: int = 0
    bytes_partner: int = 0
    _matched: tuple[str, ...] = ()
    _bound_to: dict[str, bytes] = field(default_factory=dict)
    _rows: dict[str, int] = field(default_factory=dict)
    _columns: int = 0
    _gradients: dict[str, bytes] = field(default_factory=dict)
    _steps: int = 0

    @property
    def bytes_all(self) -> int:
        """Carried to and from all homes and the partner."""
        return self.bytes_home + self.bytes_partner

    def match(self) -> tuple[str, ...]:
        """Match ids and align rows: the homes that take part. Raises PartnerAway, TooFewHomes."""
        begin = self.terms.to_bytes()
        partner_key = item(self._partner("begin", {TERMS: begin}), "key")
        keys = self._values(self._homes("begin", _same(self.terms.homes, terms=begin)), "key")
        self._bound_to = {home: products.context(self.terms.digest, key, partner_key) for home, key in keys.items()}
        blinded = self._values(self._homes("match", _same(keys, key=partner_key)), "sealed")
        own_keys = {KEY_OF + home: keys[home] for home in blinded}
        doubled = self._partner("double", {**blinded, **own_keys})
        asked = {home: {"sealed": data} for home, data in self._answered(blinded, doubled).items()}
        answers = self._homes("common", asked)
        found = {home: answer["sealed"] for home, answer in answers.items() if "sealed" in answer}
        self.left_out |= dict.fromkeys(answers.keys() - found.keys(), "the partner has no record of it")
        days = self._answered(found, self._partner("rows", found)) if found else {}
        rows = self._homes("rows", {home: {"sealed": data} for home, data in days.items()})
        self._rows = {home: number(answer, "rows") for home, answer in rows.items()}
        counts = {number(answer, "columns") for answer in rows.values()}
        self._enough(self._rows, "have records in common with the partner")
        if len(counts) != 1:
            raise VerticalRefused("homes have different columns: their versions differ")
        self._matched, (self._columns,) = tuple(sorted(self._rows)), counts
        return self._matched

    def regress(self, penalty: float = DEFAULT_PENALTY) -> JointRidge:
        """The ridge regression on the joined columns, told to all.

        Raises TooFewHomes, PartnerAway, VerticalRefused for a sum of no columns.
        """
        left, right = self._columns + 2, self.terms.columns
        dealt = {
            home: products.deal(products.Shape(self._rows[home], left, right), self._bound_to[home])
            for home in self._matched
        }
        to_partner = {home: each.partner_seed + products.to_bytes(each.partner_share) for home, each in dealt.items()}
        for_partner = {**to_partner, COLUMNS: number_bytes(left)}
        theirs = self._answered(to_partner, self._partner("difference", for_partner))
        asked = {home: {"seed": dealt[home].home_seed} for home in theirs}
        differences = self._values(self._homes("difference", asked), "sealed")
        parts = self._values(self._homes("share", {home: {"sealed": theirs[home]} for home in differences}), "sum")
        self._enough(parts, "have told their part of the sum")
        length = (vector_length(self._columns, right),)
        answer = self._partner("sum", {home: differences[home] for home in parts})
        total = products.from_bytes(item(answer, "sum"), "u8", length).astype(np.uint64)
        for data in parts.values():
            total = total + products.from_bytes(data, "u8", length).astype(np.uint64)
        ridge = solve(total, len(parts), right, penalty)
        content = ridge_bytes(ridge)
        self._homes("weights", _same(self._matched, ridge=content))
        self._partner("weights", {RIDGE: content})
        return ridge

    def learn(self, steps: int) -> None:
        """Steps of split learning, each a batch of every home. Homes learn by themselves once the partner is away."""
        for _ in range(steps):
            self._steps += 1
            homes = [home for home in self._matched if home not in self.left_out]
            self._enough(homes, "are left")
            values = self._cut(homes)
            items = {home: {"number": number_bytes(self._steps)} for home in homes}
            for home, data in values.items():
                items[home]["sealed"] = data
            answers = self._homes("step", items)
            self._gradients = {home: data for home, data in self._values(answers, "sealed").items() if data}

    def forecast(self, days: NDArray[np.int64]) -> tuple[str, ...]:
        """Have the homes forecast these days, with the partner's values if it gives them; who has done so."""
        homes = [home for home in self._matched if home not in self.left_out]
        asked = self._values(self._homes("ask", _same(homes, days=products.to_bytes(days))), "sealed")
        values = self._or_away("values", asked)
        items = {home: ({"sealed": values[home]} if home in values else {}) for home in asked}
        return tuple(sorted(self._homes("forecast", items)))

    def _cut(self, homes: list[str]) -> dict[str, bytes]:
        items = {home: self._gradients.get(home, b"") for home in homes}
        return self._or_away("cut", {**items, NUMBER: number_bytes(self._steps)})

    def _or_away(self, stage: str, items: Mapping[str, bytes]) -> dict[str, bytes]:
        """What the partner says of each home; nothing while it is away."""
        try:
            answer = self._partner(stage, items)
        except PartnerAway as away:
            if self.partner_away is None:
                _log.warning(
                    "the partner is unreachable: homes continue with the meter alone", extra={"reason": str(away)}
                )
            self.partner_away = str(away)
            return {}
        self.partner_away = None
        return {home: data for home, data in answer.items() if home in items}

    def _partner(self, stage: str, items: Mapping[str, bytes]) -> dict[str, bytes]:
        """Raises PartnerAway where it gives no answer, or refuses."""
        name = self.terms.partner
        if name not in self.nodes:
            raise PartnerAway(f"{name} is not connected")
        answers, left_out = self._ask(stage, {name: items}, self.partner_timeout or self.timeout)
        self.bytes_partner += _size(items) + sum(map(_size, answers.values()))
        if name not in answers:
            raise PartnerAway(f"{name} does not answer `{stage}`: {left_out.get(name, 'no answer')}")
        return answers[name]

    def _homes(self, stage: str, items: Mapping[str, Mapping[str, bytes]]) -> dict[str, dict[str, bytes]]:
        here = {home: each for home, each in items.items() if home in self.nodes}
        self.left_out |= dict.fromkeys(items.keys() - here.keys(), "it is not connected")
        answers, left_out = self._ask(stage, here, self.timeout)
        self.left_out |= left_out
        self.bytes_home += sum(map(_size, here.values())) + sum(map(_size, answers.values()))
        return answers

    def _ask(
        self, stage: str, items: Mapping[str, Mapping[str, bytes]], timeout: float
    ) -> tuple[dict[str, dict[str, bytes]], dict[str, str]]:
        contents = {name: message(stage, each) for name, each in items.items()}
        nodes = {name: self.nodes[name] for name in contents}
        replies, left_out = exchange(self.grid, nodes, contents, MessageType.TRAIN, timeout)
        answers = {}
        for name, reply in replies.items():
            try:
                answers[name] = _answer(reply, stage)
            except VerticalRefused as refused:
                left_out[name] = str(refused)
        return answers, left_out

    def _values(self, answers: Mapping[str, Mapping[str, bytes]], name: str) -> dict[str, bytes]:
        """One item of each answer; a home without it is out."""
        self.left_out |= {home: f"its answer has no {name}" for home, each in answers.items() if name not in each}
        return {home: each[name] for home, each in answers.items() if name in each}

    def _answered(self, asked: Iterable[str], answer: Mapping[str, bytes]) -> dict[str, bytes]:
        """What the partner answers of each home that it was asked about; the others are out."""
        homes = set(asked)
        self.left_out |= dict.fromkeys(homes - answer.keys(), "the partner refuses what came from it; see its log")
        return {home: data for home, data in answer.items() if home in homes}

    def _enough(self, homes: Mapping[str, object] | list[str], what: str) -> None:
        if len(homes) < self.terms.fewest_homes:
            reasons = "; ".join(f"{home}: {why}" for home, why in sorted(self.left_out.items()))
            raise TooFewHomes(
                f"{len(homes)} homes {what}, {self.terms.fewest_homes} are needed; left out: {reasons or 'none'}"
            )


def _answer(reply: RecordDict, stage: str) -> dict[str, bytes]:
    answered, items = read(reply)
    if answered != stage:
        raise VerticalRefused("the answer is of another stage")
    return items


def _same(homes: Iterable[str], **items: bytes) -> dict[str, dict[str, bytes]]:
    """The same items for each home."""
    return {home: dict(items) for home in homes}


def _size(items: Mapping[str, bytes]) -> int:
    return sum(map(len, items.values()))
