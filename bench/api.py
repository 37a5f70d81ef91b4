"""`python -m bench.api`: how many reads a server answers, and how they fare while it is asked for what is slow.

Needs `make demo`. Serves a copy of the demo's folder, as `wattproof serve` does, and asks it over loopback, on the
same cores. Writes out/bench/api.json and prints it as one line of JSON:

    read_rps, read_p99_ms      a finished day's forecast, asked for on eight lines over and over; trivial_rps: /livez
    burst17_s                  seventeen proofs to be checked, sent at once, until the last answer
    reads_during_burst_p99_ms  reads of three lists meanwhile
    errors, rss_growth_mb      of `--soak-s` seconds (ten minutes by default; 0: none) at twice the rate at which
                               proofs are checked: answers that are neither success nor 429, and by how much the
                               memory of the server and its processes grew after the first tenth
    idle, replays, verifications, pictures   bursts of 45 or 60 requests, and reads meanwhile
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from api.config.demo_settings import demo_config
from bench.api_load import Answers, at_once, repeated, request, steadily
from bench.gateway_process import ROOT
from bench.memory import resident_mb
from bench.ports import free_port
from data.atomic import write_bytes

OUT = Path("out/bench/api.json")
_START_S, _IDLE_S, _PAUSE_S, _LINES = 600.0, 3.0, 0.01, 8


@dataclass(frozen=True)
class Served:
    """A server on a copy of the demo's folder, and what there is to ask it for."""

    port: int
    pid: int
    day: int
    claim: bytes
    proofs: list[bytes]

    @property
    def lists(self) -> list[str]:
        return ["/health", f"/forecasts/{self.day}", f"/claims/{self.day}"]


@dataclass(frozen=True)
class Burst:
    """Requests sent at once. `answers`: how many of each status; reads in milliseconds, while they were answered."""

    requests: int
    answers: dict[int, int]
    seconds: float
    reads: int
    read_median_ms: float
    read_max_ms: float


@contextmanager
def served(demo: Path) -> Iterator[Served]:
    """A server on a copy of the demo's folder."""
    day = json.loads((demo / "report.json").read_text(encoding="utf-8"))["day"]
    with tempfile.TemporaryDirectory() as folder:
        state, port = Path(folder) / "demo", free_port()
        shutil.copytree(demo, state)
        settings = demo_config(state, None).model_dump(mode="json", exclude_none=True)
        settings["api"]["port"] = port
        path = Path(folder) / "community.yaml"
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        command = [sys.executable, "-m", "wattproof", "serve", "-c", str(path)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process)
            with httpx.Client(base_url=url, timeout=120) as client:

                def get(path: str) -> httpx.Response:
                    return client.get(path).raise_for_status()

                claimed = get(f"/claims/{day}").json()[0]["household"]
                homes = [one["household"] for one in get(f"/forecasts/{day}").json()]
                proofs = [get(f"/forecasts/{home}/{day}/proof").content for home in homes]
                yield Served(port, process.pid, day, get(f"/claims/{claimed}/{day}/proof").content, proofs)
        finally:
            process.terminate()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=10).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError("the server did not get ready")


async def _while_reading(server: Served, contents: Sequence[bytes]) -> tuple[Answers, float, Answers]:
    """Send `contents` at once while the three lists are read; both kinds of answers, and how long the first took."""
    reading = Answers()

    async def read(path: str) -> None:
        while not over.is_set():
            one = await repeated(server.port, path, 1, _PAUSE_S, _PAUSE_S)
            reading.statuses += one.statuses
            reading.seconds += one.seconds

    over = asyncio.Event()
    reads = [asyncio.create_task(read(path)) for path in server.lists]
    await asyncio.sleep(_PAUSE_S)
    answers, took = await at_once(server.port, contents)
    over.set()
    await asyncio.gather(*reads)
    return answers, took, reading


def burst(server: Served, contents: Sequence[bytes]) -> Burst:
    """Send `contents` at once while the three lists are read."""
    answers, took, reading = asyncio.run(_while_reading(server, contents))
    return Burst(len(contents), dict(answers.statuses), round(took, 3), *_figures(reading.seconds))


