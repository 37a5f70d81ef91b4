"""Flower's Grid without a network: messages go straight into the parties' ClientApps, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flwr.app import Context, Error, Message, RecordDict
from flwr.app.user_config import UserConfig
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import Mod
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fl.errors import FederationError


class AskingGrid(Grid):
    """What a grid has to have and ours are not asked for: they send and receive in one step only."""

    @property
    def run(self) -> Run:
        raise NotImplementedError

    def set_run(self, run: Run) -> None:
        raise NotImplementedError

    def create_message(self, *_: object, **__: object) -> Message:
        raise NotImplementedError

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        raise NotImplementedError

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        raise NotImplementedError


class LocalGrid(AskingGrid):
    """One node for each party. `away`: parties that give no answer.

    Args:
        mods: what each party answers with, by name.
    """

    def __init__(self, mods: Mapping[str, Mod]) -> None:
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
        self.nodes = {name: number for number, name in enumerate(sorted(mods), start=1)}
        self.away: set[str] = set()
        self._names = {number: name for name, number in self.nodes.items()}
        self._apps = {name: _app(mod) for name, mod in mods.items()}
        self._contexts = {
            name: Context(1, n, UserConfig(), RecordDict(), UserConfig()) for name, n in self.nodes.items()
        }
        self._sent = 0

    def get_node_ids(self) -> Iterable[int]:
        return set(self._names)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        return [reply for message in messages if (reply := self._answer(message)) is not None]

    def _answer(self, message: Message) -> Message | None:
        name = self._names[message.metadata.dst_node_id]
        self._sent += 1
        message.metadata.__dict__["_message_id"] = str(self._sent)
        if name in self.away:
            return None
        try:
            return self._apps[name](message=message, context=self._contexts[name])
        except FederationError as problem:
            return Message(Error(code=1, reason=str(problem)), reply_to=message)


def _app(mod: Mod) -> ClientApp:
    app = ClientApp(mods=[mod])

    @app.train()
    def train(message: Message, context: Context) -> Message:
        raise FederationError("this party answers its mod's messages only")

    return app
