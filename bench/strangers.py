"""`python -m bench.strangers`: what strangers' junk costs a training: rounds a minute over TLS, with and without it.

A coordinator and agents as `wattproof` processes (`bench.deployed`) train round after round. Meanwhile this process,
from another address of the same machine and on the same cores, does what anybody can who reaches the port. It sends
well-formed requests as fast as they are answered: unsigned, signed by a key that the coordinator does not know,
or somebody in the name of a home; it sends them over ever new connections; and it opens connections and says nothing.

Writes out/bench/strangers.json and prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.proto.fleet_pb2 import PullMessagesRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE

from bench.deployed import COORDINATOR, Deployed
from data.atomic import write_bytes
from data.citylearn import DAY_START_UTC, load
from fl.deployment.keys import load_agent_list
from fl.deployment.signed_requests import Agent, SignedRequests
from fl.store import RoundStore

OUT = Path("out/bench/strangers.json")
_CONNECTIONS = 8
_ADDRESS = "127.0.0.2"  # strangers are not on a home's own network
_HEADERS = {"content-type": PROTOBUF_MEDIA_TYPE, "accept": PROTOBUF_MEDIA_TYPE}
_BODY = PullMessagesRequest(node=Node(node_id=1)).SerializeToString()


@dataclass(frozen=True)
class Measured:
    """One kind of junk. `answered`: requests that got an answer, or connections that were open at the end; rounds a
    minute right before, and meanwhile."""

    kind: str
    sent: int
    answered: int
    before: float
    meanwhile: float


@dataclass(frozen=True)
class Target:
    """The coordinator, as strangers see it: its port, and a home's public key."""

    port: int
    authority: Path
    home: str

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))

    def client(self) -> httpx.Client:
        transport = httpx.HTTPTransport(verify=self.context, local_address=_ADDRESS)
        return httpx.Client(base_url=f"https://127.0.0.1:{self.port}", transport=transport, timeout=30)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10, (_ADDRESS, 0))


Change = Callable[[httpx.Request], None]


def unsigned(request: httpx.Request) -> None:
    pass


def stranger() -> Change:
    return SignedRequests(ec.generate_private_key(ec.SECP384R1())).sign


def in_a_name(home: str) -> Change:
    """Signed by a stranger, and said to be a home's."""
    sign = stranger()

    def change(request: httpx.Request) -> None:
        sign(request)
        signed = request.headers["signature-input"]
        before, _, after = signed.partition('keyid="')
        request.headers["signature-input"] = f'{before}keyid="{home}"{after.partition(chr(34))[2]}'

    return change


def flood(target: Target, change: Change, count: int, limit_s: float) -> int:
    """Up to so many requests over a few connections, for `limit_s` at most; how many were answered."""
    ends, left, answered = time.monotonic() + limit_s, iter(range(count)), []

    def one() -> None:
        with target.client() as client:
            for _ in left:
                if time.monotonic() > ends:
                    return
                request = client.build_request("POST", "/v1/fleet/pull-messages", content=_BODY, headers=_HEADERS)
                change(request)
                answered.append(client.send(request).status_code)

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        for done in [pool.submit(one) for _ in range(_CONNECTIONS)]:
            done.result()
    return len(answered)


def reconnecting(target: Target, count: int, limit_s: float) -> int:
    """The same, with a handshake for each request."""
    ends, context = time.monotonic() + limit_s, target.context
    head = f"POST /v1/fleet/pull-messages HTTP/1.1\r\nhost: 127.0.0.1:{target.port}\r\n"
    head += f"content-type: {PROTOBUF_MEDIA_TYPE}\r\ncontent-length: {len(_BODY)}\r\n\r\n"

    def one(_: int) -> int:
        if time.monotonic() > ends:
            return 0
        try:
            with target.connect() as raw, context.wrap_socket(raw, server_hostname="127.0.0.1") as line:
                line.sendall(head.encode() + _BODY)
            return 1
        except OSError:
            return 0

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        return sum(pool.map(one, range(count)))


def connections(target: Target, count: int, hold_s: float, *, handshake: bool) -> int:
    """Open so many connections and hold them; how many were open at the end."""
    context, held = target.context, []
    with ExitStack() as opened:
        for _ in range(count):
            try:
                raw = opened.enter_context(target.connect())
                line = context.wrap_socket(raw, server_hostname="127.0.0.1") if handshake else raw
                held.append(opened.enter_context(line))
            except OSError:
                continue
        time.sleep(hold_s)
        return sum(_is_open(line) for line in held)


