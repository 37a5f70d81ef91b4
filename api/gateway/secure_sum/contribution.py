"""What a home enters into the community's totals: a day's sealed forecast, or what its meter signed for the day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from api.gateway.jobs import Isolated
from api.gateway.sealed import read_sealed
from api.protocol.secure_sum import Kind
from data.interval import IntervalMinutes, block_numbers, day_of_block
from data.quantity import QUANTITIES

if TYPE_CHECKING:  # it loads the proof system
    from data.meter import DayOpening, SignedDay

SHARED_DAYS = 35
"""The newest days of shared energy that are signed and entered: a month, and some days that a gateway was away."""


@dataclass(frozen=True)
class Contribution:
    """The values (48 of a forecast, 24 of a register's day) and the blinding, of shared energy of both registers one
    after the other, block by block; of readings the meter's commitments and signatures, which are public: those of a
    day's blocks one after the other."""

    vector: tuple[int, ...] = field(repr=False)
    commitment: bytes = b""
    signature: bytes = b""
    export_commitment: bytes = b""
    export_signature: bytes = b""


def by_class(vector: tuple[int, ...], own: int, classes: int) -> tuple[int, ...]:
    """Both registers as they enter a sum by classes: the import in the place of the home's own class (from 1), zeros
    in those of the others, the export last."""
    entries = len(vector) // 2  # of a register
    taken, fed_in = vector[:entries], vector[entries:]
    return (*(0,) * entries * (own - 1), *taken, *(0,) * entries * (classes - own), *fed_in)


class Contributions:
    """The contributions of a gateway's home. Called with kind and day; None where there is none (yet)."""

    def __init__(self, home: str, folder: Path, run: Isolated, interval: IntervalMinutes = 60) -> None:
        """`folder`: the home's own. `interval`: by which shared energy is settled."""
        self._home, self._folder, self._run, self._interval = home, folder, run, interval
        self._shared: dict[int, Contribution] = {}

    def __call__(self, kind: Kind, day: int) -> Contribution | None:
        if kind == "measured":
            return self._measured(day)
        if kind == "shared":
            if day not in self._shared:  # all of them at once: a process is started for it
                self._shared = self._run(shared_contributions, self._home, self._folder, self._interval)
            return self._shared.get(day)
        sealed = read_sealed(self._folder, day, "export" if kind == "export" else "load")
        return None if sealed is None else Contribution((*sealed.values, sealed.blinding))

    def _measured(self, day: int) -> Contribution | None:
        """From the vault, in a separate process: reading it loads the proof system."""
        return self._run(measured_contribution, self._home, self._folder, day)


def measured_contribution(home: str, folder: Path, day: int) -> Contribution | None:
    """What the home enters into a day's measured total; None until its meter has signed the day, or
    if hours of it were filled in: what was not measured enters no measured total."""
    from api.gateway.home import Home  # it loads the proof system

    own = Home(home, folder)
    if day not in own.vault.days(own.wallet.address):
        return None
    signed, opening = own.vault.get(own.wallet.address, day)
    if not signed.is_measured:
        return None
    return Contribution((*opening.readings, opening.blinding), signed.commitment, signed.signature)


def shared_contributions(home: str, folder: Path, interval: IntervalMinutes = 60) -> dict[int, Contribution]:
    """What the home enters into sums of shared energy, by day: both registers, each with its blindings, as signed.

    The newest days that the meter has signed whole on both registers.
    """
    from api.gateway.home import Home  # it loads the proof system

    own = Home(home, folder)
    household = own.wallet.address
    vaults = [own.vault_of(quantity, interval) for quantity in QUANTITIES]
    kept = set.intersection(*(set(vault.days(household)) for vault in vaults))
    days = sorted({day_of_block(number, interval) for number in kept})
    whole = [day for day in days if kept.issuperset(block_numbers(day, interval))][-SHARED_DAYS:]
    found = {}
    for day in whole:
        registers = [[vault.get(household, number) for number in block_numbers(day, interval)] for vault in vaults]
        if all(signed.is_measured for blocks in registers for signed, _ in blocks):
            opened = [opening for blocks in registers for _, opening in blocks]
            vector = tuple(entry for each in opened for entry in (*each.readings, each.blinding))
            found[day] = Contribution(vector, *_signed_parts(registers[0]), *_signed_parts(registers[1]))
    return found


def _signed_parts(blocks: Sequence[tuple[SignedDay, DayOpening]]) -> tuple[bytes, bytes]:
    """The commitments of a register's blocks, and the signatures."""
    return b"".join(signed.commitment for signed, _ in blocks), b"".join(signed.signature for signed, _ in blocks)
