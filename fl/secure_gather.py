"""Secure aggregation at the coordinator: a way to gather a round of which it sees only the sum.

`SecureGather` is one `fl.exchange.Gather`. Each home that is in the sum is reported with the mean model: that is all
the coordinator knows of it, and the mean of equal models is that model, whatever the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from flwr.app import ConfigRecord, RecordDict
from flwr.serverapp import Grid

from fl.aggregation.strategy import Update
from fl.client_app import ARRAYS, PLAN
from fl.exchange import Gathered
from fl.homomorphic.sum_round import EncryptedRound
from fl.plan import plan_digest, quantity_of
from fl.protection_settings import SecAggSettings
from fl.secagg.aggregator import MaskingRefused
from fl.secagg.exchanges import MaskedRound
from fl.secagg.fixed_point import decode, vector_length
from fl.secagg.sums import SecureSums, Subject, unopened
from fl.weights import Weights, digest_of, to_record


class SecureGather:
    """Gathers a round under secure aggregation; homes run `fl.secagg.client_mod.SecAggMod`.

    A round of which too few homes stay to open the sum gives no updates and the reasons, and is asked again like any
    round that missed its quorum (`fl.secagg.sums`).

    Args:
        noisy: homes add noise to their updates, and keep their training loss to themselves (it is reported as NaN).
        roster, directory: as for `SecureSums`.
    """

    def __init__(
        self,
        settings: SecAggSettings,
        weighting: str = "examples",
        *,
        noisy: bool = False,
        roster: Callable[[], Mapping[str, bytes]] | None = None,
        directory: Path | None = None,
    ) -> None:
        self._weighting, self._noisy = weighting, noisy
        begin = MaskedRound if settings.scheme == "masks" else EncryptedRound
        self._sums = SecureSums(settings, roster=roster, directory=directory, begin=begin)

    @property
    def cheats(self) -> dict[str, str]:
        """Homes that are proven to have cheated, and how."""
        return self._sums.cheats

    def __call__(
        self, grid: Grid, nodes: dict[str, int], start: Weights, plan: ConfigRecord, timeout: float
    ) -> Gathered:
        subject = Subject(
            content=RecordDict({ARRAYS: to_record(start), PLAN: plan}),
            start=digest_of(start),
            plan=plan_digest(plan),
            weighting=self._weighting,
            length=vector_length(start),
            quantity=quantity_of(plan),
        )
        got = self._sums.sum(grid, nodes, subject, timeout)
        if got.total is None:
            return Gathered([], got.left_out, got.bytes_down, got.bytes_up)
        try:
            summed = decode(got.total, start, len(got.homes), noisy=self._noisy)
        except MaskingRefused as refused:
            left_out = {home: unopened(refused) for home in nodes} | got.left_out
            return Gathered([], left_out, got.bytes_down, got.bytes_up)
        metrics = summed.metrics | {"loss": math.nan} if self._noisy else summed.metrics
        updates = [Update(home, summed.mean, 1, dict(metrics)) for home in got.homes]
        return Gathered(updates, got.left_out, got.bytes_down, got.bytes_up)