def _is_open(line: socket.socket) -> bool:
    line.settimeout(0.001)
    try:
        while line.recv(4096):
            continue  # an answer: why it is closed
        return False
    except (TimeoutError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False


@contextmanager
def training(homes: int, days: int) -> Iterator[tuple[Deployed, Target]]:
    """A coordinator and agents, round after round, past their first ones."""
    community = load(Path(".cache/wattproof"))
    names = sorted(community.readings["unique_id"].unique())[:homes]
    readings = community.readings[community.readings["unique_id"].isin(names)]
    first = readings["ds"].min()
    readings = readings[readings["ds"] < first + (readings["ds"].max() - first) * days / 365].reset_index(drop=True)
    federation = {"rounds": 100_000, "local": {"epochs": 1}, "evaluate_every": 0}
    with tempfile.TemporaryDirectory() as folder:
        deployed = Deployed(Path(folder), readings, community.weather, federation, day_start_utc=DAY_START_UTC)
        try:
            for name in (COORDINATOR, *deployed.homes):
                deployed.start(name)
            deployed.wait(COORDINATOR, '"round": 5')
            settings = yaml.safe_load((deployed.folder / COORDINATOR / "settings.yaml").read_text(encoding="utf-8"))
            keys = deployed.folder / COORDINATOR / "keys"
            home = Agent.of(deployed.homes[0], load_agent_list(keys)[deployed.homes[0]]).key_id
            yield deployed, Target(settings["federation"]["deployment"]["port"], keys / "authority.pem", home)
        finally:
            deployed.stop()


@dataclass(frozen=True)
class Watch:
    """Counts the rounds of a coordinator."""

    store: RoundStore

    def a_minute(self, block: Callable[[], int]) -> tuple[float, int]:
        """Rounds a minute while the block runs, and what it returns."""
        before, started = len(self.store.rounds()), time.monotonic()
        returned = block()
        return 60 * (len(self.store.rounds()) - before) / (time.monotonic() - started), returned


def measure(watch: Watch, kind: str, sent: int, seconds: float, attack: Callable[[], int]) -> Measured:
    before, _ = watch.a_minute(lambda: _quiet(seconds))
    meanwhile, answered = watch.a_minute(attack)
    return Measured(kind, sent, answered, round(before, 1), round(meanwhile, 1))


def _quiet(seconds: float) -> int:
    time.sleep(seconds)
    return 0


def table(measured: list[Measured]) -> str:
    lines = ["| strangers send | answered | rounds a minute, before | meanwhile |", "|---|---|---|---|"]
    for each in measured:
        lines.append(f"| {each.sent:,} {each.kind} | {each.answered:,} | {each.before:.0f} | {each.meanwhile:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homes", type=int, default=3, help="agents on this machine")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--connections", type=int, default=1000, help="that say nothing")
    parser.add_argument("--seconds", type=float, default=30, help="for how long each is measured")
    options = parser.parse_args()
    count, limit, held = options.requests, options.seconds, options.connections
    with training(options.homes, days=60) as (deployed, target):
        kinds: list[tuple[str, int, Callable[[], int]]] = [
            ("unsigned", count, lambda: flood(target, unsigned, count, limit)),
            ("signed by a stranger", count, lambda: flood(target, stranger(), count, limit)),
            ("in a home's name", count, lambda: flood(target, in_a_name(target.home), count, limit)),
            ("unsigned, each over a new connection", count, lambda: reconnecting(target, count, limit)),
            ("connections that say nothing", held, lambda: connections(target, held, limit, handshake=True)),
            ("without a handshake, even", held, lambda: connections(target, held, limit, handshake=False)),
        ]
        watch, measured = Watch(RoundStore(deployed.state(COORDINATOR) / "rounds")), []
        for kind, sent, attack in kinds:
            measured.append(measure(watch, kind, sent, limit, attack))
            print(json.dumps(asdict(measured[-1])), flush=True)
    write_bytes(OUT, json.dumps([asdict(each) for each in measured], indent=1).encode())
    print(table(measured))


if __name__ == "__main__":
    main()
