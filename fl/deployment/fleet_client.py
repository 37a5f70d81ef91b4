"""An agent's connection to the coordinator: Flower's Fleet protocol over HTTPS, kept up through restarts on either
side.

It uses Flower's own client (`FleetHttpClient`, node authentication, object transfer), except for the app bundle: an
agent runs the ClientApp installed with it, never code the coordinator sends.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Message
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
    RegisterNodeFleetRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    ObjectPushError,
    pull_and_inflate_object_from_tree,
    push_objects,
)
from flwr.supercore.interceptors.http.runtime_version import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext
from flwr.supernode.fleet_http_client import FleetHttpClient

from data.json_text import loads
from fl.deployment.outage import Outage
from fl.deployment.signed_requests import UNKNOWN_KEY, WRONG_CLOCK, SignedRequests
from fl.deployment.wire import EARLIER_RELEASE, SPOKEN, UPDATE_AGENT, UPDATE_COORDINATOR, ToldWire

_log = logging.getLogger(__name__)
_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")


class ConnectionDown(Exception):
    """The coordinator cannot be reached at the moment. The registration stands; the call may be repeated."""


class NotRegistered(Exception):
    """The coordinator does not know this agent's node, for instance after a restart: `connect` again."""


class MessageRefused(Exception):
    """The coordinator refuses this one message (its round is over, for instance). The connection is fine."""


class CoordinatorsClock:
    """How far this machine's clock is ahead of the coordinator's, by the date of its answers."""

    def __init__(self) -> None:
        self.ahead_s: float | None = None

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        response = call_next(context)
        with contextlib.suppress(KeyError, ValueError):
            server_time = parsedate_to_datetime(response.headers["date"]).timestamp()
            self.ahead_s = round(time.time() - server_time - 0.5)  # a date has whole seconds
        return response


