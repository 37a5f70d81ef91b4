"""What every request to the coordinator passes before anything parses it: rate limits, then authentication.

A stranger costs one header lookup; a persistent one is delayed, so that its connection delivers at most one request
every two seconds (closing it would cost a handshake for the next one). Limits apply per address and per key, so that
neither junk from a home's own network nor junk in its name from elsewhere locks it out; only both together do. Bodies
are read up to the size the API can use.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import Any

from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.proto.fleet_pb2 import ActivateNodeRequest, PushMessagesRequest, RegisterNodeFleetRequest
from flwr.server.superlink.linkstate import LinkState
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fl.deployment.rate_limit import RateLimit, source_of
from fl.deployment.signed_requests import Agent, NotAuthentic, RequestVerifier
from fl.deployment.wire import EARLIER_RELEASE, HEADER, SPOKEN, UPDATE_AGENT, spoken_by

_log = logging.getLogger(__name__)
_PUSH_OBJECT, _ACTIVATE = "/v1/fleet/push-object", "/v1/fleet/activate-node"
_LARGEST_OBJECT = 6 * 1024 * 1024  # Flower cuts arrays into pieces of 5 MB
_LARGEST_BODY = 1024 * 1024
_READ_S = 120.0
_HOLD_S, _MOST_HELD = 2.0, 200
_TELL_AGAIN_S = 3600.0
TOO_MANY, TOO_LARGE, TOO_SLOW = "too-many-requests", "too-large", "too-slow"


class _Refused(Exception):
    def __init__(self, status: int, code: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.code = status, code


@dataclass(frozen=True)
class _SignedRequest:
    method: str
    url: str
    headers: Headers


class RequestGate:
    """ASGI middleware, the outermost. `doorkeeper`: None admits everybody (for loopback), within the same bounds."""

    def __init__(self, app: ASGIApp, doorkeeper: RequestVerifier | None) -> None:
        self._app, self._doorkeeper = app, doorkeeper
        self._strangers = RateLimit(rate=2, burst=20)  # requests of nobody we know, by address
        self._failures = RateLimit(rate=0.5, burst=10)  # requests in an agent's name that are not its, by both
        self._held = 0
        self._requests = RateLimit(rate=200, burst=2000)  # an agent's own: a round takes it about a hundred
        self._told = RateLimit(rate=1 / _TELL_AGAIN_S, burst=1)  # agents of earlier releases, in the log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _telling_wire(send)
        try:
            body = await self._let_in(scope, receive)
        except _Refused as refused:
            await _answer(send, refused, closing=refused.status not in (401, 429) or not await self._hold(refused))
            return
        await self._app(scope, _Again(body, receive), send)

    async def _hold(self, refused: _Refused) -> bool:
        """Delay a client that sends too many requests; False if too many are being delayed already."""
        if refused.status != 429:
            return True
        if self._held >= _MOST_HELD:
            return False
        self._held += 1
        try:
            await asyncio.sleep(_HOLD_S)
        finally:
            self._held -= 1
        return True

    async def _let_in(self, scope: Scope, receive: Receive) -> bytes:
        """The body of an admitted request; its signer is then in the scope. Raises _Refused."""
        headers, address = Headers(scope=scope), _address(scope)
        agent = None if self._doorkeeper is None else self._claimed(self._doorkeeper, headers, address)
        body = await _read(headers, receive, _LARGEST_OBJECT if scope["path"] == _PUSH_OBJECT else _LARGEST_BODY)
        if self._doorkeeper is not None and agent is not None:
            request = _SignedRequest(scope["method"], _url(scope, headers), headers)
            try:
                self._doorkeeper.check(request, body, agent)
            except NotAuthentic as refused:
                self._failures.take((address, agent.key_id))
                _log.warning("request refused", extra={"home": agent.home, "from": address, "reason": str(refused)})
                raise _Refused(401, refused.code, str(refused)) from refused
            if not self._requests.take(agent.key_id):
                raise _Refused(429, TOO_MANY, "too many requests from this agent")
            scope.setdefault("state", {})["agent"] = agent
        if scope["path"] == _ACTIVATE and spoken_by(headers) < SPOKEN:
            self._tell_of_earlier(address if agent is None else agent.home, address)
            raise _Refused(403, EARLIER_RELEASE, UPDATE_AGENT)
        return body

    def _tell_of_earlier(self, home: str, address: str) -> None:
        """It asks again and again, until it is updated; the log has it once an hour."""
        if self._told.take(home):
            _log.warning("agent refused", extra={"home": home, "from": address, "reason": UPDATE_AGENT})

    def _claimed(self, doorkeeper: RequestVerifier, headers: Headers, address: str) -> Agent:
        try:
            agent = doorkeeper.claimed(headers.get("signature-input", ""))
        except NotAuthentic as refused:
            if not self._strangers.take(address):
                raise _Refused(429, TOO_MANY, "too many requests that no agent has signed") from None
            raise _Refused(401, refused.code, str(refused)) from refused
        if not self._failures.left((address, agent.key_id)):
            raise _Refused(429, TOO_MANY, "too many requests from this address that the agent has not signed")
        return agent


def only_its_own(state: LinkState, request: Request) -> None:
    """A dependency of the routes: an agent speaks for its own node only, and answers one message at a time.

    Raises HTTPException (400, 401, 403).
    """
    message = request.state.protobuf_request
    agent: Agent | None = getattr(request.state, "agent", None)
    if agent is not None:
        if isinstance(message, RegisterNodeFleetRequest | ActivateNodeRequest):
            own = message.public_key == agent.public_pem
        else:
            own = state.get_node_id_by_public_key(agent.public_pem) == _node_of(message)
        if not own:
            raise HTTPException(401, "not this agent's node")  # after a restart it has another: it registers again
    if isinstance(message, PushMessagesRequest):
        if len(message.messages_list) != 1 or len(message.message_object_trees) != 1:
            raise HTTPException(400, "one message and its objects at a time")
        metadata = message.messages_list[0].metadata
        if metadata.src_node_id != message.node.node_id or metadata.dst_node_id != SUPERLINK_NODE_ID:
            raise HTTPException(403, "only messages from this node to the coordinator are accepted")


def _telling_wire(send: Send) -> Send:
    """`send`, with what this coordinator needs of agents in the answer's headers."""

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (HEADER.encode(), str(SPOKEN).encode())]}
        await send(message)

    return telling


