"""The bench of proofs runs as it is called, and its float model is the one that the integer model stands for."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

ASKED = {"prove_s", "verify_s", "verify_reference_s", "commit_model_s", "proof_bytes", "peak_mb", "warmup_s",
         "max_abs_error", "trace_rows", "committed_columns"}  # fmt: skip


@pytest.mark.parametrize("sizes", ["--features 4", "--features 12 --lags 7 --recent 3"])
def test_one_line_with_every_figure(sizes: str) -> None:
    command = f"-m bench.proof --steps 48 --hidden 8 --repeat 1 --no-batches {sizes}".split()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    line = json.loads(done.stdout)
    assert set(line) >= ASKED
    assert line["max_abs_error"] < 0.02
