"""What is written of a settlement made on this machine: the file to audit, statements, pictures."""

from __future__ import annotations

import io
from pathlib import Path

from api.one_machine.settled_homes import SettledHomes
from api.one_machine.settlement import meters_of
from api.operator.period_picture import period_picture
from api.operator.report.pdf import as_pdf
from api.operator.settled_periods import FILE, period_name, shown
from api.operator.settlement_statement import Statements
from api.operator.statements import Tariff, hours_csv, members_csv
from api.protocol import settlement_file
from api.protocol.period import PeriodError
from api.protocol.settlement import Settlement
from data.atomic import write_bytes
from data.errors import DamagedFile
from forecasting.palette import DARK, LIGHT

HOMES = "homes"
"""The folder of statements for each home."""


def write_settlement(
    folder: Path, homes: SettledHomes, settlement: Settlement, days: range, *, pdf: bool = False
) -> None:
    """Write all of it into the period's folder, each file whole; those with members' shares are private.

    `pdf`: statements of all and of each home, too.
    """
    rules, clock = homes.config.settlement, homes.clock
    name = period_name(clock.date_of(days[0]), clock.date_of(days[-1]))
    tariff = Tariff(rules.premium, rules.producers_percent)
    write_bytes(folder / FILE, settlement_file.written(settlement, meters_of(homes.homes)), private=True)
    write_bytes(folder / "members.csv", members_csv(settlement, tariff, homes.names), private=True)
    write_bytes(folder / "hours.csv", hours_csv(shown(name, settlement, clock)))
    drawn = pictures(homes, settlement, days)
    for suffix, png in drawn.items():
        write_bytes(folder / f"period{suffix}.png", png)
    if pdf:
        statements = Statements(settlement, tariff, homes.names, clock)
        write_bytes(folder / "statement.pdf", as_pdf(statements.of_all(drawn[""])), private=True)
        for household in settlement.period.households:
            home = folder / HOMES / f"{homes.names[household]}.pdf"
            write_bytes(home, as_pdf(statements.of_member(household)), private=True)


def kept_settlement(folder: Path, community: str, days: range) -> Settlement | None:
    """The settlement of these days in a folder; None where there is none yet.

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
    if (of.community, of.first, of.last) != (community, days[0], days[-1]):
        raise PeriodError(
            f"{path} is the settlement of {of.community!r}, days {of.first} to {of.last}, and stays as it is: name "
            "another folder with --out"
        )
    return settlement


def pictures(homes: SettledHomes, settlement: Settlement, days: range) -> dict[str, bytes]:
    """The period's picture as PNG, by what its name ends in: nothing (light) or -dark."""
    drawn = {}
    for name, palette in (("", LIGHT), ("-dark", DARK)):
        content = io.BytesIO()
        picture = period_picture(settlement.period, homes.clock, palette, homes.self_consumed(days))
        with palette.applied():
            picture.savefig(content, format="png", dpi=130)
        drawn[name] = content.getvalue()
    return drawn
