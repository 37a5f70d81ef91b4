"""Peers reach each other over mutual TLS, take no more bytes than an answer has, and let no stranger in."""

import asyncio
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from bench.ports import free_port
from fl.deployment.keys import PeerKeys, make_peer_keys
from fl.errors import KeysError
from fl.gossip.blocks import Place, Published, cid_of
from fl.gossip.segments import Segments
from fl.gossip.shelf import Shelf
from fl.gossip.transport import FORMAT, PeerAway, PeerLine, ShelfServer, read_peers

MEMBER = b"\x0a" * 20
OWN = Published.of(Place(b"\x0c" * 32, 1, MEMBER), np.arange(10), Segments(10, 2))
PATH = f"/blocks/{cid_of(OWN.digests[0])}"
SIZE = len(OWN.blocks[0])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> PeerKeys:
    return make_peer_keys(tmp_path_factory.mktemp("keys"), "elm-3", ["127.0.0.1"])


@pytest.fixture(scope="module")
def address(keys: PeerKeys) -> Iterator[str]:
    shelf, port = Shelf(), free_port()
    shelf.put_published(1, OWN, bytes(65))
    with ShelfServer(shelf).serve("127.0.0.1", port, keys):
        yield f"https://127.0.0.1:{port}"


def test_a_member_gets_a_block(address: str, keys: PeerKeys) -> None:
    line = PeerLine({MEMBER: address}, keys, 20)
    assert line.get(MEMBER, PATH, SIZE) == OWN.blocks[0] and line.bytes_in == SIZE
    line.close()


@pytest.mark.parametrize(("path", "size"), [(PATH, SIZE - 1), (PATH, SIZE + 1), ("/epochs/1", 129), ("/", 0)])
def test_anything_but_what_it_must_have_is_away(address: str, keys: PeerKeys, path: str, size: int) -> None:
    line = PeerLine({MEMBER: address}, keys, 20)
    with pytest.raises(PeerAway):
        line.get(MEMBER, path, size)
    line.close()


class Dripping(ShelfServer):
    """Answers a byte at a time, each well within any timeout of one read."""

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        headers = [(b"content-length", str(SIZE).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for at in range(SIZE):
            await asyncio.sleep(0.03)
            await send({"type": "http.response.body", "body": OWN.blocks[0][at : at + 1], "more_body": at < SIZE - 1})


def test_an_answer_that_comes_in_drops_is_not_waited_for(keys: PeerKeys) -> None:
    """A neighbour could otherwise hold a peer for hours, and have it slashed for what it does not do meanwhile."""
    port = free_port()
    with Dripping(Shelf()).serve("127.0.0.1", port, keys):
        line = PeerLine({MEMBER: f"https://127.0.0.1:{port}"}, keys, 1)
        with pytest.raises(PeerAway):
            line.get(MEMBER, PATH, SIZE)
        line.close()


def test_a_peer_that_is_not_listed_or_not_there_is_away(keys: PeerKeys) -> None:
    line = PeerLine({MEMBER: f"https://127.0.0.1:{free_port()}"}, keys, 5)
    for member in (MEMBER, b"\x0b" * 20):
        with pytest.raises(PeerAway):
            line.get(member, PATH, SIZE)
    line.close()


def test_a_stranger_gets_nothing(address: str, keys: PeerKeys, tmp_path: Path) -> None:
    """Without a certificate, and with one of another authority."""
    trusting = ssl.create_default_context(cafile=str(keys.authority))
    with httpx.Client(verify=trusting, timeout=20) as client, pytest.raises(httpx.HTTPError):
        client.get(address + PATH)
    other = make_peer_keys(tmp_path, "elm-3", ["127.0.0.1"])
    trusting.load_cert_chain(other.certificate, other.key)
    with httpx.Client(verify=trusting, timeout=20) as client, pytest.raises(httpx.HTTPError):
        client.get(address + PATH)


def test_a_server_of_another_authority_is_not_believed(address: str, tmp_path: Path) -> None:
    line = PeerLine({MEMBER: address}, make_peer_keys(tmp_path, "elm-3", ["127.0.0.1"]), 20)
    with pytest.raises(PeerAway):
        line.get(MEMBER, PATH, SIZE)
    line.close()


def test_keys_that_are_there_stay(keys: PeerKeys) -> None:
    before = keys.certificate.read_bytes(), keys.key.read_bytes()
    again = make_peer_keys(keys.authority.parent, "elm-3", ["elsewhere.example"])
    assert (again.certificate.read_bytes(), again.key.read_bytes()) == before
    again.check()


def test_keys_that_are_no_pair_are_told(keys: PeerKeys, tmp_path: Path) -> None:
    other = make_peer_keys(tmp_path, "elm-5", ["127.0.0.1"])
    with pytest.raises(KeysError, match="not a pair"):
        PeerKeys(other.key, keys.certificate, keys.authority).check()
    with pytest.raises(KeysError, match="is missing"):
        PeerKeys(tmp_path / "no.key", keys.certificate, keys.authority).check()


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"format": "x", "peers": {}}', json.dumps({"format": FORMAT, "peers": {"0x12": "https://a"}}),
     json.dumps({"format": FORMAT, "peers": {MEMBER.hex(): "http://a:1"}}),
     json.dumps({"format": FORMAT, "peers": {MEMBER.hex(): 3}})],
)  # fmt: skip
def test_a_list_of_peers_that_is_none_is_told_with_the_remedy(content: str, tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    path.write_text(content)
    with pytest.raises(KeysError, match="Get it from the community"):
        read_peers(path)


def test_a_list_of_peers_is_read(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    path.write_text(json.dumps({"format": FORMAT, "peers": {"0x" + MEMBER.hex(): "https://elm.example:8444"}}))
    assert read_peers(path) == {MEMBER: "https://elm.example:8444"}
