"""Differential privacy of a one-shot training at home: a Flower mod that clips the home's sums and adds its noise.

Inside secure aggregation and inside the ledger's count, as the mod for updates is (`fl.dp.client_mod`).
"""

from __future__ import annotations

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message
from flwr.clientapp.typing import ClientAppCallable

from fl.one_shot.plan import ONE_SHOT, SUMS, OneShotPlan
from fl.one_shot.private_ridge import private_statistics
from fl.one_shot.settings import OneShotSettings
from fl.one_shot.statistics import Statistics
from fl.protection_settings import PrivacySettings


class PrivateSumsMod:
    """Makes a home's statistics those of the private twin, with its part of the noise in `local` and `distributed`.

    Args:
        settings, privacy: the home's own.
        homes: that are certain to be in a sum (`distributed`): each adds that part of the noise.
    """

    def __init__(self, settings: OneShotSettings, privacy: PrivacySettings, homes: int) -> None:
        self._norm = settings.clip_norm
        self._stddev = privacy.part_multiplier(homes) * settings.clip_norm

    def __call__(self, message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        asked = message.content.config_records.get(ONE_SHOT)
        reply = call_next(message, context)
        if asked is None or reply.has_error():
            return reply
        vector = np.asarray(reply.content.array_records[SUMS][SUMS].numpy())
        own = Statistics(OneShotPlan.from_record(asked).shape, vector)
        private = private_statistics(own, self._norm, self._stddev)
        reply.content[SUMS] = ArrayRecord({SUMS: Array(private.vector)})
        return reply
