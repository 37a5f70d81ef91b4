"""A gateway's part in the traces of training rounds: what it did for the coordinator, and how long it took.

Spans find their round by its number, which the coordinator's plan and hand-out tell; no message says anything more.
"""

from __future__ import annotations

from collections.abc import Callable

from flwr.app import Context, Message, MessageType
from flwr.clientapp.typing import Mod

from api.config.tracing import TrainingRound, tracer
from data.quantity import Quantity
from fl.client_app import EXPORT_MODEL, MODEL, PLAN, ROUND, WHO

_STEPS: dict[str, str] = {MessageType.TRAIN: "train at home", MODEL: "take model", EXPORT_MODEL: "take model"}
_MOST = 1 << 31


def round_traces(community: bytes) -> Mod:
    """`community`: its identifier. The mod goes first: what it sees is not checked yet."""

    def traced(message: Message, context: Context, call_next: Callable[[Message, Context], Message]) -> Message:
        found = _round_in(message)
        if found is None or not tracer().is_on:
            return call_next(message, context)
        with tracer().step(_STEPS[message.metadata.message_type], TrainingRound(community, *found)):
            return call_next(message, context)

    return traced


def _round_in(message: Message) -> tuple[Quantity, int] | None:
    """Quantity and number of the round that a message is about."""
    kind = message.metadata.message_type
    if kind not in _STEPS or not message.has_content():
        return None
    records = message.content.config_records
    record = records.get(PLAN if kind == MessageType.TRAIN else WHO)
    number = None if record is None else record.get(ROUND)
    if record is None or type(number) is not int or not 0 <= number < _MOST:
        return None
    if kind == MessageType.TRAIN:
        return ("export" if record.get("quantity") == "export" else "load"), number
    return ("export" if kind == EXPORT_MODEL else "load"), number
