"""Differential privacy at home: a Flower mod that clips an update and adds the home's noise before it leaves.

Flower's `LocalDpMod` is not used: its noise is calibrated by a bound that only holds for epsilon below 1, it draws
from NumPy's global generator, and it lets the losses pass.
"""

from __future__ import annotations

import logging
import math

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MessageType, MetricRecord
from flwr.clientapp.typing import ClientAppCallable

from fl.aggregation.flat import moved, step_of
from fl.client_app import ARRAYS, EXAMPLES, METRICS, PLAN
from fl.dp.budget import HomeLedger
from fl.dp.noise import clip, gaussian
from fl.one_shot.plan import ONE_SHOT
from fl.protection_settings import PrivacySettings
from fl.secagg.fixed_point import STEP, UNCLIPPED
from fl.secagg.messages import KEYS, SECAGG
from fl.weights import from_record, to_record

_log = logging.getLogger(__name__)
CLIP_NORM = "clip_norm"  # in the plan, where clipping is adaptive


class PrivateUpdateMod:
    """Clips the update of each training, and adds noise in `local` and `distributed` mode.

    In `distributed` mode the step itself is passed on to the masks: as a float32 model it would be rounded to the
    spacing of floats of the model's size, and a coordinator that starts from large weights could have the homes'
    parts of the noise rounded away. The sums of a one-shot training are handled by `fl.one_shot.client_mod`.

    Args:
        settings: the home's own; only an adaptive norm is taken from the coordinator.
        homes: updates certain to be in a sum (`distributed`): each home adds that fraction of the noise.

    Raises ValueError for a training message whose plan gives no clipping norm where clipping is adaptive.
    """

    def __init__(self, settings: PrivacySettings, homes: int = 1) -> None:
        self._settings, self._stddev = settings, settings.part_multiplier(homes)

    def __call__(self, message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        if message.metadata.message_type != MessageType.TRAIN or ONE_SHOT in message.content.config_records:
            return call_next(message, context)
        norm = self._norm(message)
        start = from_record(message.content.array_records[ARRAYS])
        reply = call_next(message, context)
        if reply.has_error():
            return reply
        step, whole = clip(step_of(from_record(reply.content.array_records[ARRAYS]), start), norm)
        if self._stddev:
            step = step + self._stddev * norm * gaussian(len(step))
        if self._settings.mode == "distributed":
            del reply.content[ARRAYS]
            reply.content[STEP] = ArrayRecord({STEP: Array(step)})
        else:
            reply.content[ARRAYS] = to_record(moved(start, step))
        reply.content[METRICS] = self._disclosed(reply.content.metric_records[METRICS], whole)
        return reply

    def _norm(self, message: Message) -> float:
        if self._settings.clipping == "fixed":
            return self._settings.clip_norm
        norm = message.content.config_records[PLAN].get(CLIP_NORM)
        if not isinstance(norm, float) or not np.isfinite(norm) or norm <= 0:
            raise ValueError("clipping is adaptive at this home, and the coordinator's plan gives no clip_norm")
        return norm

    def _disclosed(self, metrics: MetricRecord, whole: bool) -> MetricRecord:
        """The metrics sent with the update: all in `central`, where the coordinator is trusted; otherwise none."""
        if self._settings.mode == "central":
            return MetricRecord({**metrics, UNCLIPPED: float(whole)})
        return MetricRecord({EXAMPLES: 1, "loss": math.nan})


class BudgetGate:
    """Refuses a round, and evaluation, from the start if the home's ledger leaves no room for its update.

    Under secure aggregation a round starts with the keys: later the other homes would have to recover from its
    dropping out.
    """

    def __init__(self, ledger: HomeLedger) -> None:
        self._ledger = ledger

    def __call__(self, message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        kind, record = message.metadata.message_type, message.content.config_records.get(SECAGG)
        starts = kind == MessageType.TRAIN and (record is None or record.get("stage") == KEYS)
        if starts or kind == MessageType.EVALUATE:
            self._ledger.check()
        return call_next(message, context)


class ReleaseCount:
    """Records an update in the home's ledger before it is made; inside secure aggregation, around the noise.

    It counts training messages. Neither their round number nor anything else from the coordinator makes one free.
    """

    def __init__(self, ledger: HomeLedger, home: str) -> None:
        self._ledger, self._home = ledger, home

    def __call__(self, message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        if message.metadata.message_type == MessageType.TRAIN:
            plan = message.content.config_records.get(PLAN)
            number = None if plan is None else plan.get("round")
            self._ledger.spend(number if isinstance(number, int) else None)
            spent = {"epsilon": round(self._ledger.epsilon, 4), "releases": self._ledger.releases}
            _log.info("privacy spent", extra={"home": self._home, **spent})
        return call_next(message, context)
