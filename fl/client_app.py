"""The home's side of a round: the ClientApp that trains, scores and says who it is. Model and data are in `task`.

A home is anything that satisfies `Learner`; the app moves weights in and out of Flower's messages and nothing else,
so what leaves a home is in this one file: weights, the number of days, and losses; in a one-shot training
(`fl.one_shot`) sums over its days, which leave the home under masks only. When a training ends, the community's model
arrives by the same way, for the home to forecast and prove with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import Mod
from numpy.typing import NDArray

from fl.one_shot.fixed_point import Ints
from fl.one_shot.plan import LAST_DAY, ONE_SHOT, SUMS, OneShotPlan
from fl.plan import LocalPlan, PlanRefused
from fl.weights import Weights, from_record, to_record

ARRAYS, PLAN, METRICS, WHO = "arrays", "plan", "metrics", "who"  # keys of the records in a message
EXAMPLES = "num-examples"
HELLO = "query.hello"  # message types: asks a home for its name,
MODEL = "query.model"  # distributes the community's model,
PEAKS = "query.peaks"  # and the head of the peak classes (`fl.one_shot.hand_out`)
EXPORT = "query.export"  # asks whether a home can train a model of export; agents of earlier releases refuse it,
EXPORT_MODEL = "query.export_model"  # and this, so that none of them takes that model for the one of load
ABLE = "able"
ROUND = "round"


class Learner(Protocol):
    """One home with its data, able to improve a model and to score one."""

    @property
    def home(self) -> str:
        """The home's `unique_id`."""

    @property
    def examples(self) -> int:
        """Days it trains on."""

    def fit(self, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
        """Train from `weights`; the new weights and metrics of the training (at least `loss`)."""

    def evaluate(self, weights: Weights) -> dict[str, float]:
        """Metrics of `weights` on days it does not train on (at least `loss`)."""

    def sums(self, plan: OneShotPlan) -> tuple[Ints, int]:
        """What the home enters into a sum of a one-shot training, int64 [plan.length], and the last day in it."""


OpenLearner = Callable[[Context], Learner]
Keep = Callable[[int, Weights], None]
"""(round, its global model): keeps the model that the coordinator distributes when a training ends."""


KeepPeaks = Callable[[Mapping[str, NDArray[Any]]], None]
"""Keeps the head of the peak classes, which comes as named arrays."""


@dataclass(frozen=True)
class ExportSide:
    """A home's training for forecasts of export: its learner, and what it does with the community's model of it.

    `able`: whether it has readings of export that are enough to train on.
    """

    learner: Learner
    keep: Keep
    able: Callable[[], bool]


def make_client_app(
    open_learner: OpenLearner,
    mods: Sequence[Mod] = (),
    keep: Keep = lambda number, weights: None,
    keep_peaks: KeepPeaks = lambda arrays: None,
    export: ExportSide | None = None,
) -> ClientApp:
    """The ClientApp of the home that `open_learner` opens.

    Args:
        open_learner: called for each message with Flower's context of the node; caches what is worth caching.
        mods: Flower mods around the app, outermost first (local differential privacy, for one).
        keep: what the home does with the community's model; by default nothing, as in a simulation.
        keep_peaks: what it does with the head of the peak classes.
        export: the same for export; None where the home trains load only.
    """
    app = ClientApp(mods=list(mods))
    if export is not None:
        _add_export(app, export)

    @app.query("hello")
    def hello(message: Message, context: Context) -> Message:
        learner = open_learner(context)
        return Message(RecordDict({WHO: ConfigRecord({"home": learner.home})}), reply_to=message)

    @app.query("model")
    def model(message: Message, context: Context) -> Message:
        keep(*_handed_out(message))
        return Message(RecordDict(), reply_to=message)

    @app.query("peaks")
    def peaks(message: Message, context: Context) -> Message:
        keep_peaks({name: array.numpy() for name, array in message.content.array_records[ARRAYS].items()})
        return Message(RecordDict(), reply_to=message)

    @app.train()
    def train(message: Message, context: Context) -> Message:
        if (asked := message.content.config_records.get(ONE_SHOT)) is not None:
            vector, last_day = open_learner(context).sums(OneShotPlan.from_record(asked))
            sums = ArrayRecord({SUMS: Array(vector)})
            return Message(RecordDict({SUMS: sums, METRICS: MetricRecord({LAST_DAY: last_day})}), reply_to=message)
        plan = LocalPlan.from_record(message.content.config_records[PLAN])
        learner = open_learner(context) if plan.quantity == "load" else _of_export(export)
        started = time.perf_counter()
        weights, metrics = learner.fit(from_record(message.content.array_records[ARRAYS]), plan)
        metrics["seconds"] = time.perf_counter() - started
        content = RecordDict({ARRAYS: to_record(weights), METRICS: _metrics(learner, metrics)})
        return Message(content, reply_to=message)

    @app.evaluate()
    def evaluate(message: Message, context: Context) -> Message:
        learner = open_learner(context)
        metrics = learner.evaluate(from_record(message.content.array_records[ARRAYS]))
        return Message(RecordDict({METRICS: _metrics(learner, metrics)}), reply_to=message)

    return app


def _add_export(app: ClientApp, export: ExportSide) -> None:
    """The answers to the messages that are of export alone."""

    @app.query("export")
    def able(message: Message, context: Context) -> Message:
        return Message(RecordDict({WHO: ConfigRecord({ABLE: export.able()})}), reply_to=message)

    @app.query("export_model")
    def model(message: Message, context: Context) -> Message:
        export.keep(*_handed_out(message))
        return Message(RecordDict(), reply_to=message)


def _of_export(export: ExportSide | None) -> Learner:
    if export is None:
        raise PlanRefused("the plan is of export, and this home trains load only")
    return export.learner


def _handed_out(message: Message) -> tuple[int, Weights]:
    number = message.content.config_records[WHO][ROUND]
    return int(number), from_record(message.content.array_records[ARRAYS])  # type: ignore[arg-type]


def _metrics(learner: Learner, metrics: dict[str, float]) -> MetricRecord:
    return MetricRecord({EXAMPLES: learner.examples, **metrics})
