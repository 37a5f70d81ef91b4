"""`python -m bench.proof --steps 24 --features 8 --hidden 32`: what a proof of inference costs, as one JSON line.

`--sweep` measures how the cost grows with the steps and with the hidden size (a table, out/bench/proof.json and
out/bench/proof.png); `--vs-ezkl` runs the peer's script beside it, in the same run. Each size is measured in a
separate process, so that its peak memory is its own. Times are medians of `--repeat` runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np

from bench import gateway_process, proof_compare
from bench.proof_case import Case, Home, float_forecast
from zkp.algebra.srs import ROW, load_setup
from zkp.algebra.vector import Vector
from zkp.batch.verify import verify_batch
from zkp.lstm.gates import lookup_groups
from zkp.lstm.grid import Grid, columns
from zkp.lstm.integer_model import HEAD_BITS, Shape
from zkp.lstm.weights import commit_weights
from zkp.statements import inference

T = TypeVar("T")

HOMES = 17
BATCH_RUNS = 5
WEEK = 7
DAY_FEATURES = 33
"""Public values of a forecast day, as many as `data.features` makes (not imported: it brings pandas)."""


@dataclass(frozen=True)
class Measured:
    """Costs of one size. Seconds, bytes, MB (2^20 bytes; the process's peak resident memory up to that point)."""

    steps: int
    features: int
    hidden: int
    layers: int
    exogenous: int
    lags: int
    recent: int
    horizon: int
    median: int
    windows: int
    repeat: int
    prove_s: float
    verify_s: float  # the round's weights already decoded, as for all homes but the first
    verify_first_s: float
    verify_reference_s: float  # py-ecc alone, the same
    verify_reference_first_s: float
    commit_model_s: float
    proof_bytes: int
    peak_mb: float
    warmup_s: float  # imports, the ceremony's points, machine code, what the first proof takes longer than others
    max_abs_error: float  # of outputs relative to the home's scale: 1 is a 128th of the week (its mean is 0.76)
    trace_rows: int
    committed_columns: int


@dataclass(frozen=True)
class MeasuredBatches:
    """Many proofs together, against as many single ones in the same run, in turns; medians."""

    batch_17_s: float  # in one process
    batch_17_pool_s: float  # with a process for each core, already warm: how batches are best verified
    batch_ratio: float  # of 17 single verifications, by the faster of the two
    batch_process_ratio: float  # the same in one process
    cores: int
    days_7_s: float  # proving a week of one home in one proof
    days_7_ratio: float  # of seven proofs of a day each
    days_7_bytes: int
    days_7_peak_mb: float


def timed(action: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = action()
    return time.perf_counter() - started, result


def peak_mb() -> float:
    """Peak resident memory of this process so far (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024, 1)


def process_age() -> float:
    """Seconds since this process was started."""
    started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])  # field 22, clock ticks
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def _warm_up() -> None:
    """The ceremony's points, and numba's machine code, which the first vector loads (0.4 s) whatever it is for."""
    load_setup().powers(ROW)
    Vector.from_array(np.arange(2))


def measure(shape: Shape, windows: int, repeat: int, seed: int) -> tuple[Measured, Case]:
    imports_s = process_age()
    setup_s, _ = timed(_warm_up)
    state, model = Case.model_of(shape, seed)
    commit_s, commitment = timed(lambda: commit_weights(model.weights))
    case = Case(state, model, commitment, seed)
    home = case.home(0, windows)
    exact = float_forecast(state, shape, home.trace.history, *case.features(windows))
    error = float(np.abs(home.trace.output / (1 << HEAD_BITS) - exact).max())

    first_s, proof = timed(lambda: home.prove(model.weights))
    proving = [timed(lambda: home.prove(model.weights))[0] for _ in range(repeat)]
    prove_s = statistics.median(proving)
    verify_first_s, _ = timed(lambda: inference.verify(home.statement, proof))
    verifying = [timed(lambda: inference.verify(home.statement, proof))[0] for _ in range(max(repeat, 3))]
    peak = peak_mb()
    load_setup("py-ecc").powers(200)  # what a verifier needs of the ceremony's points
    reference = [timed(lambda: inference.verify(home.statement, proof, backend="py-ecc"))[0] for _ in range(2)]
    grid = Grid(shape, windows)
    return Measured(
        **asdict(shape),
        windows=windows,
        repeat=repeat,
        prove_s=round(prove_s, 3),
        verify_s=round(statistics.median(verifying), 4),
        verify_first_s=round(verify_first_s, 4),
        verify_reference_s=round(reference[1], 2),
        verify_reference_first_s=round(reference[0], 2),
        commit_model_s=round(commit_s, 3),
        proof_bytes=len(proof),
        peak_mb=peak,
        warmup_s=round(imports_s + setup_s + max(first_s - prove_s, 0), 2),
        max_abs_error=round(error, 5),
        trace_rows=1 << grid.bits,
        committed_columns=len(columns(grid)) + len(lookup_groups(grid)),
    ), case


def _verify_each(pairs: Sequence[tuple[inference.Statement, bytes]]) -> None:
    for statement, proof in pairs:
        inference.verify(statement, proof)


def measure_batches(case: Case) -> MeasuredBatches:
    """A community's proofs of one day verified together; a home's week in one proof."""
    weights = case.model.weights
    homes = [case.home(number, 1) for number in range(1, HOMES + 1)]
    pairs = [(home.statement, home.prove(weights)) for home in homes]
    singles, batches, pooled = [], [], []
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        bad = verify_batch(pairs, pool=pool)  # the workers' first run loads the ceremony
        for _ in range(BATCH_RUNS):
            singles.append(timed(lambda: _verify_each(pairs))[0])
            batches.append(timed(lambda: verify_batch(pairs))[0])
            pool_s, found = timed(lambda: verify_batch(pairs, pool=pool))
            pooled.append(pool_s)
            bad |= found
    if bad:
        raise SystemExit(f"honest proofs were refused: {bad}")
    singles_s, batch_s, pool_s = (statistics.median(v) for v in (singles, batches, pooled))
    week = case.home(0, WEEK)
    days: list[Home] = [week.select(slice(k, k + 1)) for k in range(WEEK)]
    days_s, _ = timed(lambda: [day.prove(weights) for day in days])
    week_s, proof = timed(lambda: week.prove(weights))
    inference.verify(week.statement, proof)
    return MeasuredBatches(
        batch_17_s=round(batch_s, 4),
        batch_17_pool_s=round(pool_s, 4),
        batch_ratio=round(min(batch_s, pool_s) / singles_s, 3),
        batch_process_ratio=round(batch_s / singles_s, 3),
        cores=os.cpu_count() or 1,
        days_7_s=round(week_s, 3),
        days_7_ratio=round(week_s / days_s, 3),
        days_7_bytes=len(proof),
        days_7_peak_mb=peak_mb(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=24, help="LSTM steps T, 1 to 168")
    parser.add_argument("--features", type=int, default=8, help="features of a step F, the loads among them")
    parser.add_argument("--hidden", type=int, default=32, help="hidden units H")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--exogenous", type=int, default=DAY_FEATURES, help="public values of the forecast day E")
    parser.add_argument("--lags", type=int, default=1, help="loads of a step's hour, that day and before (ours: 7)")
    parser.add_argument("--recent", type=int, default=0, help="loads of the last hours at every step (ours: 3)")
    parser.add_argument("--median", type=int, default=0, help="sixteenths of the typical hours that are the median")
    parser.add_argument("--windows", type=int, default=1, help="forecast days in the proof")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-batches", action="store_true", help="leave out the batch of 17 and the week")
    parser.add_argument("--sweep", action="store_true", help="a table and a picture over steps and hidden sizes")
    parser.add_argument("--vs-ezkl", action="store_true", help="run the peer's script beside it, and add ratios")
    parser.add_argument("--ezkl-python", type=Path, default=Path("python3"), help="interpreter that has ezkl")
    parser.add_argument("--ezkl-script", type=Path, default=Path("../shared/peers/ezkl_lstm.py"))
    arguments = parser.parse_args()
    if arguments.repeat < 1 or arguments.windows < 1:
        parser.error("--repeat and --windows must be at least 1")
    try:
        names = ("steps", "features", "hidden", "layers", "exogenous", "lags", "recent", "median")
        shape = Shape(**{name: getattr(arguments, name) for name in names})
    except ValueError as error:
        parser.error(str(error))

    if arguments.sweep:
        proof_compare.sweep(shape, arguments.repeat)
        return
    measured, case = measure(shape, arguments.windows, arguments.repeat, arguments.seed)
    line = asdict(measured)
    if not arguments.no_batches:
        line |= asdict(measure_batches(case))
    if arguments.vs_ezkl:
        line |= proof_compare.against_ezkl(line, arguments.ezkl_python, arguments.ezkl_script)
    print(json.dumps(line))


if __name__ == "__main__":
    if not gateway_process.is_one():
        raise SystemExit(gateway_process.run_again("bench.proof"))
    main()
