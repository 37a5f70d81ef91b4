"""The coordinator's end of the network: Flower's Fleet API on one port, and a Grid over the state behind it.

Only the Fleet API is served. Flower's SuperLink also offers a Control API (start and stop runs, register nodes) and a
Runtime API on the same port; here both stay off the network, so that strangers reach only the node authentication.
The ServerApp runs in this process and reads the same state directly.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import uvicorn
from fastapi import Depends, FastAPI, Request
from flwr.app import Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.app.user_config import UserConfig
from flwr.common.constant import NOOP_ACCOUNT_NAME, NOOP_FLWR_AID, SUPERLINK_NODE_ID, SubStatus
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME, NOOP_FEDERATION_ID, TaskType
from flwr.supercore.error import http_error_translator
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.inflatable.inflatable_object import (
    InflatableObject,
    get_all_nested_objects,
    get_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supercore.protobuf.translation import ProtobufTranslationMiddleware
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.federation import NoOpFederationManager
from flwr.superlink.routers.fleet.router import router as fleet_router
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware

from fl.deployment.link_state import GuardedLinkState, GuardedLinkStateFactory
from fl.deployment.listening import serving
from fl.deployment.request_gate import RequestGate, only_its_own
from fl.deployment.signed_requests import RequestVerifier
from fl.errors import FederationError

_POLL_S = 0.1
# Bounds of a reply: models return as large as they were sent, masked ones twice as large, and short messages hold
# keys and shares of many neighbours.
_REPLY_MULTIPLE, _REPLY_SLACK_BYTES = 4, 256 * 1024


class FleetServer:
    """The state of one SuperLink, in memory: nodes, runs, messages and their objects.

    Nothing in it needs to outlive the process. After a restart, agents register again with their keys, and training
    resumes from the saved rounds.
    """

    def __init__(self, agents: Mapping[str, bytes] | None) -> None:
        """`agents`: home -> public key (PEM) of those that may join; None lets any node register itself.

        Raises ValueError for a key that is not on P-384.
        """
        self._factory = GuardedLinkStateFactory(FLWR_IN_MEMORY_DB_NAME, NoOpFederationManager(), ObjectStoreFactory())
        self.state = cast(GuardedLinkState, self._factory.state())
        self._doorkeeper = None if agents is None else RequestVerifier({})
        self._agents: dict[str, bytes] = {}
        self.admit(agents or {})

    def admit(self, agents: Mapping[str, bytes]) -> tuple[list[str], list[str]]:
        """Admit these homes and no others from now on; returns the new ones and the excluded ones.

        An excluded home is refused at its next request, and counts as gone from the current round. A home whose key
        has changed is both. Raises ValueError for a key that is not on P-384, and changes nothing then.
        """
        if len(set(agents.values())) < len(agents):
            raise ValueError("two homes have the same key")
        known, wanted = self._agents.items(), agents.items()
        added, removed = sorted(wanted - known), sorted(known - wanted)
        if self._doorkeeper is not None:
            self._doorkeeper.admit(agents)
        for _, public in removed:
            self.state.shut_out(public)
        for home, public in added:
            self.state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, public, 0, name=home)
        self._agents = dict(agents)
        return [home for home, _ in added], [home for home, _ in removed]

    def app(self) -> FastAPI:
        """The Fleet API as Flower's SuperLink serves it, alone, behind `fl.deployment.request_gate`."""

        def own_node(request: Request) -> None:
            only_its_own(self.state, request)

        app = FastAPI(
            title="Wattproof coordinator",
            openapi_url=None,
            middleware=[
                Middleware(RequestGate, self._doorkeeper),
                Middleware(BaseHTTPMiddleware, dispatch=http_error_translator),
                Middleware(ProtobufTranslationMiddleware),
            ],
        )
        app.state.linkstate_factory = self._factory
        app.state.enable_supernode_auth = self._doorkeeper is not None
        app.include_router(fleet_router, dependencies=[Depends(own_node)])
        return app

    @contextmanager
    def serve(
        self,
        bind: str,
        port: int,
        certificate: Path | None,
        key: Path | None,
        protocol: type[asyncio.Protocol] | None = None,
    ) -> Iterator[None]:
        """Serve the Fleet API in a thread while the block runs. FederationError if the port cannot be bound.

        `protocol`: of a connection; uvicorn's own by default, which keeps idle ones open.
        """
        config = uvicorn.Config(
            self.app(), ssl_certfile=certificate, ssl_keyfile=key, log_config=None, access_log=False, ws="none",
            timeout_graceful_shutdown=5, http=protocol or "auto",
            loop="asyncio",  # uvloop would not ask `LimitedListener` for connections
        )  # fmt: skip
        with serving(config, bind, port, "the Fleet API"):
            yield

    @contextmanager
    def run(self) -> Iterator[FleetGrid]:
        """One training run: the Grid for it. Replies are accepted while the block runs."""
        run_id = self.state.create_run(
            fab_id=None, fab_version=None, fab_hash=None, override_config=UserConfig(),
            federation_id=NOOP_FEDERATION_ID, federation_config=None, flwr_aid=NOOP_FLWR_AID,
            primary_task_type=TaskType.SERVER_APP,
        )  # fmt: skip
        run = self._info(run_id)
        task_id = run.primary_task_id
        if task_id is None or self.state.claim_task(task_id) is None or not self.state.activate_task(task_id):
            raise FederationError("Flower's link state did not start the run")
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = task_id, run_id, SUPERLINK_NODE_ID
        heartbeat = HeartbeatSender(lambda: self.state.acknowledge_task_heartbeat(task_id))
        heartbeat.start()
        status = SubStatus.FAILED
        try:
            yield FleetGrid(self.state, self._info(run_id))
            status = SubStatus.COMPLETED
        finally:
            heartbeat.stop()
            self.state.finish_task(task_id, status, "")

    def _info(self, run_id: int) -> Run:
        return self.state.get_run_info(run_ids=[run_id])[0]


