"""What a home enters into the community's totals: a day's sealed forecast, or what its meter signed for the day."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from api.gateway.jobs import Isolated
from api.gateway.sealed import read_sealed
from api.protocol.secure_sum import Kind


@dataclass(frozen=True)
class Contribution:
    """The values (48 of a forecast, 24 of a measured day) and the blinding; of measured ones the meter's commitment
    and signature, which are public."""

    vector: tuple[int, ...] = field(repr=False)
    commitment: bytes = b""
    signature: bytes = b""


class Contributions:
    """The contributions of a gateway's home. Called with kind and day; None where there is none (yet)."""

    def __init__(self, home: str, folder: Path, run: Isolated) -> None:
        """`folder`: the home's own."""
        self._home, self._folder, self._run = home, folder, run

    def __call__(self, kind: Kind, day: int) -> Contribution | None:
        if kind == "measured":
            return self._measured(day)
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
