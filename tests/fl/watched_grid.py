"""A local Grid whose homes keep state between messages, and that writes down all that the coordinator receives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from flwr.app import Context, Error, Message, RecordDict
from flwr.app.user_config import UserConfig
from flwr.clientapp.typing import Mod

from fl.client_app import ExportSide, make_client_app
from fl.errors import FederationError
from tests.fl.local_grid import LocalGrid


def stage_of(message: Message) -> str:
    """The stage of a message of secure aggregation; its type if it is none."""
    record = message.content.config_records.get("secagg")
    return str(record["stage"]) if record else message.metadata.message_type


@dataclass
class WatchedGrid(LocalGrid):
    """Homes with mods of their own. `gone`: homes that no longer answer from a stage on."""

    mods_of: Callable[[str], Sequence[Mod]] = lambda home: ()
    export_of: Callable[[str], ExportSide | None] = lambda home: None
    gone: dict[str, str] = field(default_factory=dict)  # home -> stage
    meddle: Callable[[str, str, RecordDict], None] = lambda home, stage, content: None
    received: list[tuple[str, str, RecordDict]] = field(default_factory=list)  # home, stage, content

    def __post_init__(self) -> None:
        super().__post_init__()
        self._apps = {
            node: (
                learner,
                make_client_app(
                    lambda _, learner=learner: learner,
                    self.mods_of(learner.home),
                    export=self.export_of(learner.home),
                ),
            )
            for node, (learner, _) in self._apps.items()
        }
        self._contexts = {n: Context(1, n, UserConfig(), RecordDict(), UserConfig()) for n in self._apps}
        self._left: set[str] = set()

    def _answer(self, number: int, message: Message) -> Message | None:
        node, stage = message.metadata.dst_node_id, stage_of(message)
        learner, app = self._apps[node]
        message.metadata.__dict__["_message_id"] = f"{stage}-{number}"
        self.asked.append((stage, learner.home))
        if self.gone.get(learner.home) == stage:
            self._left.add(learner.home)
        if learner.home in self._left:
            return None
        try:
            reply = app(message=message, context=self._contexts[node])
        except (
            FederationError,
            ArithmeticError,
            ValueError,
        ) as problem:  # an agent answers with an error, whatever it is
            return Message(Error(code=1, reason=str(problem)), reply_to=message)
        self.meddle(learner.home, stage, reply.content)
        self.received.append((learner.home, stage, reply.content))
        return reply
