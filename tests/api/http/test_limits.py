"""Bounds on bodies, and on connections: a real HTTP server on loopback, and whoever means it harm."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from api.http import connections as http_protocol
from api.http.connections import BoundedProtocol
from api.http.limits import BodyLimits
from api.http.problems import Problem
from data.json_text import MOST_NESTING
from tests.support.served import uvicorn_served

MOST, LARGE = 100_000, 32 << 20
JSON = "content-type: application/json\r\n"


async def echo(request: Request) -> JSONResponse:
    return JSONResponse({"bytes": len(await request.body())})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(seconds=60) as made:
        yield made


@contextmanager
def serving(seconds: float) -> Iterator[int]:
    """A server that waits so long for a body."""
    app = Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])
    config = uvicorn.Config(
        BodyLimits(app, most_bytes=MOST, seconds=seconds), http=BoundedProtocol, ws="none", log_config=None
    )
    with uvicorn_served(config) as port:
        yield port


def answered(port: int, *parts: bytes) -> tuple[int, dict[str, object]]:
    """Status and body of the answer to what is sent; as much is sent as the server takes."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as line:
        for part in parts:
            try:
                line.sendall(part)
            except ConnectionError:
                break
        return read(line)


def read(line: socket.socket) -> tuple[int, dict[str, object]]:
    file = line.makefile("rb")
    status = int(file.readline().split()[1])
    length = 0
    while (header := file.readline()) not in (b"\r\n", b""):
        name, _, value = header.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return status, json.loads(file.read(length))


def post(body: bytes, headers: str = JSON) -> bytes:
    return f"POST / HTTP/1.1\r\nhost: x\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body


def refusal(told: tuple[int, dict[str, object]]) -> tuple[int, object]:
    assert set(told[1]) == Problem.model_fields.keys(), told
    return told[0], told[1]["error"]


def test_a_body_within_bounds_arrives_whole(port: int) -> None:
    body = b'"' + b"x" * (MOST - 2) + b'"'
    assert answered(port, post(body)) == (200, {"bytes": MOST})
    chunked = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" + b"2\r\n[]\r\n" * 50 + b"0\r\n\r\n"
    assert answered(port, chunked) == (200, {"bytes": 100})
    assert answered(port, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n") == (200, {"bytes": 0})


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 80_000, b'{"a":' * 16_000, b"[" * (MOST_NESTING + 1) + b"]" * (MOST_NESTING + 1),
        b'["\\"",' * (MOST_NESTING + 1) + b"0" + b"]" * (MOST_NESTING + 1),
    ],
    ids=["lists", "objects", "one too many", "beside strings"],
)  # fmt: skip
@pytest.mark.parametrize("headers", [JSON, "", "content-type: text/plain\r\n"])
def test_a_body_that_nests_too_deep_is_refused_whatever_it_is_called(port: int, body: bytes, headers: str) -> None:
    assert refusal(answered(port, post(body, headers))) == (400, "too-deep")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_json_in_other_encodings_which_python_would_read_is_refused(port: int, encoding: str) -> None:
    """In them, parts of characters look like quotes and hide brackets."""
    body = ('["\u00e9", ' + ("" if encoding == "latin-1" else '"\u2241", ') + "[" * 50).encode(encoding)
    assert refusal(answered(port, post(body))) == (400, "malformed-request")


def test_a_body_of_very_many_values_is_refused(port: int) -> None:
    for body in (b"[" + b"0," * 40_000 + b"0]", b"{" + b",".join(b'"%d":0' % k for k in range(9_000)) + b"}"):
        assert refusal(answered(port, post(body))) == (413, "too-large")


def test_a_body_too_large_is_refused_whether_it_is_announced_or_not(port: int) -> None:
    assert refusal(answered(port, post(b"x" * (MOST + 1)))) == (413, "too-large")
    announced = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n{"
    assert refusal(answered(port, announced)) == (413, "too-large")
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    endless = [b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", *[chunk] * 200]
    assert refusal(answered(port, *endless)) == (413, "too-large")
    with_get = b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 100001\r\n\r\n" + b"x" * 100_001
    assert refusal(answered(port, with_get)) == (413, "too-large")


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with serving(seconds=0.2) as port:
        for head in (b"content-length: 10", b"transfer-encoding: chunked"):
            slow = b"POST / HTTP/1.1\r\nhost: x\r\n" + head + b"\r\n\r\n"
            assert refusal(answered(port, slow)) == (408, "slow-request")


def test_a_sender_who_goes_away_is_no_error() -> None:
    """Nothing is answered, and the application hears nothing."""
    given: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return given.pop(0)

    async def never(*_: object) -> None:
        raise AssertionError

    scope = {"type": "http", "headers": [(b"transfer-encoding", b"chunked")]}
    asyncio.run(BodyLimits(never, MOST)(scope, receive, never))
    assert given == []


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\na: " + b"x" * 1_000_000,
        b"GET / HTTP/1.1\r\n" + b"".join(b"h%d: x\r\n" % k for k in range(100_000)),
        b"GET /" + b"x" * 1_000_000,
    ],
    ids=["one long header", "many headers", "a long path"],
)
def test_a_head_without_end_is_refused(port: int, head: bytes) -> None:
    assert refusal(answered(port, head)) == (431, "too-large")


CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[]\r\n"


@pytest.mark.parametrize(
    "filler",
    [b"0\r\n" + b"a: b\r\n" * 100_000, b"0\r\na: " + b"x" * 600_000, b"1;a=" + b"x" * 600_000],
    ids=["trailers", "one long trailer", "a long extension"],
)
def test_what_stands_around_a_bodys_chunks_has_a_bound(port: int, filler: bytes) -> None:
    """Trailers were kept as headers: 57 MB of them took a gigabyte, and all others waited for ten seconds."""
    assert refusal(answered(port, CHUNKED, filler)) == (413, "too-large")


def test_trailers_are_no_headers() -> None:
    """A proxy in front looks at headers only: a cookie that comes behind the body has passed nobody."""

    async def names(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        await JSONResponse({"bytes": len(body), "cookie": request.headers.get("cookie")})(scope, receive, send)

    with uvicorn_served(uvicorn.Config(names, http=BoundedProtocol, ws="none", lifespan="off")) as port:
        told = answered(port, CHUNKED + b"0\r\ncookie: a=b\r\n\r\n")
    assert told == (200, {"bytes": 2, "cookie": None})


@pytest.mark.parametrize("rest", [b"zz\r\n", b"F" * 17 + b"\r\n", b"1\r\nxyz\r\n"])
def test_a_body_in_no_chunks_at_all_is_refused_in_the_same_form(port: int, rest: bytes) -> None:
    """The connection was closed without a word."""
    assert refusal(answered(port, CHUNKED + rest)) == (400, "malformed-request")


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"GET \xff HTTP/1.1\r\n\r\n"])
def test_what_is_not_http_is_refused_in_the_same_form(port: int, sent: bytes) -> None:
    assert refusal(answered(port, sent)) == (400, "malformed-request")


def test_a_head_that_does_not_come_is_not_waited_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the beginning, and after an answer on the same connection."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as line:
        line.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        monkeypatch.setattr(http_protocol, "HEAD_S", 0.2)  # this head had the usual time; that is for the next ones
        for begun in (b"", b"GET / HT"):
            assert refusal(answered(port, begun)) == (408, "slow-request")
        assert read(line) == (200, {"bytes": 0})
        with suppress(ConnectionError):  # it may be late already
            line.sendall(b"GET / HT")
        assert refusal(read(line)) == (408, "slow-request")
        assert line.recv(1) == b""


def test_a_client_that_takes_in_no_answer_does_not_hold_it_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than sockets hold is to be sent, and it reads nothing: the application need not wait for it."""
    ended = threading.Event()

    async def large(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % LARGE)]})
        await send({"type": "http.response.body", "body": b"x" * (LARGE - 1), "more_body": True})
        await send({"type": "http.response.body", "body": b"x"})
        ended.set()

    with uvicorn_served(uvicorn.Config(large, http=BoundedProtocol, ws="none", lifespan="off")) as port:
        for reads in (True, False):
            with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as line:
                line.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                assert not reads or line.makefile("rb").read().endswith(b"\r\n\r\n" + b"x" * LARGE), "all of it"
                assert ended.wait(60)
            ended.clear()
            monkeypatch.setattr(http_protocol, "TAKEN_S", 0.2)  # whoever reads has the usual time


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\na: ", b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n{"])
def test_whoever_holds_connections_makes_way_for_whoever_asks(
    port: int, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(http_protocol, "MOST_CONNECTIONS", 8)
    held = []
    for _ in range(20):
        held.append(socket.create_connection(("127.0.0.1", port), timeout=60))
        held[-1].sendall(begun)
    for _ in range(10):
        assert answered(port, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n") == (200, {"bytes": 0})
    with suppress(ConnectionResetError):
        assert held[0].recv(1) == b"", "it is closed"
    for line in held:
        line.close()
