"""Making a home's proof in a separate process: it sees integers only, and loads no PyTorch."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from pathlib import Path

from zkp.lstm.integer_model import IntegerWeights, Trace
from zkp.statements import inference


@dataclass(frozen=True, repr=False)
class Job:
    """One home's statement and witness."""

    statement: inference.Statement
    trace: Trace
    weights: IntegerWeights
    secrets: inference.Secrets


@dataclass(frozen=True)
class Made:
    """A proof, how long it took, how long its check took, and the process's largest memory so far."""

    proof: bytes
    prove_s: float
    verify_s: float
    peak_mb: float


def make(job: Job) -> Made:
    """Prove, then verify what was proven."""
    started = time.perf_counter()
    proof = inference.prove(job.statement, job.trace, job.weights, job.secrets)
    proven = time.perf_counter()
    inference.verify(job.statement, proof)
    verified = time.perf_counter()
    return Made(proof, proven - started, verified - proven, _peak_mb())


def _peak_mb() -> float:
    """This process's largest resident memory. ru_maxrss would count the parent's, from before exec."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (x for x in status.read_text(encoding="ascii").splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
