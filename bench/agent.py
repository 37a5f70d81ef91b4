"""`python -m bench.agent`: memory of an agent while it trains and while it proves, on a real home, over TLS.

Starts a coordinator, a server and agents as `wattproof` processes (`bench.deployed`), trains, waits for the proof of
the day after the readings end, and for the server's answer to it. Memory is summed over the agent's process and all
below it: `rss` counts a library once for each process that maps it, `pss` shares it out. Writes out/bench/agent.json
and prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.deployed import COORDINATOR, SERVER, Deployed
from bench.memory import PeakMemory
from data.atomic import write_bytes
from data.citylearn import DAY_START_UTC, load

OUT = Path("out/bench/agent.json")


@dataclass(frozen=True)
class Measured:
    """One agent. Memory in MB (2^20 bytes); of the proof, the process that makes it alone."""

    homes: int
    rounds: int
    train_rss_mb: int
    train_pss_mb: int
    prove_rss_mb: int
    prove_pss_mb: int
    prove_s: float
    proof_bytes: int


def measure(homes: int, rounds: int) -> Measured:
    """Train, then prove, and watch the first home's agent."""
    community = load(Path(".cache/wattproof"))
    names = sorted(community.readings["unique_id"].unique())[:homes]
    readings = community.readings[community.readings["unique_id"].isin(names)].reset_index(drop=True)
    with tempfile.TemporaryDirectory() as folder:
        deployed = Deployed(
            Path(folder), readings, community.weather, {"rounds": rounds}, day_start_utc=DAY_START_UTC,
            handing_in=[str(names[0])],
        )  # fmt: skip
        try:
            return _watch(deployed, str(names[0]), homes, rounds)
        finally:
            deployed.stop()


def _watch(deployed: Deployed, home: str, homes: int, rounds: int) -> Measured:
    for name in (COORDINATOR, SERVER, *deployed.homes):
        deployed.start(name)
    with PeakMemory(deployed.processes[home].pid) as memory:
        deployed.wait(home, '"message": "proving"', 1800)
        training = (memory.rss_mb, memory.pss_mb)
        memory.restart()
        deployed.wait(home, "late-forecast", 300)  # submitted, and these days are long past
    (proven,) = (json.loads(x) for x in deployed.log(home).splitlines() if '"forecast proven"' in x)
    return Measured(
        homes=homes, rounds=rounds, train_rss_mb=round(training[0]), train_pss_mb=round(training[1]),
        prove_rss_mb=round(memory.rss_mb), prove_pss_mb=round(memory.pss_mb), prove_s=round(proven["seconds"], 2),
        proof_bytes=proven["bytes"],
    )  # fmt: skip


def table(measured: Measured) -> str:
    return "\n".join(
        [
            "| an agent, all its processes | resident, summed | proportional |",
            "|---|---|---|",
            f"| while training | {measured.train_rss_mb} MB | {measured.train_pss_mb} MB |",
            f"| while proving | {measured.prove_rss_mb} MB | {measured.prove_pss_mb} MB |",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homes", type=int, default=3, help="agents on this machine")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    measured = measure(arguments.homes, arguments.rounds)
    write_bytes(OUT, json.dumps(asdict(measured), indent=1).encode())
    print(json.dumps(asdict(measured)))
    print(table(measured))


if __name__ == "__main__":
    main()
