"""The embedded chain behind JSON-RPC on loopback, as a household's own node would answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from eth_tester.exceptions import TransactionFailed
from web3.exceptions import ContractLogicError, Web3RPCError

from rewards.chain import Chain
from tests.support.served import served


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return hex(value) if isinstance(value, int) and not isinstance(value, bool) else value


@contextmanager
def json_rpc(chain: Chain) -> Iterator[str]:
    """The node's URL while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if asked["method"] == "eth_estimateGas":
                del asked["params"][1:]  # eth-tester estimates for the latest block alone
            try:
                answer = {"result": _plain(chain.web3.manager.request_blocking(asked["method"], asked["params"]))}
            except (ContractLogicError, TransactionFailed, Web3RPCError) as refused:
                answer = {"error": {"code": 3, "message": f"execution reverted: {refused}"}}
            content = json.dumps({"jsonrpc": "2.0", "id": asked["id"]} | answer).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests read no access log."""

    with served(HTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}"
