"""The coordinator's door: junk is turned away before it is parsed, agents get through beside it, each for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    ActivateNodeResponse,
    PullMessagesRequest,
    PullMessagesResponse,
    PushMessagesRequest,
)
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import get_object_tree
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE
from flwr.supercore.protobuf.translation import ProtobufTranslationMiddleware
from starlette.types import ASGIApp

import fl.deployment.request_gate
from fl.deployment.fleet_server import FleetServer
from fl.deployment.signed_requests import SignedRequests
from fl.deployment.wire import HEADER, SPOKEN, UPDATE_AGENT

KEYS = {home: ec.generate_private_key(ec.SECP384R1()) for home in ("ada", "bob", "stranger")}
AGENTS = {home: public_key_to_bytes(KEYS[home].public_key()) for home in ("ada", "bob")}
PROTOBUF = {"content-type": PROTOBUF_MEDIA_TYPE, "accept": PROTOBUF_MEDIA_TYPE, HEADER: str(SPOKEN)}


@dataclass
class Coordinator:
    server: FleetServer
    app: ASGIApp
    parsed: list[bytes]
    held: list[float]

    async def post(
        self, path: str, message: Any, signer: str | None = "ada", address: str = "10.0.0.1", **headers: str
    ) -> httpx.Response:
        body = message if isinstance(message, bytes) else message.SerializeToString()
        transport = httpx.ASGITransport(self.app, client=(address, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="https://elm:8443") as client:
            request = client.build_request("POST", f"/v1/fleet/{path}", content=body, headers=PROTOBUF | headers)
            if signer is not None:
                SignedRequests(KEYS[signer]).sign(request)
            return await client.send(request)

    async def activate(self, home: str) -> int:
        request = ActivateNodeRequest(public_key=AGENTS[home], heartbeat_interval=30)
        answer = await self.post("activate-node", request, home)
        assert answer.status_code == 200, answer.text
        return int(ActivateNodeResponse.FromString(answer.content).node_id)


@pytest.fixture
def coordinator(monkeypatch: pytest.MonkeyPatch) -> Coordinator:
    parsed: list[bytes] = []
    parse = ProtobufTranslationMiddleware._parse_request

    def counted(body: bytes, kind: Any) -> Any:
        parsed.append(body)
        return parse(body, kind)

    monkeypatch.setattr(ProtobufTranslationMiddleware, "_parse_request", staticmethod(counted))
    held: list[float] = []

    async def hold(seconds: float) -> None:
        held.append(seconds)

    monkeypatch.setattr(fl.deployment.request_gate.asyncio, "sleep", hold)
    server = FleetServer(AGENTS)
    return Coordinator(server, server.app(), parsed, held)


def played(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def pull(node: int) -> PullMessagesRequest:
    return PullMessagesRequest(node=Node(node_id=node))


def test_an_agent_that_signs_is_served(coordinator: Coordinator) -> None:
    async def scene() -> None:
        node = await coordinator.activate("ada")
        answer = await coordinator.post("pull-messages", pull(node))
        assert answer.status_code == 200 and not PullMessagesResponse.FromString(answer.content).messages_list

    played(scene)


def test_strangers_are_turned_away_unparsed_and_soon_without_a_word(coordinator: Coordinator) -> None:
    async def scene() -> None:
        for signer in (None, "stranger"):
            address = f"10.0.1.{len(coordinator.parsed) + (signer is None)}"
            answers = [await coordinator.post("pull-messages", pull(7), signer, address) for _ in range(30)]
            assert answers[0].status_code == 401 and answers[0].json()["code"] == "unknown-key"
            assert answers[-1].status_code == 429 and "connection" not in answers[-1].headers

    played(scene)
    assert coordinator.parsed == []
    assert coordinator.held and set(coordinator.held) == {2.0}  # its connection brings one request in two seconds


def test_so_many_are_kept_waiting_and_no_more(coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fl.deployment.request_gate, "_MOST_HELD", 0)

    async def scene() -> None:
        for _ in range(30):
            answer = await coordinator.post("pull-messages", pull(7), None)
        assert answer.status_code == 429 and answer.headers["connection"] == "close"

    played(scene)
    assert coordinator.held == []


def test_junk_from_a_homes_own_network_does_not_keep_it_out(coordinator: Coordinator) -> None:
    async def scene() -> None:
        node = await coordinator.activate("ada")
        for _ in range(40):
            await coordinator.post("pull-messages", pull(node), "stranger")
        assert (await coordinator.post("pull-messages", pull(node), "stranger")).status_code == 429
        assert (await coordinator.post("pull-messages", pull(node), "ada")).status_code == 200

    played(scene)


def test_junk_in_a_homes_name_from_elsewhere_does_not_keep_it_out(coordinator: Coordinator) -> None:
    async def scene() -> None:
        node = await coordinator.activate("ada")
        request = httpx.Request("POST", "https://elm:8443/v1/fleet/pull-messages", content=b"x", headers=PROTOBUF)
        SignedRequests(KEYS["ada"]).sign(request)
        stolen = {name: request.headers[name] for name in ("signature-input", "signature", "content-digest")}
        answers = [
            (await coordinator.post("pull-messages", b"other", None, "10.6.6.6", **stolen)).status_code
            for _ in range(20)
        ]
        assert answers[0] == 401 and answers[-1] == 429
        assert (await coordinator.post("pull-messages", pull(node), "ada")).status_code == 200

    played(scene)
    assert b"other" not in coordinator.parsed


def test_an_ipv6_network_counts_as_one(coordinator: Coordinator) -> None:
    async def scene() -> None:
        answers = [
            (await coordinator.post("pull-messages", pull(7), None, f"2001:db8::{n:x}")).status_code
            for n in range(30)
        ]
        assert answers[-1] == 429

    played(scene)


@pytest.mark.parametrize(("path", "most"), [("pull-messages", 1024 * 1024), ("push-object", 6 * 1024 * 1024)])
def test_a_body_is_read_as_far_as_the_api_has_use_for_it(coordinator: Coordinator, path: str, most: int) -> None:
    read = []

    async def endless() -> Any:
        while True:
            read.append(65_536)
            yield bytes(65_536)

    async def scene() -> None:
        answer = await coordinator.post(path, bytes(most + 1))
        assert answer.status_code == 413
        transport = httpx.ASGITransport(coordinator.app)
        async with httpx.AsyncClient(transport=transport, base_url="https://elm:8443") as client:
            request = httpx.Request("POST", f"https://elm:8443/v1/fleet/{path}", content=b"", headers=PROTOBUF)
            SignedRequests(KEYS["ada"]).sign(request)
            headers = {name: value for name, value in request.headers.items() if name != "content-length"}
            assert (await client.post(request.url, content=endless(), headers=headers)).status_code == 413

    played(scene)
    assert sum(read) <= most + 2 * 65_536
    assert coordinator.parsed == []


@pytest.mark.parametrize("length", ["-1", "1e3", "x", str(10**30)])
def test_a_length_that_is_none_is_refused(coordinator: Coordinator, length: str) -> None:
    async def scene() -> None:
        answer = await coordinator.post("pull-messages", b"", "ada", **{"content-length": length})
        assert answer.status_code == 413

    played(scene)


def test_a_request_is_taken_once(coordinator: Coordinator) -> None:
    async def scene() -> None:
        node = await coordinator.activate("ada")
        transport = httpx.ASGITransport(coordinator.app)
        async with httpx.AsyncClient(transport=transport, base_url="https://elm:8443") as client:
            body = pull(node).SerializeToString()
            request = client.build_request("POST", "/v1/fleet/pull-messages", content=body, headers=PROTOBUF)
            SignedRequests(KEYS["ada"]).sign(request)
            answers = [await client.send(request) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 401]
        assert answers[1].json()["code"] == "replayed"

    played(scene)


def test_an_agent_speaks_for_its_own_node_only(coordinator: Coordinator) -> None:
    async def scene() -> None:
        ada, bob = await coordinator.activate("ada"), await coordinator.activate("bob")
        assert (await coordinator.post("pull-messages", pull(bob), "ada")).status_code == 401
        request = ActivateNodeRequest(public_key=AGENTS["bob"], heartbeat_interval=30)
        assert (await coordinator.post("activate-node", request, "ada")).status_code == 401
        with coordinator.server.run() as grid:
            (sent,) = grid.push_messages([Message(RecordDict(), bob, "train", ttl=60)])
            (asked,) = coordinator.server.state.get_message_ins(bob, 1)
            assert asked.metadata.message_id == sent
            reply = Message(RecordDict(), reply_to=asked)  # it is bob who was asked
            tree = get_object_tree(reply)
            reply.metadata.__dict__["_message_id"] = tree.object_id
            push = PushMessagesRequest(
                node=Node(node_id=ada),
                messages_list=[message_to_proto(remove_content_from_message(reply))],
                message_object_trees=[tree],
            )
            assert (await coordinator.post("push-messages", push, "ada")).status_code == 403
            push.node.node_id = bob
            assert (await coordinator.post("push-messages", push, "bob")).status_code == 200

    played(scene)


@pytest.mark.parametrize("told", [{}, {HEADER: str(SPOKEN - 1)}, {HEADER: "none"}, {HEADER: "9" * 5000}])
def test_an_agent_of_an_earlier_release_is_told_to_be_updated_and_the_log_says_so_once(
    coordinator: Coordinator, told: dict[str, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(PROTOBUF, HEADER)

    async def scene() -> None:
        request = ActivateNodeRequest(public_key=AGENTS["ada"], heartbeat_interval=30)
        answers = [await coordinator.post("activate-node", request, "ada", **told) for _ in range(3)]
        assert {answer.status_code for answer in answers} == {403}
        assert {answer.json()["detail"] for answer in answers} == {UPDATE_AGENT}
        assert {answer.headers[HEADER] for answer in answers} == {str(SPOKEN)}

    played(scene)
    assert [record.__dict__["home"] for record in caplog.records if record.message == "agent refused"] == ["ada"]
    assert len(UPDATE_AGENT) <= 200, "agents of earlier releases show so much of a refusal"
    assert coordinator.parsed == []


def test_an_agent_of_a_newer_release_decides_by_itself(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROTOBUF, HEADER, str(SPOKEN + 1))
    played(lambda: coordinator.activate("ada"))


def test_one_message_is_pushed_at_a_time(coordinator: Coordinator) -> None:
    async def scene() -> None:
        node = await coordinator.activate("ada")
        empty = PushMessagesRequest(node=Node(node_id=node))
        trees = PushMessagesRequest(node=Node(node_id=node), message_object_trees=[ObjectTree()] * 3)
        for request in (empty, trees):
            assert (await coordinator.post("push-messages", request, "ada")).status_code == 400

    played(scene)


def test_who_is_shut_out_is_refused_with_its_next_request_and_may_come_back(coordinator: Coordinator) -> None:
    async def scene() -> None:
        node = await coordinator.activate("ada")
        with coordinator.server.run() as grid:
            assert set(grid.get_node_ids()) == {node}
            assert coordinator.server.admit({"bob": AGENTS["bob"]}) == ([], ["ada"])
            assert set(grid.get_node_ids()) == set()
            refused = await coordinator.post("pull-messages", pull(node))
            assert refused.status_code == 401 and refused.json()["code"] == "unknown-key"
            assert coordinator.server.admit(AGENTS) == (["ada"], [])
            again = await coordinator.activate("ada")
            assert set(grid.get_node_ids()) == {again} != {node}
            assert [info.name for info in grid.get_nodes()] == ["ada"]

    played(scene)


def test_a_home_that_changes_its_key_is_out_with_the_old_and_in_with_the_new(coordinator: Coordinator) -> None:
    new = public_key_to_bytes(KEYS["stranger"].public_key())
    assert coordinator.server.admit(AGENTS | {"ada": new}) == (["ada"], ["ada"])

    async def scene() -> None:
        assert (await coordinator.post("pull-messages", pull(1), "ada")).status_code == 401
        request = ActivateNodeRequest(public_key=new, heartbeat_interval=30)
        assert (await coordinator.post("activate-node", request, "stranger")).status_code == 200

    played(scene)


def test_one_key_is_one_homes(coordinator: Coordinator) -> None:
    with pytest.raises(ValueError, match="two homes have the same key"):
        coordinator.server.admit({"ada": AGENTS["ada"], "zoe": AGENTS["ada"]})
    assert coordinator.server.admit(AGENTS) == ([], [])
