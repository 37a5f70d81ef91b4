"""Many proofs of statements of one shape, checked side by side by a recorded verifier (`zkp.batch.recording`).

All lanes take the same steps, so that hashing and field arithmetic cost a compiled loop instead of an interpreter's
round each. A lane on which anything fails is only put aside: what is wrong with it, and whether anything is, says
`zkp.argument.protocol.verify`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from eth_hash.auto import keccak
from numpy.typing import NDArray

from zkp.algebra.curve import G1_BYTES, Point
from zkp.algebra.group import Combination, GroupEquation
from zkp.algebra.kernels import ONE
from zkp.algebra.srs import Setup
from zkp.algebra.vector import Ints, Vector
from zkp.argument import protocol
from zkp.argument.transcript import PROTOCOL
from zkp.batch import kernels as batch_kernels
from zkp.batch.recording import Program, SentPoint, Slot, Sum
from zkp.errors import MalformedProof

Registers = NDArray[np.uint64]
"""[registers, lanes, 4], Montgomery form."""


@dataclass(frozen=True, repr=False)
class Lane:
    """A proof and its statement, in the parts that a program reads."""

    statement: bytes
    proof: bytes
    publics: Ints  # [n]
    supplied: tuple[Point, ...]  # decoded


@dataclass(frozen=True)
class Checked:
    """What a batch comes to: the random combination of the good lanes' equations with the weight that stands for it
    (none if no lane is good), and the lanes put aside."""

    result: tuple[GroupEquation, int] | None
    aside: frozenset[int]


def check(program: Program, lanes: Sequence[Lane], setup: Setup, *, spare_core: bool = False) -> Checked:
    """Everything but the pairing. Where there is a core to spare, tables are summed up while points are decoded."""
    fitting = [k for k, lane in enumerate(lanes) if _fits(program, lane)]
    run = _Run(program, [lanes[k] for k in fitting], setup, spare_core)
    good = run.good()
    aside = frozenset(range(len(lanes))) - {k for k, ok in zip(fitting, good, strict=True) if ok}
    return Checked(run.result(good) if any(good) else None, aside)


def _fits(program: Program, lane: Lane) -> bool:
    sizes = (len(lane.statement), len(lane.proof), len(lane.publics))
    return sizes == (program.statement_bytes, program.proof_bytes, len(program.publics))


class _Run:
    """One run of a program over its lanes."""

    def __init__(self, program: Program, lanes: Sequence[Lane], setup: Setup, spare_core: bool) -> None:
        self.program, self.lanes, self.setup, self.spare_core = program, lanes, setup, spare_core
        self.failed = np.zeros(len(lanes), dtype=np.uint8)
        self.registers: Registers = np.empty((program.registers, len(lanes), 4), dtype=np.uint64)
        self.data = np.empty((len(lanes), program.statement_bytes + program.proof_bytes), dtype=np.uint8)
        for k, lane in enumerate(lanes):
            self.data[k] = np.frombuffer(lane.statement + lane.proof, dtype=np.uint8)

    def good(self) -> list[bool]:
        """Which lanes pass all checks but that of the group."""
        if not self.lanes:
            return []
        self._hash()
        if self.spare_core:
            with ThreadPoolExecutor(max_workers=1) as side:
                sums = side.submit(self._sum_fractions)
                self.points = self._decode()
            sums.result()
        else:  # a thread would cost more than it saves
            self._sum_fractions()
            self.points = self._decode()
        self._read()
        self.stand_in = self._weigh()
        batch_kernels.run(self.program.code, self.registers, self.failed)
        return [not failed for failed in self.failed]

    def _hash(self) -> None:
        hashes = self.program.hashes
        text = np.tile(hashes.text, (len(self.lanes), 1))
        text[:, hashes.gaps] = self.data[:, hashes.sources]
        start = np.frombuffer(keccak(PROTOCOL), dtype=np.uint8)
        states = np.tile(start, (len(self.lanes), 1))
        challenges = np.empty((len(hashes.stops), len(self.lanes), 4), dtype=np.uint64)
        batch_kernels.hash_chain(text, hashes.stops, states, challenges)
        self.registers[hashes.registers] = challenges

    def _sum_fractions(self) -> None:
        table, wanted = self.program.table, self.program.fractions
        if table is None or not wanted:
            return
        alpha, beta = Vector(self.registers[wanted[0].alpha]), Vector(self.registers[wanted[0].beta])
        scales = [Vector(np.tile(ONE, (len(self.lanes), 1)))]
        for _ in table.fields[1:]:
            scales.append(scales[-1] * beta)
        kinds, pattern = table.steps
        by_lane = np.stack([s.data for s in scales], axis=1)  # [lanes, fields, 4]
        steps = np.stack([Vector(lane).combine(kinds).data for lane in by_lane])
        for part in wanted:
            start = alpha
            for scale, column in zip(scales, table.fields, strict=True):
                start = start - scale * int(column[part.entries.start])
            batch_kernels.sum_table(
                start.data,
                steps,
                pattern[part.entries],
                np.ascontiguousarray(self.registers[part.rho]),
                self.registers[part.numerator],
                self.registers[part.denominator],
            )

    def _decode(self) -> list[dict[int, Point]]:
        """The points of each proof, by place."""
        slots = (*self.program.left.slots, *self.program.right.slots)
        places = sorted({s.first for s in slots if isinstance(s, SentPoint)})
        out: list[dict[int, Point]] = []
        for k, data in enumerate(self.data):
            raw, points = data.tobytes(), {}
            try:
                points = {p: self.setup.curve.decode(raw[p : p + G1_BYTES]) for p in places}
            except MalformedProof:
                self.failed[k] = 1
            out.append(points)
        return out

    def _read(self) -> None:
        """The proof's scalars, the statement's numbers, the program's constants."""
        program, count = self.program, len(self.lanes)
        places, registers = program.scalars.T
        scalars = np.empty((len(places), count, 4), dtype=np.uint64)
        batch_kernels.read_scalars(self.data, np.ascontiguousarray(places), scalars, self.failed)
        self.registers[registers] = scalars
        publics = Vector.from_array(np.stack([lane.publics for lane in self.lanes], axis=1))
        self.registers[program.publics] = publics.data.reshape(-1, count, 4)
        constants = Vector.from_ints(list(program.constants.values()))
        self.registers[list(program.constants)] = constants.data[:, None]

    def _weigh(self) -> int:
        """Give each lane its factor in the random combination; returns the weight that stands for all of them."""
        weights = Vector(self.registers[self.program.weight])
        factors, stand_in = protocol.fold_weights(weights.to_ints())
        self.registers[self.program.scale] = Vector.from_ints(factors).data
        return stand_in

    def result(self, good: Sequence[bool]) -> tuple[GroupEquation, int]:
        """The sum of the good lanes' equations."""
        lanes = [k for k, ok in enumerate(good) if ok]
        equation = GroupEquation(self._sum(self.program.left, lanes), self._sum(self.program.right, lanes))
        return equation, self.stand_in

    def _point(self, slot: Slot, lane: int) -> Point:
        if isinstance(slot, SentPoint):
            return self.points[lane][slot.first]
        return self.lanes[lane].supplied[slot.number]

    def _sum(self, wanted: Sum, lanes: Sequence[int]) -> Combination:
        """Multiples of the ceremony's powers, of the blinder, and of points that lanes share are added up first."""
        bases: dict[int, int] = {}  # place of a point in the sum, by identity
        points: list[Point] = []
        places = []
        for slot in wanted.slots:
            for k in lanes:
                point = self._point(slot, k)
                if id(point) not in bases:
                    bases[id(point)] = len(points)
                    points.append(point)
                places.append(bases[id(point)])
        common = [*wanted.powers, wanted.blinder]
        for n in range(len(common)):
            places += [len(points) + n] * len(lanes)
        chosen = self.registers[[*wanted.scalars, *common]][:, lanes]
        totals = Vector(np.ascontiguousarray(chosen).reshape(-1, 4)).scattered(np.array(places)).to_ints()
        split = len(points)
        return Combination(points, totals[:split], totals[split:-1], totals[-1])