class FleetClient:
    """One agent's registration with the coordinator, and its messages."""

    def __init__(
        self,
        address: str,
        key: ec.EllipticCurvePrivateKey,
        authority: bytes | None,
        heartbeat_s: float,
        stop: threading.Event,
        retry_max_s: float = 30.0,
    ) -> None:
        """`authority`: PEM certificate the coordinator's is signed by; None speaks plain HTTP and self-registers."""
        self._public = public_key_to_bytes(key.public_key())
        self.clock, self._wire = CoordinatorsClock(), ToldWire()
        self._client = FleetHttpClient.from_server_address(
            address,
            insecure=authority is None,
            root_certificates=authority,
            interceptors=[
                RuntimeVersionHttpInterceptor(component_name="SuperNode"),
                self._wire,
                SignedRequests(key),
                self.clock,
            ],
        )
        self._self_registers = authority is None
        self._heartbeat_s = heartbeat_s
        self._stop = stop
        self._node: Node | None = None
        self._arriving: tuple[int, ObjectTree] | None = None  # run and tree of a message that is being received
        self._beating: threading.Thread | None = None
        self.outage = Outage(_log, "connection to the coordinator", most_s=retry_max_s)
        self.bytes_in = 0
        self.bytes_out = 0

    @property
    def node_id(self) -> int:
        """The coordinator's number for this agent; 0 while there is none."""
        return 0 if self._node is None else int(self._node.node_id)

    @property
    def up(self) -> bool:
        """Whether the agent is registered and was heard when it last spoke."""
        return self._node is not None and not self.outage.active

    def connect(self) -> bool:
        """Register this agent, for as long as it takes. False if it was stopped in the meantime."""
        register = self._self_registers
        while not self._stop.is_set():
            try:
                if register:
                    self._call(self._client.RegisterNode, RegisterNodeFleetRequest(public_key=self._public))
                    register = False
                request = ActivateNodeRequest(public_key=self._public, heartbeat_interval=self._heartbeat_s)
                self._node = Node(node_id=self._call(self._client.ActivateNode, request).node_id)
            except (ConnectionDown, NotRegistered, MessageRefused) as problem:
                register = register and isinstance(problem, ConnectionDown)  # a refusal: it is registered
                # Also refused while the coordinator still considers a killed predecessor alive, for two heartbeats.
                self._stop.wait(self.outage.failed(str(problem)))
            else:
                self.outage.over()
                if self._wire.coordinators < SPOKEN:
                    _log.warning("the coordinator is of an earlier release", extra={"reason": UPDATE_COORDINATOR})
                self._beat()
                return True
        return False

    def receive(self) -> Message | None:
        """The next message with its content, or None if there is none.

        Raises ConnectionDown, NotRegistered or MessageRefused. A message is announced once: after ConnectionDown the
        next call requests the content of the same one.
        """
        node = self._registered()
        if self._arriving is None:
            answer = self._call(self._client.PullMessages, PullMessagesRequest(node=node))
            if not answer.messages_list:
                return None
            self._arriving = answer.messages_list[0].metadata.run_id, answer.message_object_trees[0]
        try:
            message = self._content(node, *self._arriving)
        except ConnectionDown:
            raise
        except Exception:
            self._arriving = None
            raise
        self._arriving = None
        return message

    def _content(self, node: Node, run_id: int, tree: ObjectTree) -> Message:
        pull = make_pull_object_fn_protobuf(partial(self._call, self._client.PullObject), node, run_id)
        confirm = make_confirm_message_received_fn_protobuf(
            partial(self._call, self._client.ConfirmMessageReceived), node, run_id
        )
        try:
            message = pull_and_inflate_object_from_tree(tree, self._counted_in(pull), confirm, return_type=Message)
        except ObjectPullError as problem:
            raise MessageRefused(str(problem)) from problem
        message.metadata.__dict__["_message_id"] = tree.object_id
        return message

    def send(self, reply: Message, seconds: float) -> None:
        """Send a reply and its content; `seconds` is how long the app took. May be called again after ConnectionDown.

        Raises ConnectionDown, NotRegistered or MessageRefused.
        """
        node, run_id = self._registered(), reply.metadata.run_id
        reply.metadata.__dict__["_message_id"] = reply.object_id
        with no_object_id_recompute():
            request = PushMessagesRequest(
                node=node,
                messages_list=[message_to_proto(remove_content_from_message(reply))],
                message_object_trees=[get_object_tree(reply)],
                clientapp_runtime_list=[seconds],
            )
            answer = self._call(self._client.PushMessages, request)
            push = make_push_object_fn_protobuf(
                partial(self._call, self._client.PushObject), node, run_id, answer.session_id
            )
            wanted = set(answer.objects_to_push)
            try:
                push_objects(get_all_nested_objects(reply), self._counted_out(push), object_ids_to_push=wanted)
            except ObjectPushError as problem:
                raise MessageRefused(str(problem)) from problem

    def close(self) -> None:
        """Unregister if the coordinator can be reached, and close the connection. `stop` must be set.

        A coordinator that is shutting down waits for open connections.
        """
        if self._beating is not None:
            self._beating.join()
        if self._node is not None:
            try:
                self._call(self._client.DeactivateNode, DeactivateNodeRequest(node_id=self._node.node_id))
            except (ConnectionDown, NotRegistered, MessageRefused) as down:
                _log.debug("left without unregistering", extra={"reason": str(down)})
        self._client.close()

    def _registered(self) -> Node:
        if self._node is None:
            raise NotRegistered("not connected yet")
        return self._node

    def _beat(self) -> None:
        if self._beating is None:
            self._beating = threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True)
            self._beating.start()

    def _keep_beating(self) -> None:
        """Flower considers a node gone after two silent intervals; two heartbeats per interval leave a margin."""
        while not self._stop.wait(self._heartbeat_s / 2):
            request = SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=self._heartbeat_s)
            try:
                self._call(self._client.SendNodeHeartbeat, request)
            except (ConnectionDown, NotRegistered, MessageRefused) as down:
                _log.debug("heartbeat not acknowledged", extra={"reason": str(down)})

    def _call(self, method: Callable[[_Request], _Answer], request: _Request) -> _Answer:
        try:
            return method(request)
        except httpx.HTTPStatusError as problem:
            status = problem.response.status_code
            reason = self._refusal(problem.response)
            if status == httpx.codes.UNAUTHORIZED:
                raise NotRegistered(reason) from problem
            if status == httpx.codes.TOO_MANY_REQUESTS or problem.response.is_server_error:
                raise ConnectionDown(reason) from problem
            raise MessageRefused(reason) from problem
        except httpx.HTTPError as problem:
            raise ConnectionDown(_why_unreachable(problem)) from problem

    @staticmethod
    def _refusal(response: httpx.Response) -> str:
        """Why the coordinator refuses a request, and what to do if that is known."""
        try:
            content = loads(response.content)
            code, detail = str(content.get("code", "")), str(content.get("detail", ""))[:200]
        except (ValueError, AttributeError):
            code = detail = ""
        if code == WRONG_CLOCK:
            return f"this machine's clock or the coordinator's is wrong: {detail}; set it"
        if code == EARLIER_RELEASE:
            return UPDATE_AGENT
        if code == UNKNOWN_KEY:
            return (
                "the coordinator has no key for this home, or a different one: its .pub must be in keys/agents there"
            )
        return f"the coordinator answered {response.status_code}" + (f" ({detail})" if detail else "")

    def _counted_in(self, pull: Callable[[str], bytes]) -> Callable[[str], bytes]:
        def counted(object_id: str) -> bytes:
            content = pull(object_id)
            self.bytes_in += len(content)
            return content

        return counted

    def _counted_out(self, push: Callable[[str, bytes], None]) -> Callable[[str, bytes], None]:
        def counted(object_id: str, content: bytes) -> None:
            push(object_id, content)
            self.bytes_out += len(content)

        return counted


def _why_unreachable(problem: httpx.HTTPError) -> str:
    text = f"{type(problem).__name__}: {problem}"
    if "certificate has expired" in text or "certificate is not yet valid" in text:
        return (
            f"{text}; by this machine's clock it is {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: if that is wrong, set "
            "it; if not, the certificates have expired: `wattproof keys --renew` on the coordinator renews them"
        )
    return text
