"""A household's part in a settlement: it proves its shares of a period, and of no other than what the rules give.

What a share tells is a weighted sum of the household's readings; who may choose the weights, or ask twice, learns
more than what it is paid for. So a gateway proves only what follows from a period that was checked
(`CheckedPeriod`), in which its own signed days stand as they are in its vault, a week of them at least, and no day in
two different statements of a side: with the difference of two, a day could be told from the rest. What it proved
stands in `settled.json`, written before a proof leaves the home; its shares, for its own people, in `shares.json`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eth_hash.auto import keccak

from api.gateway.own_shares import SHARES, OwnShare, keep_share
from api.protocol.period import SIDES, CheckedPeriod, PeriodError, Side
from api.protocol.settlement import Share, prove_share
from data.atomic import write_bytes
from data.damage import check_kept, whole
from data.interval import IntervalMinutes, block_name
from data.json_text import loads
from data.meter import verify_opening
from data.vault import DayVault
from zkp.statements.period import PeriodStatement

SETTLED = "settled.json"
_NO_SECOND = (
    "Without it this home cannot know of which days it proved a share, and proves none: two of a day would tell more "
    "than either."
)
FEWEST_OWN_DAYS = 7
"""Who was a member for fewer days of a period proves nothing of it: the share would show them."""


@dataclass(frozen=True)
class ShareProver:
    """A household with the vaults of what its meter counted, and the folder where it keeps what it proved.

    `interval`: of the vaults, and so of the only periods that it proves shares of.
    """

    household: str
    imported: DayVault
    exported: DayVault
    folder: Path
    fewest_days: int = FEWEST_OWN_DAYS
    interval: IntervalMinutes = 60

    def prove(self, checked: CheckedPeriod, side: Side) -> Share:
        """The household's share of a side, proven; the same share with a new proof where it was proven before.

        Raises PeriodError for a period in which a day of this household's is not the one its meter signed, or that
        was settled otherwise before; MeterError for days that the vault has not, DamagedFile.
        """
        of = checked.period
        if of.interval != self.interval:
            raise PeriodError(
                f"the period is settled by intervals of {of.interval} minutes, and this home by {self.interval} "
                "(settlement.interval_minutes)"
            )
        statement = checked.statement(self.household, side)
        days = checked.days_of(statement)
        if len(days) < self.fewest_days:
            raise PeriodError(
                f"{self.household} is in the totals of {len(days)} days of the period: it proves no share of fewer "
                f"than {self.fewest_days}"
            )
        vault = self.imported if side == "import" else self.exported
        kept = [vault.get(self.household, number) for number in statement.days]
        for (signed, opening), commitment in zip(kept, statement.commitments, strict=True):
            if signed.commitment != commitment:
                name = block_name(signed.day, self.interval)
                raise PeriodError(f"{name} is in the period with another {side} than the meter signed")
            verify_opening(signed, opening, self.interval)
        _Settled(self.folder / SETTLED).add(side, statement, days)
        readings = [list(opening.readings) for _, opening in kept]
        share = prove_share(statement, readings, [opening.blinding for _, opening in kept])
        keep_share(self.folder, OwnShare(of.first, of.last, len(days), side, share.wh, sum(map(sum, readings))))
        return share

    def shares(self, checked: CheckedPeriod) -> dict[tuple[str, Side], Share]:
        """Both shares."""
        return {(self.household, side): self.prove(checked, side) for side in SIDES}


@dataclass(frozen=True)
class _Settled:
    """Which days a household has proved shares of, and of which statement: side -> day -> digest.

    Days by either interval: what was settled by the hour is not settled again by its quarters, nor the reverse.
    """

    path: Path

    def add(self, side: Side, statement: PeriodStatement, days: Sequence[int]) -> None:
        """Note a statement of these days. Raises PeriodError where one of them is in another."""
        known = self._read()
        digest = keccak(replace(statement, share=0).encode()).hex()
        proven = known.setdefault(side, {})
        for day in days:
            if proven.get(str(day), digest) != digest:
                raise PeriodError(
                    f"day {day} was settled before, with other days, other totals or by another interval: this "
                    "household proves no second share of it, for the difference of both would tell more than either"
                )
        proven |= dict.fromkeys(map(str, days), digest)
        write_bytes(self.path, json.dumps(known).encode(), private=True)

    def _read(self) -> dict[str, dict[str, str]]:
        shares = self.path.with_name(SHARES)
        if shares.exists():
            check_kept(self.path, f"{SHARES} beside it has shares that were proven", _NO_SECOND)
        if not self.path.exists():
            return {}
        with whole(self.path, "a record of settled days"):
            content = loads(self.path.read_bytes())
            if not isinstance(content, dict) or not all(isinstance(days, dict) for days in content.values()):
                raise ValueError("no record of settled days")
            return content