def _node_of(message: Any) -> int:
    return int(message.node.node_id if hasattr(message, "node") else message.node_id)


def _address(scope: Scope) -> str:
    return source_of(scope["client"][0] if scope.get("client") else "")


def _url(scope: Scope, headers: Headers) -> str:
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    return f"{scope['scheme']}://{headers.get('host', '')}{path}"


async def _read(headers: Headers, receive: Receive, most: int) -> bytes:
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > most:
        raise _Refused(413, TOO_LARGE, f"more than {most} bytes")
    try:
        async with asyncio.timeout(_READ_S):
            return await _body(receive, most)
    except TimeoutError:
        raise _Refused(408, TOO_SLOW, f"the body took longer than {_READ_S:.0f} s") from None


async def _body(receive: Receive, most: int) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(400, TOO_SLOW, "the client gave up the request")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise _Refused(413, TOO_LARGE, f"more than {most} bytes")
        if not message.get("more_body", False):
            return b"".join(parts)


class _Again:
    """Replays the body for the parser; after that, passes on what the connection receives."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._message: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._receive = receive

    async def __call__(self) -> Message:
        message, self._message = self._message, None
        return await self._receive() if message is None else message


async def _answer(send: Send, refused: _Refused, *, closing: bool) -> None:
    content = json.dumps({"code": refused.code, "detail": str(refused)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if closing:
        headers.append((b"connection", b"close"))
    if refused.status == 429:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
