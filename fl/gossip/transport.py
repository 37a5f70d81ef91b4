"""How peers reach each other: HTTPS, in which both sides show a certificate of the community's authority.

The server answers GET of what is on the shelf, and nothing else; a stranger does not get through the handshake. The
client takes as many bytes as the answer must have, and no more.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from data.address import is_address
from data.http_client import TimedClient
from data.json_text import loads
from fl.deployment.keys import PeerKeys
from fl.deployment.listening import serving
from fl.errors import FederationError, KeysError
from fl.gossip.shelf import Shelf

_log = logging.getLogger(__name__)
FORMAT = "wattproof/peers/1"
_MOST_CONNECTIONS = 200
Message = MutableMapping[str, Any]


class PeerAway(FederationError):
    """A peer that does not answer, or not with what was asked for."""


def read_peers(path: Path) -> dict[bytes, str]:
    """Where each peer is reached: address on the chain (20 bytes) -> URL. Raises KeysError."""
    get = "Get it from the community; it has a line for each member, its address and https://HOST:PORT"
    try:
        content = loads(path.read_bytes())
        if content["format"] != FORMAT:
            raise KeysError(f"{path} is not a list of peers: its format is not {FORMAT}. {get}")
        peers = {bytes.fromhex(member.removeprefix("0x")): str(url) for member, url in content["peers"].items()}
    except FileNotFoundError:
        raise KeysError(f"the list of peers {path} is missing. {get}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise KeysError(f"{path} is not a list of peers ({type(problem).__name__}). {get}") from None
    for member, url in peers.items():
        if len(member) != 20 or not is_address(url, "https"):
            raise KeysError(f"{path}: {url!r} at 0x{member.hex()} is not a member's https://HOST:PORT. {get}")
    return peers


class PeerLine:
    """Asks other peers. Counts the bytes that came in.

    `timeout_s`: for a whole answer, too: one that comes in drops would keep a peer from what it is slashed for.
    """

    def __init__(self, peers: Mapping[bytes, str], keys: PeerKeys, timeout_s: float) -> None:
        context = ssl.create_default_context(cafile=str(keys.authority))
        context.load_cert_chain(keys.certificate, keys.key)
        self._peers, self._timeout_s = peers, timeout_s
        self._client = TimedClient(
            whole_s=timeout_s, verify=context, timeout=timeout_s, follow_redirects=False, trust_env=False
        )
        self.bytes_in = 0

    def get(self, peer: bytes, path: str, size: int) -> bytes:
        """The `size` bytes that a peer has at a path. Raises PeerAway."""
        url = self._peers.get(peer)
        if url is None:
            raise PeerAway(f"0x{peer.hex()} is not in the list of peers")
        try:
            with self._client.stream("GET", url + path) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise PeerAway(f"{path} at {url}: status {answer.status_code}")
                body = bytearray()
                for part in answer.iter_raw():
                    body += part
                    self.bytes_in += len(part)
                    if len(body) > size:
                        raise PeerAway(f"{path} at {url}: more than the {size} bytes that it has")
        except httpx.ReadTimeout:
            raise PeerAway(f"{path} at {url}: no whole answer within {self._timeout_s:g} s") from None
        except httpx.HTTPError as problem:
            raise PeerAway(f"{path} at {url}: {type(problem).__name__}") from None
        if len(body) != size:
            raise PeerAway(f"{path} at {url}: {len(body)} bytes, not {size}")
        return bytes(body)

    def close(self) -> None:
        self._client.close()


class ShelfServer:
    """Serves a shelf; an ASGI application of one kind of answer. Counts the bytes that went out."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.bytes_out = 0

    async def __call__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        found = self._shelf.answer(scope["path"]) if scope["method"] == "GET" else None
        status, body = (404, b"") if found is None else (200, found)
        headers = [(b"content-type", b"application/octet-stream"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self.bytes_out += len(body)

    @contextmanager
    def serve(self, bind: str, port: int, keys: PeerKeys) -> Iterator[None]:
        """Serve in a thread while the block runs. Raises FederationError where the port can't be had."""
        config = uvicorn.Config(
            self, ssl_certfile=keys.certificate, ssl_keyfile=keys.key, ssl_ca_certs=str(keys.authority),
            ssl_cert_reqs=ssl.CERT_REQUIRED, log_config=None, access_log=False, ws="none", lifespan="off",
            limit_concurrency=_MOST_CONNECTIONS, timeout_graceful_shutdown=2, loop="asyncio",
        )  # fmt: skip
        with serving(config, bind, port, "the peer's server"):
            yield
