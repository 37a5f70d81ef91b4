"""What is written of a settlement: the file to audit, statements, pictures; in a folder for each period."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.config.settlement_settings import SettlementSettings
from api.operator.community import Community
from api.operator.period_picture import period_picture
from api.operator.report.pdf import as_pdf
from api.operator.settled_periods import FILE, shown
from api.operator.settlement_statement import Statements
from api.operator.statements import Tariff, hours_csv, members_csv
from api.protocol import settlement_file
from api.protocol.meters import Meters
from api.protocol.settlement import Settlement
from data.atomic import write_bytes
from data.day import DayClock
from forecasting.palette import DARK, LIGHT

HOMES = "homes"
"""The folder of statements for each home."""


@dataclass(frozen=True)
class SettlementFolder:
    """Where a period's files are. `names`: of homes, by household."""

    folder: Path
    name: str
    rules: SettlementSettings
    clock: DayClock
    names: Mapping[str, str]

    @classmethod
    def of(cls, community: Community, name: str) -> SettlementFolder:
        """The folder of a period that gateways settle, below `api.settlements_dir`."""
        config = community.config
        names = {entry.household: entry.home or entry.household for entry in config.community.members}
        return cls(config.api.settlements_dir / name, name, config.settlement, community.clock, names)

    def write(self, settlement: Settlement, meters: Meters) -> None:
        """The file to audit and the tables, each whole; those with members' shares are private."""
        write_bytes(self.folder / FILE, settlement_file.written(settlement, meters), private=True)
        write_bytes(self.folder / "members.csv", members_csv(settlement, self._tariff, self.names), private=True)
        write_bytes(self.folder / "hours.csv", hours_csv(shown(self.name, settlement, self.clock)))

    def draw(self, settlement: Settlement, self_consumed: Sequence[int] | None, *, pdf: bool) -> None:
        """The picture, light and dark; with `pdf` the statements of all and of each home, too."""
        drawn = pictures(settlement, self.clock, self_consumed)
        for suffix, png in drawn.items():
            write_bytes(self.folder / f"period{suffix}.png", png)
        if not pdf:
            return
        statements = Statements(settlement, self._tariff, self.names, self.clock)
        write_bytes(self.folder / "statement.pdf", as_pdf(statements.of_all(drawn[""])), private=True)
        for household in settlement.period.households:
            home = self.folder / HOMES / f"{self.names.get(household, household)}.pdf"
            write_bytes(home, as_pdf(statements.of_member(household)), private=True)

    @property
    def _tariff(self) -> Tariff:
        return Tariff(self.rules.premium, self.rules.producers_percent)


def pictures(settlement: Settlement, clock: DayClock, self_consumed: Sequence[int] | None) -> dict[str, bytes]:
    """The period's picture as PNG, by what its name ends in: nothing (light) or -dark."""
    drawn = {}
    for name, palette in (("", LIGHT), ("-dark", DARK)):
        content = io.BytesIO()
        picture = period_picture(settlement.period, clock, palette, self_consumed)
        with palette.applied():
            picture.savefig(content, format="png", dpi=130)
        drawn[name] = content.getvalue()
    return drawn
