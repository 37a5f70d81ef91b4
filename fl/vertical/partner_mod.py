"""A partner's side as a Flower mod. Items of a message are by home; what is the same for all has its own name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flwr.app import Context, Message
from flwr.clientapp.typing import ClientAppCallable

from fl.secagg.rings import SEED_BYTES
from fl.vertical.errors import VerticalRefused
from fl.vertical.partner import PartnerSide
from fl.vertical.terms import VerticalTerms
from fl.vertical.wire import (
    COLUMNS,
    KEY_OF,
    NUMBER,
    RIDGE,
    TERMS,
    VERTICAL,
    item,
    message,
    number,
    read,
    read_ridge,
)


class VerticalPartnerMod:
    """Answers vertical learning, and passes on everything else.

    Args:
        make: opens this partner's side of a session (`PartnerSide` with its data, limits and keys).
    """

    def __init__(self, make: Callable[[VerticalTerms], PartnerSide]) -> None:
        self._make, self._begun = make, set[bytes]()
        self.side: PartnerSide | None = None

    def __call__(self, incoming: Message, context: Context, call_next: ClientAppCallable) -> Message:
        """Raises VerticalRefused."""
        if VERTICAL not in incoming.content.config_records:
            return call_next(incoming, context)
        stage, items = read(incoming.content)
        return Message(message(stage, self._answer(stage, items)), reply_to=incoming)

    def _answer(self, stage: str, items: dict[str, bytes]) -> dict[str, bytes]:
        if stage == "begin":
            return {"key": self._begin(item(items, TERMS))}
        if self.side is None:
            raise VerticalRefused("this partner is in no session: it was not asked to begin one, or has restarted")
        if stage == "weights":
            self.side.weights(read_ridge(item(items, RIDGE)))
            return {}
        return {"sum": self.side.sum(items)} if stage == "sum" else self._of_homes(stage, items, self.side)

    @staticmethod
    def _of_homes(stage: str, items: dict[str, bytes], side: PartnerSide) -> dict[str, bytes]:
        """Stages whose answers are by home."""
        if stage == "double":
            keys = {name.removeprefix(KEY_OF): key for name, key in items.items() if name.startswith(KEY_OF)}
            return side.double(keys, {home: items[home] for home in keys if home in items})
        if stage == "rows":
            return side.rows(items)
        if stage == "difference":
            left = number(items, COLUMNS)
            return side.difference(_dealt(items), left)
        if stage == "cut":
            step = number(items, NUMBER)
            gradients = {home: data for home, data in items.items() if home != NUMBER}
            return side.cut(step, gradients, {home: data for home, data in gradients.items() if data})
        if stage == "values":
            return side.values(items)
        raise VerticalRefused(f"there is no stage {stage!r:.20}")

    def _begin(self, terms: bytes) -> bytes:
        if terms in self._begun:
            raise VerticalRefused("this session has begun before: each needs its own nonce")
        self.side = self._make(VerticalTerms.from_bytes(terms))
        self._begun.add(terms)
        return self.side.begin()


def _dealt(items: Mapping[str, bytes]) -> dict[str, tuple[bytes, bytes]]:
    """By home, the seed and the share that the coordinator has dealt."""
    return {home: (data[:SEED_BYTES], data[SEED_BYTES:]) for home, data in items.items() if home != COLUMNS}
