"""A chain node that is gone, or gives nonsense: 503 on every route that asks it, and every other route goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event
from traceback import format_exception

import pytest
from eth_account import Account
from fastapi.testclient import TestClient
from sqlalchemy import delete
from web3 import Web3

from api.cli.main import app
from api.cli.terminal import INCOMPLETE
from api.http.server import make_app
from api.operator.chain_session import ChainSession
from api.operator.database.tables import Forecast
from api.protocol.bundle import ClaimBundle, encode
from bench.ports import free_port
from rewards.chain import Chain
from rewards.deploy import Contracts
from rewards.errors import ChainError, DayNotOver, LateForecast, NodeUnreachable, Refused, StaleTransaction
from rewards.node import Node
from rewards.node_url import shown
from rewards.rpc_client import RpcClient
from tests.api.conftest import DAY, Village
from tests.api.http.test_forecasts import refusal
from tests.support.commands import CliRunner
from tests.support.documented import DocumentedClient
from tests.support.served import served

BLOCK = {"number": "0x1", "timestamp": "0x1", "hash": "0x" + "11" * 32}
EMPTY_CHAIN = {"eth_call": "0x", "eth_getCode": "0x", "eth_getBlockByNumber": BLOCK}
NODES: dict[str, Callable[[str], bytes]] = {
    "a proxy's page": lambda _method: b"<html>502 Bad Gateway</html>",
    "nonsense": lambda _method: b'{"jsonrpc": "2.0"}',
    "an error": lambda _method: b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "out of memory"}}',
    "brackets without end": lambda _method: b'{"jsonrpc": "2.0", "id": 1, "result": ' + b"[" * 80_000,
    "bytes": lambda _method: b"\xff\xfe\x00",
    "a chain without the contracts": lambda method: json.dumps(
        {"jsonrpc": "2.0", "id": 1, "result": EMPTY_CHAIN.get(method, "0x1")}
    ).encode(),
}


@contextmanager
def node_of(answers: Callable[[str], bytes] | None) -> Iterator[str]:
    """The URL of a node that answers so, by method; of none, if none is given."""
    if answers is None:
        yield f"http://127.0.0.1:{free_port()}"
        return

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = answers(asked["method"])
            self.send_response(502 if answer.startswith(b"<") else 200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Tests read no access log."""

    with served(HTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def served_with(village: Village, url: str) -> Iterator[TestClient]:
    """The village's server with that node in the place of its chain."""
    chain = Chain(Web3(Node(url, 5)))
    app = make_app(
        village.community, ChainSession(chain, Contracts.of(chain, village.chain_session.contracts.addresses))
    )
    app.state.work.checker = village.client.app.state.work.checker  # its processes have started
    yield DocumentedClient(app, raise_server_exceptions=False)


def test_a_node_that_keeps_silent_is_not_waited_for_by_monitors(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They give up first, and would know nothing of the database either."""
    monkeypatch.setattr("api.http.routes.health._LOOK_S", 0.1)
    done = Event()

    def answer(_method: str) -> bytes:
        assert done.wait(60)
        return b""

    with node_of(answer) as url, served_with(village, url) as client:
        try:
            checks = client.get("/readyz").json()["checks"]
            assert checks["chain"] == "the chain node has not answered for 0.1 s" and checks["database"] == "ok"
        finally:
            done.set()


def test_every_route_that_asks_the_node_says_so_and_the_others_go_on(village: Village, claim: ClaimBundle) -> None:
    home, other = village.homes[:2]
    address, bundle = home.wallet.address, village.bundle(other)
    handed = {"bundle": bundle.model_dump(), "transaction": village.transaction(other.wallet, bundle)}
    with village.community.sessions.begin() as session:
        session.execute(delete(Forecast).where(Forecast.household == other.wallet.address))
    for kind in ("nothing", *NODES):
        with node_of(NODES.get(kind)) as url, served_with(village, url) as client:
            asked = {
                "rewards": client.get(f"/households/{address}/rewards"),
                "heads": client.get(f"/households/{address}/heads/1"),
                "claims": client.post("/claims", content=encode(claim)),
                "forecasts": client.post("/forecasts", json=handed),
            }
            if kind != "a chain without the contracts":
                asked["signing"] = client.get(f"/households/{address}/signing")
                asked["sums"] = client.get(f"/sums/{DAY}/forecast")
            assert refusal(client.get("/health")) == (503, "not-ready"), kind
            checks = client.get("/readyz").json()["checks"]
            assert checks["database"] == "ok" and "node" in checks["chain"], kind
            for route, answer in asked.items():
                assert refusal(answer) == (503, "chain-unreachable"), (kind, route, answer.text)
                assert int(answer.headers["retry-after"]) > 0
            for path in ("/livez", "/rounds", "/days", f"/forecasts/{DAY}", f"/forecasts/{address}/{DAY}/proof"):
                assert client.get(path).status_code == 200, (kind, path)
            assert client.post("/proofs/verify", content=encode(bundle)).status_code == 200, kind
            kept = {row["household"] for row in client.get(f"/forecasts/{DAY}").json()}
            assert other.wallet.address not in kept, "what no node took is not kept"


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (-32603, "out of memory", NodeUnreachable),
        (-32005, "daily request count exceeded", NodeUnreachable),
        (-32603, "VM Exception: reverted with reason string 'late forecast'", LateForecast),
        (-32603, "nonce too low", StaleTransaction),
        (-32000, "insufficient funds for gas", Refused),
        (3, "execution reverted: day is not over", DayNotOver),
    ],
)
def test_a_nodes_own_fault_is_told_apart_from_a_refusal(code: int, message: str, kind: type[ChainError]) -> None:
    """A gateway leaves what was refused for good, and sends again what a node was too busy for."""
    answer = json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}}).encode()
    nothing = b'{"jsonrpc": "2.0", "id": 1, "result": null}'
    account, other = Account.create(), "0x" + "11" * 20
    fields = {"to": other, "data": "0x01", "gas": 30_000, "gasPrice": 1, "nonce": 0, "chainId": 1, "value": 0}
    raw = bytes(account.sign_transaction(fields).raw_transaction)
    answers = {"eth_estimateGas": answer}
    with node_of(lambda method: answers.get(method, nothing)) as url, pytest.raises(ChainError) as told:
        Chain(Web3(Node(url, 5))).relay(raw, other, "0x01", "submit")
    assert type(told.value) is kind


def test_the_nodes_address_is_told_to_nobody_for_it_may_hold_a_key(village: Village) -> None:
    url = f"http://me:secret@127.0.0.1:{free_port()}/v3/secret"
    with pytest.raises(NodeUnreachable, match=rf"no chain node answers at {shown(url)}:") as refusal_:
        Chain.at(url, timeout=2)
    assert "secret" not in str(refusal_.value) and "correct rewards.rpc_url" in str(refusal_.value)
    with served_with(village, url) as client:
        answer = client.get(f"/households/{village.homes[0].wallet.address}/signing")
    assert answer.status_code == 503 and "secret" not in answer.text


def test_a_households_own_node_is_told_of_without_its_key_neither_in_words_nor_in_a_traceback() -> None:
    answers = {
        "nothing": None,
        "a status": lambda _method: b"<html>401</html>",
        "no number": lambda _method: b'{"jsonrpc": "2.0", "id": 1, "result": "none"}',
        "80,000 open brackets": lambda _method: b"[" * 80_000,
    }
    for kind, answer in answers.items():
        with node_of(answer) as url:
            node = RpcClient(url.replace("//", "//me:secret@") + "/v3/secret?key=secret", "0x" + "11" * 20)
            for ask in (partial(node.facts, "0x" + "22" * 20), partial(node.digest_of, 1)):
                with pytest.raises(NodeUnreachable) as told:
                    ask()
                assert "127.0.0.1" in str(told.value), kind
                assert "secret" not in "".join(format_exception(told.value)), kind


def test_a_node_that_is_gone_has_no_key_in_a_traceback() -> None:
    url = f"http://me:secret@127.0.0.1:{free_port()}/v3/secret"
    with pytest.raises(NodeUnreachable) as told:
        Chain.at(url, timeout=2)
    assert "secret" not in "".join(format_exception(told.value))


def test_the_doctor_looks_for_the_contracts_on_the_node(village: Village, tmp_path: Path) -> None:
    """A node that was started anew answers as it did before."""
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "contracts.json").write_bytes(village.chain_session.contracts.addresses.to_json())
    for kind, told in (
        ("nothing", "(rewards.rpc_url) does not answer"),
        ("brackets without end", "(rewards.rpc_url) does not answer"),
        ("a chain without the contracts", "the node was started with an empty chain"),
    ):
        with node_of(NODES.get(kind)) as url:
            (tmp_path / "community.yaml").write_text(
                "community: {name: Elm}\ndata: {source: none}\n"
                f"rewards: {{rpc_url: '{url}', key_file: operator.key}}\n"
            )
            found = CliRunner().invoke(app, ["doctor", "-c", str(tmp_path / "community.yaml")])
        assert told in " ".join(found.output.split()), (kind, found.output)
        assert found.exit_code == INCOMPLETE
