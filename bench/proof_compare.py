"""The sizes of a proof beside each other (a table and a picture), and ezkl beside ours."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.pictures import BLUE, ORANGE
from data.atomic import write_bytes
from zkp.lstm.integer_model import Shape

OUT = Path("out/bench")
STEPS = (24, 48, 96, 168)
HIDDEN = (16, 32, 48, 64)
Line = dict[str, Any]

# Panels: title with its unit, key of the JSON line, factor to that unit.
_PANELS = (
    ("proving time (s)", "prove_s", 1.0),
    ("verification time (ms)", "verify_s", 1e3),
    ("proof size (kB)", "proof_bytes", 1e-3),
    ("peak memory (MB)", "peak_mb", 1.0),
)


def _measure(shape: Shape, repeat: int) -> Line:
    """One size in a separate process. Raises SystemExit with its words where that process fails."""
    sizes = ("steps", "features", "hidden", "layers", "exogenous", "lags", "recent")
    options = [word for name in sizes for word in (f"--{name}", str(getattr(shape, name)))]
    command = [sys.executable, "-m", "bench.proof", *options, "--repeat", str(repeat), "--no-batches"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"measuring {shape} failed:\n{run.stderr}")
    line: Line = json.loads(run.stdout)
    return line


def sweep(base: Shape, repeat: int) -> None:
    """Measure, print a table, write proof.json and draw proof.png in out/bench."""
    shapes = [replace(base, steps=steps) for steps in STEPS] + [replace(base, hidden=size) for size in HIDDEN]
    console = Console()
    distinct = list(dict.fromkeys(shapes))
    lines = {
        shape: _measure(shape, repeat)
        for shape in track(distinct, description="measuring", console=Console(stderr=True))
    }
    by_steps, by_hidden = ([lines[s] for s in part] for part in (shapes[: len(STEPS)], shapes[len(STEPS) :]))
    write_bytes(OUT / "proof.json", json.dumps(list(lines.values()), indent=1).encode())
    write_bytes(OUT / "proof.png", picture(by_steps, by_hidden))
    console.print(table(list(lines.values())))


def table(lines: Sequence[Line]) -> Table:
    out = Table(title="Proof of inference: cost by steps T and hidden units H")
    for name in ("T", "F", "H", "layers", "trace rows"):
        out.add_column(name, justify="right")
    for title, _, _ in _PANELS:
        out.add_column(title, justify="right")
    for line in lines:
        sizes = [str(line[key]) for key in ("steps", "features", "hidden", "layers", "trace_rows")]
        out.add_row(*sizes, *(f"{line[key] * factor:.3g}" for _, key, factor in _PANELS))
    return out


def picture(by_steps: Sequence[Line], by_hidden: Sequence[Line]) -> bytes:
    """PNG: the four costs against T (above) and against H (below)."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(_PANELS), figsize=(13, 6), layout="constrained")
    kinds = (
        (by_steps, "steps", "LSTM steps T (hours)", BLUE, "o-", f"H = {by_steps[0]['hidden']}"),
        (by_hidden, "hidden", "hidden units H", ORANGE, "s-", f"T = {by_hidden[0]['steps']}"),
    )
    for row, (lines, key, label, colour, style, fixed) in zip(axes, kinds, strict=True):
        sizes = [line[key] for line in lines]
        for axis, (title, cost, factor) in zip(row, _PANELS, strict=True):
            costs = [line[cost] * factor for line in lines]
            axis.plot(sizes, costs, style, color=colour, label=fixed)
            axis.set(xlabel=label, ylabel=title, xticks=sizes)
            axis.set_ylim(0, 1.1 * max(costs))
            axis.grid(visible=True, alpha=0.3)
            axis.legend(loc="lower right")
    first = by_steps[0]
    figure.suptitle(f"Cost of one forecast's proof (F = {first['features']}, {first['layers']} layer)")
    content = io.BytesIO()
    figure.savefig(content, dpi=130, format="png")
    plt.close(figure)
    return content.getvalue()


def against_ezkl(ours: Line, python: Path, script: Path) -> Line:
    """ezkl's figures for the same T, F, H, and ratios ezkl / ours. Raises SystemExit where it cannot run.

    The peer proves less: its circuit has no head over the week's lags, no scaling, and no commitment to the meter.
    """
    if not script.is_file():
        raise SystemExit(f"the peer's script is not at {script}; name it with --ezkl-script")
    sizes = ["--T", str(ours["steps"]), "--F", str(ours["features"]), "--H", str(ours["hidden"])]
    try:
        run = subprocess.run([python, script.resolve(), *sizes], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SystemExit(f"no interpreter at {python}; name one that has ezkl with --ezkl-python") from error
    if "No module named" in run.stderr:
        raise SystemExit(
            f"{python} lacks a package of the peer ({run.stderr.strip().splitlines()[-1]}); in an environment of its "
            "own: pip install torch==2.13.0, then ezkl==23.0.5 onnx onnxruntime onnxscript numpy"
        )
    if run.returncode:
        raise SystemExit(f"the peer's script failed with status {run.returncode}:\n{run.stderr[-2000:]}")
    peer: Line = json.loads(run.stdout.strip().splitlines()[-1])
    return {
        "ezkl": peer,
        "ezkl_prove_ratio": round(peer["prove"] / ours["prove_s"], 1),
        "ezkl_verify_ratio": round(peer["verify"] / ours["verify_s"], 2),
        "ezkl_memory_ratio": round(peer["peak_MB"] / ours["peak_mb"], 1),
        "ezkl_proof_bytes_ratio": round(peer["proof_bytes"] / ours["proof_bytes"], 2),
    }
