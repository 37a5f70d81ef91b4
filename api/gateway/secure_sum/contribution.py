"""What a home enters into the community's totals: a day's sealed forecast, or what its meter signed for the day."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from api.gateway.jobs import Isolated
from api.gateway.sealed import read_sealed
from api.protocol.secure_sum import REGISTER, Kind

SHARED_DAYS = 35
"""The newest days of shared energy that are signed and entered: a month, and some days that a gateway was away."""


@dataclass(frozen=True)
class Contribution:
    """The values (48 of a forecast, 24 of a register's day) and the blinding, of shared energy of both registers one
    after the other; of readings the meter's commitments and signatures, which are public."""

    vector: tuple[int, ...] = field(repr=False)
    commitment: bytes = b""
    signature: bytes = b""
    export_commitment: bytes = b""
    export_signature: bytes = b""


def by_class(vector: tuple[int, ...], own: int, classes: int) -> tuple[int, ...]:
    """Both registers as they enter a sum by classes: the import in the place of the home's own class (from 1), zeros
    in those of the others, the export last."""
    taken, fed_in = vector[:REGISTER], vector[REGISTER:]
    return (*(0,) * REGISTER * (own - 1), *taken, *(0,) * REGISTER * (classes - own), *fed_in)


class Contributions:
    """The contributions of a gateway's home. Called with kind and day; None where there is none (yet)."""

    def __init__(self, home: str, folder: Path, run: Isolated) -> None:
        """`folder`: the home's own."""
        self._home, self._folder, self._run = home, folder, run
        self._shared: dict[int, Contribution] = {}

    def __call__(self, kind: Kind, day: int) -> Contribution | None:
        if kind == "measured":
            return self._measured(day)
        if kind == "shared":
            if day not in self._shared:  # all of them at once: a process is started for it
                self._shared = self._run(shared_contributions, self._home, self._folder)
            return self._shared.get(day)
        sealed = read_sealed(self._folder, day)
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


def shared_contributions(home: str, folder: Path) -> dict[int, Contribution]:
    """What the home enters into sums of shared energy, by day: both registers, each with its blinding, as signed.

    The newest days that the meter has signed whole on both registers.
    """
    from api.gateway.home import Home  # it loads the proof system

    own = Home(home, folder)
    household = own.wallet.address
    exports = own.export_vault
    both = sorted(set(own.vault.days(household)) & set(exports.days(household)))[-SHARED_DAYS:]
    found = {}
    for day in both:
        (imported, taken), (exported, fed_in) = own.vault.get(household, day), exports.get(household, day)
        if imported.is_measured and exported.is_measured:
            vector = (*taken.readings, taken.blinding, *fed_in.readings, fed_in.blinding)
            found[day] = Contribution(
                vector, imported.commitment, imported.signature, exported.commitment, exported.signature
            )
    return found
