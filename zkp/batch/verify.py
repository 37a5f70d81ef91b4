"""A community's inference proofs, verified together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from zkp.algebra.group import GroupEquation
from zkp.algebra.srs import Setup, load_setup
from zkp.argument import protocol
from zkp.batch import lanes as batch
from zkp.batch.programs import Form, inference_program, lane_of
from zkp.errors import InvalidProof, InvalidStatement, MalformedProof
from zkp.statements import inference
from zkp.statements.inference import Statement

Pair = tuple[Statement, bytes]


def verify_batch(pairs: Sequence[Pair], *, backend: str = "", pool: Executor | None = None) -> dict[int, str]:
    """Verify many proofs with one pairing check; returns the bad ones, by position, with the reason.

    Proofs of one shape are checked side by side by a recorded verifier. `pool`: processes that check shares of the
    batch, one share for each core; threads would help little: the curves hold the interpreter's lock.
    """
    setup, cores = load_setup(backend), os.cpu_count() or 1
    count = 1 if pool is None else max(1, min(cores, len(pairs)))
    places = [range(k, len(pairs), count) for k in range(count)]
    jobs = [[pairs[k] for k in share] for share in places]
    share_of = partial(_check_share, backend=setup.curve.name, spare_core=count < cores)
    shares = list((pool.map if pool else map)(share_of, jobs))
    bad = {share[k]: why for share, (found, _) in zip(places, shares, strict=True) for k, why in found.items()}
    sums = [_restored(checked, setup) for _, checked in shares if checked is not None]
    if sums and not protocol.settle(sums, setup):
        bad |= {k: why for k in range(len(pairs)) if k not in bad and (why := _refusal(pairs[k], backend))}
    return bad


def _refusal(pair: Pair, backend: str) -> str:
    """Why a proof does not hold; empty if it does."""
    try:
        inference.verify(*pair, backend=backend)
    except (MalformedProof, InvalidProof, InvalidStatement) as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class _CheckedShare:
    """What a share's equations add up to: both sides in compressed form, and the weight that stands for them."""

    left: bytes
    right: bytes
    weight: int


def _check_together(
    pairs: Sequence[Pair], setup: Setup, spare_core: bool
) -> tuple[list[tuple[GroupEquation, int]], Sequence[int]]:
    """Left-over equations of what passes, and positions of what must be looked at alone."""
    lanes: dict[Form, dict[int, batch.Lane]] = {}
    alone = []
    for k, pair in enumerate(pairs):
        try:
            form, lane = lane_of(*pair, setup)
        except (MalformedProof, InvalidStatement):
            alone.append(k)
        else:
            lanes.setdefault(form, {})[k] = lane
    results = []
    for form, members in lanes.items():
        checked = batch.check(inference_program(form), list(members.values()), setup, spare_core=spare_core)
        alone += [k for i, k in enumerate(members) if i in checked.aside]
        results += [checked.result] if checked.result else []
    return results, alone


def _check_share(
    pairs: Sequence[Pair], backend: str, spare_core: bool
) -> tuple[dict[int, str], _CheckedShare | None]:
    """Everything but the pairing; the bad ones by position in the share."""
    setup = load_setup(backend)
    bad: dict[int, str] = {}
    results, alone = _check_together(pairs, setup, spare_core)
    for k in alone:
        try:
            results.append(inference.check(*pairs[k], setup))
        except (MalformedProof, InvalidProof, InvalidStatement) as error:
            bad[k] = str(error)
    if not results:
        return bad, None
    equation, weight = protocol.fold(results)
    left, right = (setup.curve.encode(side.evaluate(setup)) for side in (equation.left, equation.right))
    return bad, _CheckedShare(left, right, weight)


def _restored(share: _CheckedShare, setup: Setup) -> tuple[GroupEquation, int]:
    equation = GroupEquation()
    equation.left.add_point(setup.curve.decode_trusted(share.left), 1)  # from this program's own worker
    equation.right.add_point(setup.curve.decode_trusted(share.right), 1)
    return equation, share.weight
