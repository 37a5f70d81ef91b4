"""What is written of a settlement made on this machine, and what stays of an earlier one."""

from __future__ import annotations

from pathlib import Path

from api.one_machine.settled_homes import SettledHomes
from api.one_machine.settlement import meters_of
from api.operator.settled_periods import FILE, period_name
from api.operator.settlement_files import SettlementFolder
from api.protocol import settlement_file
from api.protocol.period import PeriodError
from api.protocol.settlement import Settlement
from data.errors import DamagedFile
from data.interval import IntervalMinutes


def write_settlement(
    folder: Path, homes: SettledHomes, settlement: Settlement, days: range, *, pdf: bool = False
) -> None:
    """Write all of it into the period's folder, each file whole; those with members' shares are private.

    `pdf`: statements of all and of each home, too.
    """
    clock = homes.clock
    name = period_name(clock.date_of(days[0]), clock.date_of(days[-1]))
    files = SettlementFolder(folder, name, homes.config.settlement, clock, homes.names)
    files.write(settlement, meters_of(homes.homes))
    files.draw(settlement, homes.self_consumed(settlement.period.day_numbers), pdf=pdf)


def kept_settlement(
    folder: Path, community: str, days: range, interval: IntervalMinutes = 60, *, incomplete: bool = False
) -> Settlement | None:
    """The settlement of these days in a folder, or if it may be `incomplete`, of some of them; None if there is none.

    Raises DamagedFile, and PeriodError for a folder that has another settlement: nothing is written over, for its
    proofs and its root would be lost.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        settlement, _ = settlement_file.read(path.read_bytes())
    except PeriodError:
        raise DamagedFile.of(
            path, "a settlement",
            "Restore it from your backup; without one, move it away and settle the period again: its shares have "
            "new proofs then, and another root.",
        ) from None  # fmt: skip
    of = settlement.period
    within = days[0] <= of.first and of.last <= days[-1]
    if of.community != community or not ((of.first, of.last) == (days[0], days[-1]) or (incomplete and within)):
        raise PeriodError(
            f"{path} is the settlement of {of.community!r}, days {of.first} to {of.last}, and stays as it is: name "
            "another folder with --out, or settle with --incomplete if it has left out other days"
        )
    if of.interval != interval:
        raise PeriodError(
            f"{path} is settled by intervals of {of.interval} minutes, and stays as it is: a day that was settled by "
            f"one interval is not settled again by another (settlement.interval_minutes is {interval})"
        )
    return settlement
