"""A home's side as a Flower mod: around its ClientApp, beside what else it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from flwr.app import Context, Message
from flwr.clientapp.typing import ClientAppCallable
from numpy.typing import NDArray

from fl.vertical import products
from fl.vertical.errors import VerticalRefused
from fl.vertical.home import HomeSide, Sessions
from fl.vertical.terms import VerticalTerms
from fl.vertical.wire import VERTICAL, item, message, number, number_bytes, read, read_ridge

Keep = Callable[[HomeSide, dict[str, NDArray[np.float64]]], None]
"""What a home does with forecasts: its session (`asked` has the days), and the forecasts by name."""


class VerticalHomeMod:
    """Answers vertical learning, and passes on everything else.

    Args:
        make: opens this home's side of a session (`HomeSide` with the home's data, limits and keys).
        keep: is given the forecasts of days that the coordinator asks to be forecast.
    """

    def __init__(self, make: Callable[[VerticalTerms], HomeSide], keep: Keep = lambda side, forecasts: None) -> None:
        self.sessions, self._keep = Sessions(make), keep

    def __call__(self, incoming: Message, context: Context, call_next: ClientAppCallable) -> Message:
        """Raises VerticalRefused."""
        if VERTICAL not in incoming.content.config_records:
            return call_next(incoming, context)
        stage, items = read(incoming.content)
        return Message(message(stage, self.answer(stage, items)), reply_to=incoming)

    def answer(self, stage: str, items: Mapping[str, bytes]) -> dict[str, bytes]:
        """The items of the answer to one stage. Raises VerticalRefused."""
        if stage == "begin":
            return {"key": self.sessions.begin(item(items, "terms")).begin()}
        side = self.sessions.current()
        sealed = items.get("sealed")
        if stage == "step":
            return {"sealed": side.step(number(items, "number"), sealed)}
        if stage == "ask":
            days = products.from_bytes(item(items, "days"), "i8", (len(item(items, "days")) // 8,))
            return {"sealed": side.ask(days.astype(np.int64))}
        if stage == "forecast":
            self._keep(side, side.forecast(sealed))
            return {}
        return self._matched(stage, items, side)

    @staticmethod
    def _matched(stage: str, items: Mapping[str, bytes], side: HomeSide) -> dict[str, bytes]:
        if stage == "match":
            return {"sealed": side.match(item(items, "key"))}
        if stage == "common":
            matched, sealed = side.common(item(items, "sealed"))
            return {"sealed": sealed} if matched else {}
        if stage == "rows":
            rows = side.rows(item(items, "sealed"))
            return {"rows": number_bytes(rows), "columns": number_bytes(side.column_count)}
        if stage == "difference":
            return {"sealed": side.difference(item(items, "seed"))}
        if stage == "share":
            return {"sum": side.share(item(items, "sealed"))}
        if stage == "weights":
            side.weights(read_ridge(item(items, "ridge")))
            return {}
        raise VerticalRefused(f"there is no stage {stage!r:.20}")
