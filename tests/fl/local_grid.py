"""Flower's Grid without a network: messages go straight into ClientApps. And homes small enough to check by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from flwr.app import Context, Error, Message, RecordDict
from flwr.app.user_config import UserConfig
from flwr.clientapp import ClientApp
from flwr.supercore.task_identity import TaskIdentity

from bench.local_grid import AskingGrid
from fl.client_app import make_client_app
from fl.plan import LocalPlan
from fl.weights import Weights


@dataclass
class LeastSquares:
    """A home with ten or more points of one plane; trains by gradient descent."""

    home: str
    examples: int = 10

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng(abs(hash_of(self.home)))
        x = generator.normal(size=(self.examples, 3)).astype(np.float32)
        return x, x @ np.array([1, -2, 3], dtype=np.float32)

    def fit(self, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
        x, y = self.data()
        w = weights["w"].copy()
        for _ in range(plan.epochs):
            w -= 0.1 * x.T @ (x @ w - y) / len(y)
        return {"w": w}, {"loss": float(np.mean((x @ w - y) ** 2))}

    def evaluate(self, weights: Weights) -> dict[str, float]:
        x, y = self.data()
        return {"loss": float(np.mean((x @ weights["w"] - y) ** 2))}


@dataclass
class Spoilt(LeastSquares):
    """A home whose update goes through `spoil` first (which may raise)."""

    spoil: Callable[[Weights], Weights] = lambda weights: weights

    def fit(self, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
        updated, metrics = super().fit(weights, plan)
        return self.spoil(updated), metrics


def hash_of(name: str) -> int:
    return sum(ord(letter) * 31**place for place, letter in enumerate(name))


ZERO: Weights = {"w": np.zeros(3, dtype=np.float32)}


@dataclass
class LocalGrid(AskingGrid):
    """One node for each learner. Replies come back shuffled, as they do on a network; `silent` homes never answer."""

    learners: Sequence[LeastSquares]
    silent: set[str] = field(default_factory=set)
    shuffle: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
        self._apps: dict[int, tuple[LeastSquares, ClientApp]] = {
            1000 - number: (learner, make_client_app(lambda _, learner=learner: learner))
            for number, learner in enumerate(self.learners)
        }

    def get_node_ids(self) -> Iterable[int]:
        return set(self._apps)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        replies = [reply for number, message in enumerate(messages) if (reply := self._answer(number, message))]
        random.Random(self.shuffle).shuffle(replies)
        return replies

    def _answer(self, number: int, message: Message) -> Message | None:
        node = message.metadata.dst_node_id
        learner, app = self._apps[node]
        message.metadata.__dict__["_message_id"] = f"{message.metadata.message_type}-{number}"
        self.asked.append((message.metadata.message_type, learner.home))
        if learner.home in self.silent and not message.metadata.message_type.startswith("query"):
            return None
        context = Context(1, node, UserConfig(), RecordDict(), UserConfig())
        try:
            return app(message=message, context=context)
        except ArithmeticError as problem:
            return Message(Error(code=1, reason=str(problem)), reply_to=message)
