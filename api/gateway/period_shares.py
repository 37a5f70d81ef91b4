"""A gateway's part in a period that is settled over the network: it proves its household's shares by itself.

It asks which periods were opened, fetches a period's terms, and checks them before it proves anything: every
signature and total, and that each of its own days has as many members as it agreed to in that day's sum, so that
nobody has added members since, and with them coefficients of his own choice. The proven shares are on disk before
they are submitted, by the same outbox as forecasts and claims: a gateway that was killed goes on from there.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from api.config.community_yaml import Config
from api.config.settlement_settings import KeyKind
from api.config.tracing import SettledPeriod, tracer
from api.gateway.client import ApiClient
from api.gateway.jobs import Isolated
from api.gateway.outbox import Outbox, Submission
from api.protocol import merkle
from api.protocol.bounded_client import ApiRefused, Unreachable
from api.protocol.schemas import OpenPeriodPublic
from data.atomic import write_bytes
from data.damage import whole
from data.json_text import loads
from data.quantity import QUANTITIES
from fl.deployment.background import Attempt
from fl.deployment.backoff import Backoff

if TYPE_CHECKING:  # it loads the proof system
    from api.protocol.period import DayRecord

_log = logging.getLogger(__name__)
REFUSED = "terms-refused"
"""The outbox's code of a period that this home proves nothing of; the log has the reason. Looked at again after a
restart."""


@dataclass(frozen=True)
class OwnRules:
    """What a home asks of a period before it proves a share.

    `number`: its own class or part, where the key knows any. The interval is the period's: each of its days was
    summed once, by the interval that the settings had then.
    """

    community: str
    fewest_homes: int
    fewest_days: int
    key: KeyKind = "pro_rata"
    number: int | None = None

    @classmethod
    def of(cls, config: Config, home: str) -> OwnRules:
        rules, fewest = config.settlement, config.gateway.fewest_in_total
        return cls(config.community.name, fewest, rules.fewest_days, rules.key, rules.numbers.get(home))


@dataclass(frozen=True)
class Places:
    """Where a home's files are: its own folder, its states in sums, and the shares that it has proven."""

    home: str
    folder: Path
    sums: Path
    shares: Path


class PeriodShares:
    """Proves the shares of newly opened periods.

    Args:
        join: enrols the household, if it is invited; whether it is enrolled.
        first_s: the first wait before the API is asked again.
    """

    def __init__(
        self,
        home: str,
        config: Config,
        client: ApiClient,
        outbox: Outbox,
        run: Isolated,
        join: Callable[[], bool],
        *,
        first_s: float,
    ) -> None:
        self._join, self._is_member = join, False
        self._refused: set[int] = set()  # since the start: with other settings, a period may be acceptable
        folders = config.api
        self._home, self._rules, self._community = home, OwnRules.of(config, home), config.community.identifier
        self._places = Places(home, folders.homes_dir / home, folders.sums_dir, folders.shares_dir)
        self._client, self._outbox, self._run = client, outbox, run
        self._wait = Backoff(first_s, config.gateway.retry_max_s)
        self._attempt = Attempt("proving shares", _log, first_s)

    def run_once(self) -> None:
        """Ask for periods, if it is time to; an API that is away is asked again."""
        if self._wait.due:
            self._wait.failed()  # periods are few: the longer none came, the longer it waits
            self._attempt(self._look)

    def _look(self) -> None:
        """Raises what it may work after: a file of this home that can't be read."""
        self._is_member = self._is_member or self._join()
        try:
            for period in self._client.open_periods():
                if period.is_closed and self._is_proven(period.last_day):
                    self._receive(period)
                if self._is_due(period.last_day):
                    self._prove(period)
                    self._wait.worked()
        except (Unreachable, ApiRefused) as why:
            _log.info("no periods asked for", extra={"home": self._home, "reason": str(why)})

    def _is_due(self, last_day: int) -> bool:
        known = self._outbox.get("share", last_day)
        is_open = known is None or (known.code == REFUSED and last_day not in self._refused)
        return is_open and not self._is_proven(last_day)

    def _prove(self, period: OpenPeriodPublic) -> None:
        terms = self._client.period_terms(period.period)
        with tracer().step("prove period shares", SettledPeriod(self._community, period.first_day, period.last_day)):
            refused = self._run(prove_period, self._places, self._rules, period.period, terms)
        told = {"home": self._home, "period": period.period}
        if refused is None:
            self._outbox.put(Submission("share", period.last_day, int(time.time())))
            _log.info("shares of a period proven", extra=told)
            return
        self._refused.add(period.last_day)
        _log.error("no share of a period proven", extra=told | {"reason": refused})
        ended = Submission("share", period.last_day, int(time.time())).ended("refused", REFUSED)
        self._outbox.put(ended)

    def _receive(self, period: OpenPeriodPublic) -> None:
        """Keep how each share leads to the root, once the settlement has it: with it, anybody has it paid."""
        receipt = receipt_file(self._places.shares, period.last_day, self._home)
        if receipt.exists():
            return
        file = shares_file(self._places.shares, period.last_day, self._home)
        with whole(file, "a home's shares of a period", "Move it away: they are then proven again"):
            leaves = {str(one["side"]): str(one["leaf"]) for one in loads(file.read_bytes())["shares"]}
        found = {}
        for side, leaf in leaves.items():
            told = self._client.share_path(period.period, leaf)
            if told is None or merkle.root(bytes.fromhex(leaf[2:]), told[1]) != told[0]:
                extra = {"home": self._home, "period": period.period, "side": side}
                _log.warning("a share of this home is not in the settlement", extra=extra)
                return
            found[side] = {"root": told[0].hex(), "path": [node.hex() for node in told[1]]}
        write_bytes(receipt, json.dumps(found).encode(), private=True)
        _log.info("shares are in the settlement", extra={"home": self._home, "period": period.period})

    def _is_proven(self, last_day: int) -> bool:
        return shares_file(self._places.shares, last_day, self._home).exists()