class FleetGrid(Grid):
    """Flower's Grid straight over the link state: no second hop, and replies are seen as they arrive."""

    def __init__(self, state: GuardedLinkState, run: Run) -> None:
        self._state = state
        self._run = run

    def set_run(self, run: Run) -> None:
        self._run = run

    @property
    def run(self) -> Run:
        return self._run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        return self._state.get_nodes(self._run.run_id)

    def get_nodes(self) -> Iterable[NodeInfo]:
        return self._state.get_node_info(node_ids=list(self.get_node_ids()))

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        run_id, sent = self._run.run_id, []
        missing: dict[str, InflatableObject] = {}
        session = self._state.start_session(run_id)  # it ends with the last object that any of the messages needs
        sizes: dict[str, int] = {}
        with no_object_id_recompute():
            for message in messages:
                message.metadata.__dict__["_message_id"] = message.object_id
                objects = get_all_nested_objects(message)
                for object_id, item in objects.items():
                    if object_id not in sizes:
                        sizes[object_id] = len(item.deflate())
                most = _REPLY_SLACK_BYTES + _REPLY_MULTIPLE * sum(sizes[object_id] for object_id in objects)
                self._state.expect_reply(message.metadata.message_id, most)
                stored, wanted = self._state.store_message_and_object_tree(
                    remove_content_from_message(message), get_object_tree(message), session
                )
                if stored:
                    sent.append(message.metadata.message_id)
                    missing |= {object_id: objects[object_id] for object_id in wanted}
            for object_id, item in missing.items():
                self._state.store_object(run_id, session, object_id, item.deflate())
        return sent

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Replies that have begun to arrive; their content may be incomplete (see `_complete`)."""
        wanted = set(message_ids)
        return self._state.get_message_res(message_ids=wanted, run_id=self._run.run_id) if wanted else []

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """The replies complete within `timeout` seconds. Messages still open then are withdrawn."""
        waiting = set(self.push_messages(messages))
        deadline = None if timeout is None else time.monotonic() + timeout
        arriving: list[Message] = []
        complete: list[Message] = []
        while True:
            begun = list(self.pull_messages(waiting))
            waiting -= {reply.metadata.reply_to_message_id for reply in begun}
            still: list[Message] = []
            for reply in arriving + begun:
                whole = self._complete(reply)
                (still if whole is None else complete).append(whole or reply)
            arriving = still
            if not (waiting or arriving) or (deadline is not None and time.monotonic() > deadline):
                break
            time.sleep(_POLL_S)
        open_ones = waiting | {reply.metadata.reply_to_message_id for reply in arriving}
        self._state.withdraw(open_ones)
        self._drop(open_ones)
        return complete

    def _complete(self, reply: Message) -> Message | None:
        """The reply with its content once all of it has been uploaded, else None."""
        pushed = self._state.pushed_reply(reply.metadata.message_id)
        given_up = reply if reply.has_error() else None  # Flower makes an error about a message whose node is gone
        message = given_up if pushed is None else pushed.whole()
        if message is not None:
            self._drop({reply.metadata.reply_to_message_id})
        return message

    def _drop(self, message_ids: set[str]) -> None:
        """Delete messages, their content, and their replies so far."""
        for message_id in message_ids:
            self._state.object_store.delete(message_id)
        self._state.delete_messages(message_ids)