def _figures(seconds: list[float]) -> tuple[int, float, float]:
    return len(seconds), round(1000 * statistics.median(seconds), 1), round(1000 * max(seconds), 1)


def _idle(server: Served) -> Burst:
    reads = Answers()
    for path in server.lists:
        one = asyncio.run(repeated(server.port, path, 1, _IDLE_S / len(server.lists), _PAUSE_S))
        reads.seconds += one.seconds
    return Burst(0, {}, _IDLE_S, *_figures(reads.seconds))


def read_figures(server: Served, seconds: float) -> dict[str, Any]:
    """Reads of a finished day's forecast, and of a route that does nothing, so many seconds each."""
    paths = {"read": f"/days/{server.day}/forecast", "trivial": "/livez"}
    asyncio.run(at_once(server.port, [request(path) for path in paths.values()]))  # computed, once
    answers = {name: asyncio.run(repeated(server.port, path, _LINES, seconds)) for name, path in paths.items()}
    return {f"{name}_rps": round(len(one.seconds) / seconds) for name, one in answers.items()} | {
        "read_p99_ms": answers["read"].percentile_ms(0.99), "read_faults": answers["read"].faults,
    }  # fmt: skip


def burst_figures(server: Served) -> dict[str, Any]:
    """All homes' proofs at once (17 in the demo)."""
    answers, took, reading = asyncio.run(
        _while_reading(server, [request("/proofs/verify", proof) for proof in server.proofs])
    )
    if answers.statuses != {200: len(server.proofs)}:
        raise RuntimeError(f"proofs that hold were answered {dict(answers.statuses)}")
    return {"burst17_s": round(took, 3), "reads_during_burst_p99_ms": reading.percentile_ms(0.99)}


def soak_figures(server: Served, seconds: float, per_s: float) -> dict[str, Any]:
    """So many seconds of proofs at the given rate, while a finished day is read."""

    async def both(during: float) -> list[Answers]:
        proofs = [request("/proofs/verify", proof) for proof in server.proofs]
        sent = steadily(server.port, proofs, per_s, during)
        read = repeated(server.port, f"/days/{server.day}/forecast", 2, during, _PAUSE_S)
        return list(await asyncio.gather(sent, read))

    answers = asyncio.run(both(seconds / 10))
    before = resident_mb(server.pid)
    answers += asyncio.run(both(0.9 * seconds))
    growth = round(resident_mb(server.pid) - before, 1)
    statuses = {
        str(k): n for k, n in sorted(sum((one.statuses for one in answers), start=Answers().statuses).items())
    }
    return {"errors": sum(one.faults for one in answers), "rss_growth_mb": growth, "soak_answers": statuses}


def measure(demo: Path, seconds: float, soak_s: float) -> dict[str, Any]:
    with served(demo) as server:
        found = read_figures(server, seconds) | burst_figures(server)
        proofs = [request("/proofs/verify", proof) for proof in server.proofs]
        bursts = {
            "idle": _idle(server),
            "replays": burst(server, [request("/claims", server.claim)] * 45),
            "verifications": burst(server, (proofs * 4)[:60]),
            "pictures": burst(server, [request(f"/days/{server.day}/forecast.svg")] * 60),
        }
        none = {"errors": None, "rss_growth_mb": None, "soak_answers": None}
        per_s = 2 * len(proofs) / found["burst17_s"]
        soak = soak_figures(server, soak_s, per_s) if soak_s else none
    return found | soak | {"soak_s": soak_s} | {name: asdict(one) for name, one in bursts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, default=Path("out/demo"), help="folder of a finished demo")
    parser.add_argument("--seconds", type=float, default=10, help="of each figure of reads")
    parser.add_argument("--soak-s", type=float, default=600, help="seconds at twice the capacity; 0: none")
    parser.add_argument("--quick", action="store_true", help="2 s of reads, 20 s at twice the capacity")
    chosen = parser.parse_args()
    seconds, soak_s = (2.0, 20.0) if chosen.quick else (chosen.seconds, chosen.soak_s)
    found = measure(chosen.demo, seconds, soak_s)
    write_bytes(OUT, json.dumps(found, indent=1).encode())
    print(json.dumps(found))


if __name__ == "__main__":
    main()
