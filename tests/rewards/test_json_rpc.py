"""The line to a chain node that clients without web3 share: whatever a node answers, the caller gets one error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from rewards import node_http
from rewards.chain import Chain
from rewards.errors import NodeUnreachable
from rewards.gossip_client import GossipClient
from rewards.json_rpc import JsonRpc, call_data
from rewards.rpc_account import CallRefused, RpcAccount
from rewards.rpc_client import RpcClient
from tests.rewards.conftest import account
from tests.support.served import served

_WHERE = account(9).address


@contextmanager
def node(answer: bytes) -> Iterator[str]:
    """A node that answers everything with the same."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests read no access log."""

    with served(HTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://me:secret@127.0.0.1:{port}/secret"


@pytest.mark.parametrize(
    "answer",
    [
        b"[" * 100_000, b'{"result":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"result":' * 100_000,
        b"", b"<html>", b"[]", b"null", b"{}", b'{"error": 7}', b'{"result": "0xzz"}', b'{"result": []}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_no_answer_breaks_a_client(answer: bytes) -> None:
    """The attack on the parser: brackets without end, which Python's parser follows on the C stack."""
    with node(answer) as url:
        own = RpcClient(url, _WHERE)
        peer = GossipClient(url, _WHERE, account(2), 10**17)
        for asked in (lambda: own.facts(_WHERE), lambda: own.digest_of(1), peer.state, peer.join):
            with pytest.raises(NodeUnreachable) as told:
                asked()
            assert "secret" not in str(told.value)


def test_an_account_without_coins_is_named_with_what_it_lacks() -> None:
    """Nodes have a code each for it; in the words they agree."""
    broke = b'{"error": {"code": -32003, "message": "Insufficient funds for gas * price + value"}}'
    with node(broke) as url, pytest.raises(CallRefused, match=f"{account(2).address} has not enough coins for 0.5"):
        RpcAccount(JsonRpc(url), account(2), 10**17).send(_WHERE, "join()", value=5 * 10**17)


def test_a_contracts_refusal_is_told_from_a_nodes_fault() -> None:
    with node(b'{"error": {"code": 3, "message": "execution reverted: epoch is over"}}') as url:
        with pytest.raises(CallRefused, match=r"^epoch is over$"):
            GossipClient(url, _WHERE, account(2), 10**17).advance()
        with pytest.raises(NodeUnreachable, match="error 3"):
            JsonRpc(url).number("eth_chainId")
    with (
        node(b'{"error": {"code": -32005, "message": "too many requests"}}') as url,
        pytest.raises(NodeUnreachable, match="-32005"),
    ):
        GossipClient(url, _WHERE, account(2), 10**17).advance()


def test_the_node_that_does_not_answer_is_named_with_its_setting() -> None:
    with pytest.raises(NodeUnreachable, match=r"gateway\.rpc_url, http://127\.0\.0\.1:9 \("):
        RpcClient("http://127.0.0.1:9", _WHERE).digest_of(1)


def test_the_data_of_a_call() -> None:
    """ERC-20's transfer, as the ABI specification writes it."""
    data = call_data("transfer(address,uint256)", "0x" + "11" * 20, 5)
    assert data[:4].hex() == "a9059cbb"
    assert data[4:] == bytes(12) + b"\x11" * 20 + (5).to_bytes(32, "big")


@contextmanager
def endless_node() -> Iterator[str]:
    """A node whose answer goes on for as long as it is read."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):  # nobody reads it any more
                while True:
                    self.wfile.write(b" " * 4096)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests read no access log."""

    with served(HTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("bound", [("_MOST_BYTES", 1 << 16), ("_WHOLE_S", 0.0)])
def test_an_answer_that_does_not_end_is_left(bound: tuple[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """It took all memory, or a thread for good where it came a byte at a time."""
    monkeypatch.setattr(node_http, *bound)
    with endless_node() as url:
        for asked in (lambda: RpcClient(url, _WHERE).facts(_WHERE), lambda: Chain.at(url)):
            with pytest.raises(NodeUnreachable):
                asked()
