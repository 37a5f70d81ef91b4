"""What a home answers: only message types and plans that its own settings allow; the outermost mod.

Flower passes a message to whatever function the app has for its type, through mods that see every type. A mod that
protects `train` and passes on everything else lets `evaluate` through, which reveals the mean error of any chosen
model on a home's days, and `train.default`, which Flower treats like `train`. So types are allowed one by one here; a
new type, or another name for one of these, is refused. So is a plan outside the home's own limits: a plan under which
all homes but one change nothing would turn their sum into that one's update. And so is a plan for a gradient that the
coordinator would see as it is: the days' readings can be computed from it (`bench.leakage`).
"""

from __future__ import annotations

from flwr.app import Context, Message, MessageType
from flwr.clientapp.typing import ClientAppCallable

from fl.client_app import EXPORT, EXPORT_MODEL, HELLO, MODEL, PEAKS, PLAN
from fl.errors import FederationError
from fl.one_shot.plan import ONE_SHOT
from fl.plan import LocalPlan, PlanRefused
from fl.settings import FederationSettings

_WITHOUT_DATA = frozenset({HELLO, MODEL, PEAKS})
"""Answered in every setting: they reveal the home's name and deliver the community's models, and nothing of the
home's data is in the answers."""
_OF_EXPORT = frozenset({EXPORT, EXPORT_MODEL})
"""Answered where the home's own settings train export: whether it can, and the model of it. The first answer tells
whether its readings have the meter's other register, as taking part does."""


class NotAnswered(FederationError):
    """A message of a type that this home's own settings do not allow."""


class MessageGate:
    """Passes on what the home's own settings allow. Raises NotAnswered for other types, PlanRefused for plans."""

    def __init__(self, settings: FederationSettings, *, sums: bool = False) -> None:
        """`sums`: there is a mod that masks sums, or nothing leaves this machine; without, no one-shot training is
        answered, and no gradient sent that has no noise of its own."""
        self._allowed, self._limits, self._sums = answered_types(settings), settings.plan_limits, sums
        self._gradients, self._export = sums or settings.hides_gradients, settings.export

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
            asked = LocalPlan.from_record(plan)
            asked.check(self._limits)
            if asked.quantity != "load" and not self._export:
                raise PlanRefused(
                    f"the plan is of {asked.quantity}, and this home's own settings train load only "
                    "(federation.export)"
                )
            if asked.gradient and not self._gradients:
                raise PlanRefused(
                    "the plan asks for a gradient, and the days that it is of can be computed from it: this home's "
                    "own settings send none without secure aggregation (secure_aggregation.enabled) or local privacy"
                )
        return call_next(message, context)


def answered_types(settings: FederationSettings) -> frozenset[str]:
    """The message types that a home with these settings answers.

    Evaluation is answered where the home's own `evaluate_every` says so, which no protection that hides a home from
    the coordinator goes together with (`fl.settings`). There is no evaluation with noise: the loss of one home is
    unbounded, so that the noise would drown it, and each answer would consume budget of the training.
    """
    secure, private = settings.secure_aggregation.enabled, settings.privacy.mode in ("local", "distributed")
    evaluates = settings.evaluate_every > 0 and not secure and not private
    of_export = _OF_EXPORT if settings.export else frozenset()
    return _WITHOUT_DATA | of_export | {MessageType.TRAIN} | ({MessageType.EVALUATE} if evaluates else set())