def shares_file(folder: Path, last_day: int, home: str) -> Path:
    """A home's shares of the period that ends with a day, as they are submitted."""
    return folder / str(last_day) / f"{home}.json"


def receipt_file(folder: Path, last_day: int, home: str) -> Path:
    """How these shares lead to the root under which they were settled, by side."""
    return folder / str(last_day) / "receipts" / f"{home}.json"


def is_settled(folder: Path, last_day: int, home: str) -> bool:
    """Whether the settlement is known to have these shares; true of those that were settled on one machine."""
    return receipt_file(folder, last_day, home).exists() or not shares_file(folder, last_day, home).exists()


def prove_period(places: Places, rules: OwnRules, name: str, terms: bytes) -> str | None:
    """Prove both shares of a period and keep them; why not, where the terms are not what this home accepts.

    Raises MeterError, DamagedFile, LostFile for files of its own that can't be read: it is tried again.
    """
    from api.gateway.home import Home
    from api.gateway.shared_energy import ShareProver
    from api.protocol import settlement_file
    from api.protocol.period import PeriodError, check
    from api.protocol.settlement import share_leaf

    own = Home(places.home, places.folder)
    household = own.wallet.address
    try:
        settlement, meters = settlement_file.read(terms)
        of = settlement.period
        if of.community != rules.community:
            raise PeriodError(f"the period is one of {of.community!r}")
        if (told := (of.key.kind, of.key.numbers.get(household))) != (rules.key, rules.number):
            raise PeriodError(
                f"the period is split by the key {_named(*told)}, and this home's settings say "
                f"{_named(rules.key, rules.number)} (settlement.key, settlement.numbers)"
            )
        _check_sums(places, of.days, household)
        checked = check(of, meters, fewest_homes=rules.fewest_homes, fewest_days=rules.fewest_days)
        imported, exported = (own.vault_of(quantity, of.interval) for quantity in QUANTITIES)
        prover = ShareProver(household, imported, exported, places.folder, interval=of.interval)
        shares = prover.shares(checked)
    except PeriodError as problem:
        return str(problem)
    content = {
        "period": name,
        "household": household,
        "shares": [
            {
                "side": side,
                "share_wh": share.wh,
                "proof": "0x" + share.proof.hex(),
                "leaf": "0x" + share_leaf(of, household, side, share).hex(),
            }
            for (_, side), share in shares.items()
        ],
    }
    write_bytes(shares_file(places.shares, of.last, places.home), json.dumps(content).encode(), private=True)
    return None


def _named(kind: str, number: int | None) -> str:
    return kind if number is None else f"{kind}, with {number} for this home"


def _check_sums(places: Places, days: Sequence[DayRecord], household: str) -> None:
    """Raises PeriodError where a day has other members than the sum that this home agreed to."""
    from api.gateway.secure_sum.state import SecureSumFolder
    from api.protocol.period import PeriodError

    sums = SecureSumFolder(places.sums, places.home)
    for record in days:
        if household not in record.households:
            continue
        part = sums.get("shared", record.day)
        agreed = 0 if part is None or part.lost else len(part.survivors)
        if agreed != len(record.households):
            raise PeriodError(
                f"day {record.day} has {len(record.households)} members, and this home agreed to a sum of {agreed}"
            )
