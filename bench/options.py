"""Options that several benches share, and where their results go.

The figures of the docs are those of a full run with the default seed. Any other run (`--quick`, another seed, some
methods only) writes separate files, so that it never overwrites those.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.local_rounds import OUT
from fl.settings import FederationSettings

SEED = FederationSettings().seed


@dataclass(frozen=True)
class Options:
    """What was asked for; `differences`: what makes this run another one than the docs'."""

    name: str
    quick: bool
    seed: int
    methods: tuple[str, ...]
    workers: int
    differences: tuple[str, ...]

    def path(self, suffix: str) -> Path:
        """`out/bench/NAME.json` of a full run; any other has what makes it different in its name."""
        return OUT / f"{'-'.join([self.name, *self.differences])}{suffix}"


def parser(description: str | None, methods: Sequence[str], what: str, quick: str) -> argparse.ArgumentParser:
    """A parser with `--quick`, `--seed`, `--WHAT` (some of the methods) and `--workers`."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help=quick)
    made.add_argument("--seed", type=int, default=SEED, help="of the first model, the batches and every other draw")
    names = ", ".join(repr(method) for method in methods)
    made.add_argument(f"--{what}", dest="methods", nargs="+", choices=methods, metavar="NAME", help=f"only: {names}")
    made.add_argument("--workers", type=int, default=2, help="trainings in parallel")
    return made


def options(name: str, arguments: argparse.Namespace, methods: Sequence[str], *own: str) -> Options:
    """The options of the bench `name`; `own`: words for its further options that are not at their defaults."""
    some = arguments.methods is not None and set(arguments.methods) != set(methods)
    chosen = tuple(method for method in methods if not some or method in arguments.methods)
    differences = [*own, *(["quick"] if arguments.quick else [])]
    differences += [f"seed{arguments.seed}"] if arguments.seed != SEED else []
    differences += [re.sub(r"[^a-z0-9]+", "_", method.lower()).strip("_") for method in chosen] if some else []
    return Options(name, arguments.quick, arguments.seed, chosen, arguments.workers, tuple(differences))
