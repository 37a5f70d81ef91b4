"""The community's settled periods, as `wattproof settle` wrote them: one folder each, named after the period.

What is shown of them is the community's: totals of each hour, and what is left over. A member's shares stand in the
file itself, for whoever audits a period, and on the member's own gateway.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

from api.operator.settlement_payment import Payments
from api.protocol import settlement_file
from api.protocol.period import SIDES, PeriodError
from api.protocol.schemas import SharedEnergyDay, SharedEnergyHours, TokensPaid
from api.protocol.settlement import Settlement
from data.day import DayClock
from data.errors import DamagedFile

FILE = "settlement.json"
NAME = r"^\d{4}-\d{2}(-\d{2}\.\.\d{4}-\d{2}-\d{2})?$"
"""A month (2017-05), or the first and last day (2017-05-01..2017-05-14)."""


def period_name(first: date, last: date) -> str:
    """The one name of a period, both dates in it."""
    if (
        first.day == 1
        and (last + timedelta(days=1)).day == 1
        and (first.year, first.month) == (last.year, last.month)
    ):
        return f"{first:%Y-%m}"
    return f"{first}..{last}"


@dataclass(frozen=True)
class SettledPeriods:
    """The periods in a folder (`ApiSettings.settlements_dir`)."""

    folder: Path
    clock: DayClock

    def names(self) -> list[str]:
        """In the order of time."""
        return sorted(path.parent.name for path in self.folder.glob(f"*/{FILE}") if _is_name(path.parent.name))

    def file(self, name: str) -> Path | None:
        """The file to audit; None where no period of that name was settled."""
        path = self.folder / name / FILE
        return path if _is_name(name) and path.is_file() else None

    def of(self, name: str) -> SharedEnergyHours | None:
        """The totals of a period. Raises DamagedFile."""
        path = self.file(name)
        if path is None:
            return None
        state, paid = path.stat(), Payments.read(path.parent)
        hours = _read(path, self.clock, state.st_mtime_ns, state.st_size)
        return hours if paid is None else hours.model_copy(update={"tokens": TokensPaid(**vars(paid))})

    def path(self, name: str, leaf: bytes) -> tuple[bytes, list[bytes]] | None:
        """The root of a period, and how a leaf leads to it; None where the settlement has no such share.

        Raises DamagedFile.
        """
        path = self.file(name)
        if path is None:
            return None
        state = path.stat()
        settlement = _settlement(path, state.st_mtime_ns, state.st_size)
        beside = settlement.path_of(leaf)
        return None if beside is None else (settlement.root, beside)


def _is_name(name: str) -> bool:
    return re.fullmatch(NAME, name) is not None


@lru_cache(maxsize=64)
def _read(path: Path, clock: DayClock, changed_ns: int, size: int) -> SharedEnergyHours:
    """Read once, until the file is another."""
    return shown(path.parent.name, _settlement(path, changed_ns, size), clock)


@lru_cache(maxsize=4)
def _settlement(path: Path, _changed_ns: int, _size: int) -> Settlement:
    try:
        return settlement_file.read(path.read_bytes())[0]
    except PeriodError:
        raise DamagedFile.of(
            path, "a settlement", "Restore it from your backup, or settle the period again."
        ) from None


def shown(name: str, settlement: Settlement, clock: DayClock) -> SharedEnergyHours:
    """What everybody may see of a settlement: nothing of a single member."""
    of = settlement.period
    return SharedEnergyHours(
        period=name,
        first_date=clock.date_of(of.first),
        last_date=clock.date_of(of.last),
        days=len(of.days),
        members=len(of.households),
        late=len(settlement.late),
        key=of.key.kind,
        interval_minutes=of.interval,
        taken_wh=of.imported_wh,
        fed_in_wh=of.exported_wh,
        shared_wh=of.shared_wh,
        remainder_wh={side: settlement.remainder(side) for side in SIDES},
        root="0x" + settlement.root.hex(),
        hours=[
            SharedEnergyDay(
                day=record.day,
                start=clock.start_of(record.day).isoformat(),
                taken_wh=list(record.taken),
                fed_in_wh=list(record.fed_in),
                shared_wh=list(record.shared),
            )
            for record in of.days
        ],
    )
