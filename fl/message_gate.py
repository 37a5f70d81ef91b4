"""What a home answers at all: message types and plans that its own settings allow, and no other; the outermost mod.

Flower gives a message to whatever function the app has for its type, and to the mods on the way whatever it is. A mod
that protects `train` and passes on what is not exactly `train` lets `evaluate` through, which tells the mean error of
any chosen model on a home's days, and `train.default`, which Flower takes for the same as `train`. So types are
allowed one by one here; a type that is new, or another name for one of these, is refused. So is a plan outside the
home's own limits: one that changes nothing for all homes but one would make their sum that one's update.
"""

from __future__ import annotations

from flwr.app import Context, Message, MessageType
from flwr.clientapp.typing import ClientAppCallable

from fl.client_app import HELLO, MODEL, PEAKS, PLAN
from fl.errors import FederationError
from fl.one_shot.plan import ONE_SHOT
from fl.plan import LocalPlan
from fl.settings import FederationSettings

_WITHOUT_DATA = frozenset({HELLO, MODEL, PEAKS})
"""The home's name goes out, and the community's models come in; nothing of the home's data is in the answers."""


class NotAnswered(FederationError):
    """A message of a type that this home's own settings do not allow."""


class MessageGate:
    """Passes on what the home's own settings allow. Raises NotAnswered for other types, PlanRefused for plans."""

    def __init__(self, settings: FederationSettings, *, sums: bool = False) -> None:
        """`sums`: there is a mod that masks the sums of a one-shot training; without, none is answered."""
        self._allowed, self._limits, self._sums = answered_types(settings), settings.plan_limits, sums

    def __call__(self, message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        kind = message.metadata.message_type
        if kind not in self._allowed:
            raise NotAnswered(f"this home's settings allow no message of type {kind!r:.80}")
        if ONE_SHOT in message.content.config_records and not self._sums:
            raise NotAnswered(
                "a one-shot training sums under secure aggregation only, and this home's settings have none "
                "(secure_aggregation.enabled)"
            )
        if (plan := message.content.config_records.get(PLAN)) is not None:
            LocalPlan.from_record(plan).check(self._limits)
        return call_next(message, context)


def answered_types(settings: FederationSettings) -> frozenset[str]:
    """The message types that a home with these settings answers.

    Evaluation is answered where the home's own `evaluate_every` says so, which no protection that hides a home from
    the coordinator goes together with (`fl.settings`). There is no evaluation with noise: the loss of one home
    has no bound, so that its noise would drown it, and each answer would be paid from the budget of the training.
    """
    secure, private = settings.secure_aggregation.enabled, settings.privacy.mode in ("local", "distributed")
    evaluates = settings.evaluate_every > 0 and not secure and not private
    return _WITHOUT_DATA | {MessageType.TRAIN} | ({MessageType.EVALUATE} if evaluates else set())
