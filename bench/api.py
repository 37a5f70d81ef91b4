"""`python -m bench.api`: how long a server's reads take while many ask it for what is slow. Needs `make demo`.

Serves a copy of the demo's folder, as `wattproof serve` does and reads it all the while from three threads. Meanwhile
it is sent, each time all at once: replays of a claim that was paid, proofs to be checked, pictures to be drawn. The
client's time is in it, on the same cores. Writes out/bench/api.json and prints it as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import yaml

from api.config.demo_settings import demo_config
from bench.deployed import ROOT, free_port
from data.atomic import write_bytes

OUT = Path("out/bench/api.json")
_START_S, _IDLE_S = 600.0, 3.0


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
def served(demo: Path) -> Iterator[str]:
    """The address of a server on a copy of the demo's folder."""
    with tempfile.TemporaryDirectory() as folder:
        state, port = Path(folder) / "demo", free_port()
        shutil.copytree(demo, state)
        settings = demo_config(state, None).model_dump(mode="json", exclude_none=True)
        settings["api"]["port"] = port
        path = Path(folder) / "community.yaml"
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        command = [sys.executable, "-m", "api.cli.main", "serve", "-c", str(path)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            _wait(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
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


@contextmanager
def reading(url: str, paths: list[str]) -> Iterator[list[float]]:
    """Read each path again and again from a thread of its own; the seconds that each read took."""
    over, seconds = threading.Event(), list[float]()

    def read(path: str) -> None:
        with httpx.Client(base_url=url, timeout=120) as client:
            while not over.is_set():
                started = time.perf_counter()
                client.get(path).raise_for_status()
                seconds.append(time.perf_counter() - started)
                time.sleep(0.01)

    with ThreadPoolExecutor(len(paths)) as pool:
        reads = [pool.submit(read, path) for path in paths]
        try:
            yield seconds
        finally:
            over.set()
            for done in reads:
                done.result()


def burst(url: str, paths: list[str], count: int, ask: Callable[[httpx.Client], httpx.Response]) -> Burst:
    """Send `count` requests at once, each over a connection of its own, and read `paths` meanwhile."""
    start = threading.Barrier(count + 1)

    def send() -> int:
        with httpx.Client(base_url=url, timeout=120) as client:
            start.wait()
            return ask(client).status_code

    with reading(url, paths) as seconds, ThreadPoolExecutor(count) as pool:
        sent = [pool.submit(send) for _ in range(count)]
        start.wait()
        seconds.clear()
        started = time.perf_counter()
        answers = Counter(done.result() for done in sent)
        took = time.perf_counter() - started
    return Burst(count, dict(answers), round(took, 3), *_figures(seconds))


def _figures(seconds: list[float]) -> tuple[int, float, float]:
    return len(seconds), round(1000 * statistics.median(seconds), 1), round(1000 * max(seconds), 1)


def measure(demo: Path) -> dict[str, Burst]:
    """Each burst by its name; `idle` is none at all."""
    day = json.loads((demo / "report.json").read_text(encoding="utf-8"))["day"]
    with served(demo) as url, httpx.Client(base_url=url, timeout=120) as client:
        household = client.get(f"/claims/{day}").raise_for_status().json()[0]["household"]
        claim = client.get(f"/claims/{household}/{day}/proof").raise_for_status().content
        proof = client.get(f"/forecasts/{household}/{day}/proof").raise_for_status().content
        paths = ["/health", f"/forecasts/{day}", f"/claims/{day}"]
        with reading(url, paths) as seconds:
            time.sleep(_IDLE_S)
        return {
            "idle": Burst(0, {}, _IDLE_S, *_figures(seconds)),
            "replays": burst(url, paths, 45, lambda c: c.post("/claims", content=claim)),
            "verifications": burst(url, paths, 60, lambda c: c.post("/proofs/verify", content=proof)),
            "pictures": burst(url, paths, 60, lambda c: c.get(f"/days/{day}/forecast.svg")),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, default=Path("out/demo"), help="folder of a finished demo")
    found = {name: asdict(one) for name, one in measure(parser.parse_args().demo).items()}
    write_bytes(OUT, json.dumps(found, indent=1).encode())
    print(json.dumps(found))


if __name__ == "__main__":
    main()
