"""A one-shot training at the coordinator: a way to gather a round (`fl.exchange.Gather`): homes train nothing.

Each home that is in the sum is reported with the model that follows from it: as under secure aggregation, that is all
the coordinator knows of it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, RecordDict
from flwr.serverapp import Grid
from numpy.typing import NDArray

from data import atomic
from data.json_text import loads
from fl.aggregation.strategy import Update
from fl.errors import FederationError, StatisticsRefused
from fl.exchange import Gathered
from fl.one_shot.fixed_point import Ints
from fl.one_shot.kept import PEAK_HEAD, TOTAL, TRAINED
from fl.one_shot.membership import Membership
from fl.one_shot.plan import COUNTS, ONE_SHOT, OneShotPlan
from fl.one_shot.total import Total
from fl.one_shot.training import OneShot, OneShotModels
from fl.plan import plan_digest
from fl.secagg.session import framed
from fl.secagg.sums import SecureSums, Subject, Summed
from fl.weights import Weights, digest_of
from forecasting.shape import ModelShape

_log = logging.getLogger(__name__)


class SumRefused(FederationError):
    """A sum of the training that could not be opened; the reason stands with each home."""


class OpenedCounts:
    """The counts that are opened first, by what they are of: homes enter them once, however often they are needed.

    `path`: where they outlive the coordinator; None: in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, list[int]] = {} if path is None or not path.exists() else _read(path)

    def of(self, start: bytes) -> Ints | None:
        known = self._known.get(start.hex())
        return None if known is None else np.array(known, dtype=np.int64)

    def keep(self, start: bytes, counts: Ints) -> None:
        self._known = {start.hex(): [int(value) for value in counts]}
        if self._path is not None:
            atomic.write_bytes(self._path, json.dumps(self._known).encode())


@dataclass(frozen=True)
class OneShotGather:
    """Gathers a one-shot training.

    Args:
        one_shot: the training; shape: of the forecaster.
        sums, counts: how homes sum, and the counts that are known.
        trained: whether the forecaster that it starts from has been trained (`model.with_twin`).
        membership: whose sums it is of.
    """

    one_shot: OneShot
    shape: ModelShape
    sums: SecureSums
    counts: OpenedCounts
    trained: bool
    membership: Membership

    def __call__(
        self, grid: Grid, nodes: dict[str, int], start: Weights, plan: ConfigRecord, timeout: float
    ) -> Gathered:
        asked = _Asked(self.sums, self.counts, grid, nodes, start, timeout)
        try:
            asked.nodes = {home: nodes[home] for home in self.membership.asked(nodes, self.one_shot.fewest_homes)}
            total = self.membership.total(self.one_shot, asked, len(asked.nodes))
            models = self.one_shot.models(total, start, self.shape, trained=self.trained)
        except (StatisticsRefused, SumRefused) as refused:
            _log.warning("one-shot training failed", extra={"reason": str(refused)})
            left_out = dict.fromkeys(nodes, str(refused)) | asked.left_out
            return Gathered([], left_out, asked.bytes_down, asked.bytes_up)
        updates = [Update(home, models.weights, 1, {"loss": math.nan}) for home in sorted(total.homes)]
        left_out = {home: why for home, why in asked.left_out.items() if home not in total.homes}
        figures = models.figures | {TRAINED: float(self.trained)}
        return Gathered(updates, left_out, asked.bytes_down, asked.bytes_up, _kept(total, models), figures)


@dataclass
class _Asked:
    """`training.SumOf` over the network: the sums of one attempt, and what was sent for them."""

    sums: SecureSums
    counts: OpenedCounts
    grid: Grid
    nodes: dict[str, int]
    start: Weights
    timeout: float
    bytes_down: int = 0
    bytes_up: int = 0
    left_out: dict[str, str] = field(default_factory=dict)

    def __call__(self, plan: OneShotPlan) -> tuple[Ints, tuple[str, ...]]:
        subject = _subject(self.start, plan)
        known = self.counts.of(subject.start) if plan.kind == COUNTS else None
        if known is not None:
            return known, ()
        got = self._sum(subject)
        if got.total is None:
            raise SumRefused(f"the {plan.kind} could not be summed")
        total = got.total.view(np.int64)
        if plan.kind == COUNTS:
            self.counts.keep(subject.start, total)
        return total, got.homes

    def _sum(self, subject: Subject) -> Summed:
        got = self.sums.sum(self.grid, self.nodes, subject, self.timeout)
        self.bytes_down += got.bytes_down
        self.bytes_up += got.bytes_up
        self.left_out = got.left_out
        return got


def _subject(start: Weights, plan: OneShotPlan) -> Subject:
    """What homes are asked for. `start` tells this training from others: it is the model that it begins with."""
    record = plan.to_record()
    return Subject(
        content=RecordDict({ONE_SHOT: record}),
        start=hashlib.sha256(framed(b"wattproof one-shot", plan.kind.encode(), digest_of(start))).digest(),
        plan=plan_digest(record),
        weighting=ONE_SHOT,
        length=plan.length,
    )


def _kept(total: Total, models: OneShotModels) -> dict[str, dict[str, NDArray[Any]]]:
    """What is kept with the round: the head of the peak classes, and the total, which homes may join or leave."""
    arrays = {TOTAL: total.to_arrays()}
    return arrays if models.peaks is None else arrays | {PEAK_HEAD: models.peaks.to_arrays()}


def _read(path: Path) -> dict[str, list[int]]:
    try:
        content = loads(path.read_bytes())
        return {str(start): [int(value) for value in values] for start, values in content.items()}
    except (ValueError, TypeError, AttributeError) as problem:
        raise FederationError(
            f"{path} is damaged ({type(problem).__name__}): it holds the counts of a one-shot training that has "
            "begun, and homes enter them once. Put a copy back, or begin a new training with another forecasting.seed"
        ) from None
