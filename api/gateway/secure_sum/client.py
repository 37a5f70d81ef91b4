"""A gateway's side of the community's totals: it asks for the state of a day's sum, and answers each stage.

It does not trust the server: members must be in its own roster and sign with their keys there, any sum that could be
opened must include enough of them, a measured total must cover the homes in the forecast's. Once its masked vector
has been sent it answers no other sum of that day and kind: two of them over different homes would reveal a home's own
values. A stage never goes back, and a sum that was left for another is not entered again, whatever the server asks
for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from api.config.settings import GatewaySettings
from api.gateway.client import ApiClient, SumStatus
from api.gateway.outbox import Outbox
from api.gateway.secure_sum.contribution import Contribution, by_class
from api.gateway.secure_sum.state import SecureSumFolder, SecureSumState
from api.protocol.bounded_client import ApiRefused, Unreachable
from api.protocol.secure_sum import (
    COMMITMENT,
    EXPORT_COMMITMENT,
    EXPORT_SIGNATURE,
    KEYS,
    KINDS,
    MASKED,
    OF_READINGS,
    SIGNATURE,
    SIGNED,
    STAGES,
    Kind,
    Stage,
    SumMessage,
    SumTerms,
)
from data.interval import IntervalMinutes
from fl.deployment.backoff import Backoff
from fl.deployment.keys import KeyFolder, load_agent_key
from fl.deployment.settings import DeploymentSettings
from fl.deployment.telemetry import AgentMetrics
from fl.errors import KeysError
from fl.secagg.aggregator import MaskingRefused, Member, PublicKeys, Session
from fl.secagg.roster import Roster

_log = logging.getLogger(__name__)
_DAYS = 8  # how long after its day a sum is asked about: calibration bridges no longer gap
_PATIENT = frozenset({"too-early", "no-sum"})
OUTCOMES = ("answered", "open", "failed", "refused", "unreachable")
GetContribution = Callable[[Kind, int], Contribution | None]


class _NotYet(Exception):
    """There is nothing to enter yet; retried later."""


def open_sums(
    home: str,
    community: str,
    settings: GatewaySettings,
    deployment: DeploymentSettings,
    folder: Path,
    client: ApiClient,
    outbox: Outbox,
    contribution: GetContribution,
    shared_days: Callable[[], Sequence[int]] | None = None,
    classes: Mapping[str, int] | None = None,
    interval: IntervalMinutes = 60,
) -> SecureSumClient | None:
    """The home's side, its states kept in `folder`; None without a roster.

    `shared_days`: the days of shared energy that it can enter; None where gateways do not settle it. `classes`: the
    class of each home by this home's settings, where shared energy is split class by class. `interval`: what shared
    energy is settled by, by this home's settings. Raises KeysError for an unusable roster or key.
    """
    path, fewest = settings.roster, settings.fewest_in_total
    if path is None:
        _log.info("no gateway.roster: this home enters no total", extra={"home": home})
        return None
    roster = Roster.read(path)
    key = load_agent_key(KeyFolder(deployment.keys_dir).agent_key(home))
    roster.check_own(home, key)
    if len(roster.members) < fewest:
        raise KeysError(
            f"{path} lists {len(roster.members)} homes, but gateway.fewest_in_total is {fewest}: no total could "
            "ever be opened"
        )
    _log.info("roster", extra={"home": home, "homes": len(roster.members), "fingerprint": roster.fingerprint})
    return SecureSumClient(
        home, community, settings, folder, client, outbox, contribution, key, roster, shared_days, classes, interval,
        first_s=deployment.task_interval_s,
    )  # fmt: skip


class SecureSumClient:
    """One home's side of all its sums.

    Args:
        folder: where its states in sums are kept.
        outbox: says which days' forecasts are registered.
        key: the home's own key, as in the roster.
    """

    def __init__(
        self,
        home: str,
        community: str,
        settings: GatewaySettings,
        folder: Path,
        client: ApiClient,
        outbox: Outbox,
        contribution: GetContribution,
        key: ec.EllipticCurvePrivateKey,
        roster: Roster,
        shared_days: Callable[[], Sequence[int]] | None = None,
        classes: Mapping[str, int] | None = None,
        interval: IntervalMinutes = 60,
        *,
        first_s: float,
    ) -> None:
        self._shared_days, self._classes, self._interval = shared_days, classes or {}, interval
        self._home, self._community, self._settings, self._client = home, community, settings, client
        self._first_s = first_s
        self._outbox, self._contribution, self._key, self._roster = outbox, contribution, key, roster
        self._parts = SecureSumFolder(folder, home)
        self._waits: dict[tuple[Kind, int], Backoff] = {}
        self._logged: set[tuple[Kind, int, str]] = set()

    def run_once(self, metrics: AgentMetrics) -> None:
        """Advance every open sum whose time has come."""
        for kind in KINDS:
            for outcome in OUTCOMES:
                metrics.sums.labels(kind, outcome)
        with self._parts.turn() as mine:
            if not mine:
                _log.warning("another process of this home is handling its sums", extra={"home": self._home})
                return
            for kind, day in list(self._open()):
                wait = self._waits.setdefault((kind, day), self._new_backoff())
                if wait.due:
                    self._try(kind, day, wait, metrics)

    def _open(self) -> Iterator[tuple[Kind, int]]:
        """Sums of shared energy of days that the meter signed; forecasts' sums of days that are registered; measured
        ones, and those of forecasts of export, of days whose forecasts' sum it was in."""
        for day in () if self._shared_days is None else self._shared_days():
            if not self._is_over("shared", day):
                yield "shared", day
        done = [(e.kind, e.number) for e in self._outbox.all() if e.state == "done"]
        days = sorted(number for kind, number in done if kind == "forecast")
        exported = {number for kind, number in done if kind == "export"}
        if not days:
            return
        self._parts.forget_before(days[-1])
        for day in (d for d in days if d > days[-1] - _DAYS):
            forecast = self._parts.get("forecast", day)
            if forecast is None or forecast.ended not in ("open", "failed"):
                yield "forecast", day
                continue
            if self._home not in forecast.survivors:
                continue
            if not self._is_over("measured", day):
                yield "measured", day
            if day in exported and forecast.ended == "open" and not self._is_over("export", day):
                yield "export", day

    def _is_over(self, kind: Kind, day: int) -> bool:
        part = self._parts.get(kind, day)
        return part is not None and part.ended in ("open", "failed")

    def _try(self, kind: Kind, day: int, wait: Backoff, metrics: AgentMetrics) -> None:
        try:
            outcome = self._look(kind, day)
        except Unreachable as down:
            outcome = "unreachable"
            self._tell(kind, day, "sum not asked for yet", str(down))
        except ApiRefused as refused:
            outcome = self._refused_by_api(kind, day, refused)
        except MaskingRefused as unsafe:
            outcome = "refused"
            self._tell(kind, day, "not taking part in this sum", str(unsafe))
        except _NotYet:
            outcome = ""
        else:
            if outcome is None:
                return  # the others' turn
            wait.worked()
        if outcome in ("refused", "unreachable", ""):
            wait.failed()
        if outcome:
            metrics.sums.labels(kind, outcome).inc()

    def _refused_by_api(self, kind: Kind, day: int, refused: ApiRefused) -> str:
        if refused.code == "already-open":
            part = self._parts.get(kind, day) or SecureSumState("", [])
            if not part.lost:
                self._end(kind, day, part, "open")
            return "open"
        if refused.code in _PATIENT:
            return ""
        self._tell(kind, day, "sum refused by the API", f"{refused.code}: {refused}")
        return "refused"

    def _look(self, kind: Kind, day: int) -> str | None:
        """Answer what is asked; returns the outcome, None if nothing was asked."""
        status = self._client.sum_state(day, kind, self._home)
        part = self._part(kind, day, status)
        if status.phase in ("open", "failed"):
            self._end(kind, day, part, status.phase)
            return status.phase
        if part.ended or self._home not in status.waiting_for:
            return None
        message = self._answer(kind, day, part, status)
        self._client.say(day, kind, message)
        _log.info("sum answered", extra={"home": self._home, "kind": kind, "day": day, "stage": message.stage})
        return "answered"

    def _part(self, kind: Kind, day: int, status: SumStatus) -> SecureSumState:
        """This home's state in the sum. Raises MaskingRefused if it is bound to another one."""
        kept, terms = self._parts.get(kind, day), (status.nonce.hex(), list(status.members))
        if kept is not None and (kept.nonce, kept.members) == terms:
            return kept
        if kept is None:
            return SecureSumState(*terms)
        second = f"a second sum of day {day} ({kind})"
        if kept.lost:
            raise MaskingRefused(f"perhaps {second}: {kept.lost}, so this home stays out of it")
        if kept.bound:
            raise MaskingRefused(
                f"{second}: this home's masked values are in another one; the two would reveal the difference"
            )
        left = [*kept.left, kept.nonce] if kept.nonce else kept.left
        if terms[0] in left:
            raise MaskingRefused(f"{second}: this home has left that one for another")
        return SecureSumState(*terms, left=left)

    def _answer(self, kind: Kind, day: int, part: SecureSumState, status: SumStatus) -> SumMessage:
        """The answer to the phase, on disk before it is sent; an earlier answer is sent again unchanged."""
        if part.stage == status.phase and part.message is not None:
            return SumMessage.from_json(part.message)
        if status.phase not in STAGES:
            raise MaskingRefused(f"{status.phase[:20]!r} is not a stage of a sum")
        stage: Stage = next(s for s in STAGES if s == status.phase)
        if STAGES.index(stage) <= part.reached:
            raise MaskingRefused(f"asked for `{stage}` of a sum after `{part.stage}`: a stage never goes back")
        terms = self._terms(kind, day, status)
        session = terms.session(self._roster.members)
        self._check_only(kind, day, terms.members)
        if stage == "keys":
            self._check(terms, session)
            member = Member(session, self._home, self._key)
        elif not part.secrets:
            raise MaskingRefused(f"asked for `{stage}` of a sum that this home has given no keys for")
        else:
            member = Member.load(session, self._home, bytes.fromhex(part.secrets), self._key)
        try:
            items = self._items(terms, member, stage, status.items)
        except MaskingRefused:
            part.end("refused")  # a stage is entered once, even if refused
            self._parts.put(kind, day, part)
            raise
        message = SumMessage(self._home, stage, items).signed(session, self._key)
        part.stage, part.secrets, part.message = stage, member.save().hex(), message.to_json()
        part.survivors = sorted(status.items) if stage == "agree" else part.survivors
        self._parts.put(kind, day, part)
        return message

    def _items(self, terms: SumTerms, member: Member, stage: Stage, items: dict[str, bytes]) -> dict[str, bytes]:
        kind, day = terms.kind, terms.day
        if stage == "keys":
            own = self._own(kind, day)
            signed = {COMMITMENT: own.commitment, SIGNATURE: own.signature} if kind in OF_READINGS else {}
            if kind == "shared":
                signed |= {EXPORT_COMMITMENT: own.export_commitment, EXPORT_SIGNATURE: own.export_signature}
            return {KEYS: member.keys().to_bytes()} | signed
        if stage == "share":
            return member.share({peer: PublicKeys.from_bytes(keys) for peer, keys in items.items()})
        if stage == "mask":
            vector = self._own(kind, day).vector
            if terms.classes:
                vector = by_class(vector, self._classes[self._home], max(terms.classes))
            masked = member.mask(vector, items)
            return {MASKED: masked.vector, SIGNED: masked.signature}
        if stage == "agree":
            self._check_classes(terms, items)
            return {SIGNED: member.agree(items)}
        answer = {"check": member.check, "answer": member.answer, "reveal": member.reveal}[stage]
        return answer(items)

    def _own(self, kind: Kind, day: int) -> Contribution:
        own = self._contribution(kind, day)
        if own is None:
            raise _NotYet
        return own

    def _terms(self, kind: Kind, day: int, status: SumStatus) -> SumTerms:
        """Raises MaskingRefused where members are counted into other classes than this home's settings say, or shared
        energy is settled by another interval."""
        is_by_class = kind == "shared" and bool(self._classes)
        own = tuple(self._classes.get(name, 0) for name in status.members) if is_by_class else ()
        if own != status.classes:
            raise MaskingRefused(
                f"the server counts {', '.join(status.members)} into the classes {list(status.classes)}, this home's "
                f"settings into {list(own)} (settlement.key, settlement.numbers)"
            )
        interval = self._interval if kind == "shared" else 60
        if interval != status.interval:
            raise MaskingRefused(
                f"the server settles shared energy by intervals of {status.interval} minutes, this home's settings "
                f"by {interval} (settlement.interval_minutes)"
            )
        return SumTerms(self._community, day, kind, status.nonce, status.members, own, interval)

    def _check_only(self, kind: Kind, day: int, members: Sequence[str]) -> None:
        """Raises MaskingRefused where the day's readings are, or may be, in a sum of another kind: over other homes,
        the difference of the two would be a home's own. Asked at each stage, for two sums may go on at once.

        What was opened by the quarter of an hour tells the hours of the very same homes already: only these are then
        summed, to open the commitments to hours that forecasts are judged by.
        """
        if kind == "measured" and self._shared_days is not None and self._interval != 60:
            shared = self._parts.get("shared", day)
            if shared is None or shared.lost or shared.ended != "open" or shared.survivors != list(members):
                raise MaskingRefused(f"the quarters of day {day} were not opened of the same homes before its hours")
            return
        for other in OF_READINGS:
            part = self._parts.get(other, day) if kind in OF_READINGS and other != kind else None
            if part is not None and part.bound:
                raise MaskingRefused(f"the readings of day {day} are in the sum `{other}` already")

    def _check_classes(self, terms: SumTerms, there: Collection[str]) -> None:
        """Raises MaskingRefused where a class's total would be of fewer homes than this home's settings ask for."""
        count, fewest = terms.smallest_class(there), self._settings.fewest_in_total
        if terms.classes and count < fewest:
            raise MaskingRefused(
                f"a class of {count} homes: this home's settings ask for {fewest} (gateway.fewest_in_total)"
            )

    def _check(self, terms: SumTerms, session: Session) -> None:
        """Raises MaskingRefused for a sum that would reveal more of this home than its settings allow."""
        self._check_classes(terms, terms.members)
        certain, fewest = session.certain, self._settings.fewest_in_total
        if certain < fewest:
            raise MaskingRefused(
                f"{len(session.members)} members, {certain} of them certain to be in the sum: this home's settings "
                f"ask for {fewest} (gateway.fewest_in_total)"
            )
        if terms.kind == "measured":
            forecast = self._parts.get("forecast", terms.day)
            if forecast is None or forecast.survivors != list(session.members):
                raise MaskingRefused("the measured total must cover the homes in the forecast's, and does not")
        if terms.kind == "export":
            load = self._parts.get("forecast", terms.day)
            if load is None or not set(session.members) <= set(load.survivors):
                raise MaskingRefused(
                    "the total of export may cover homes in the day's total of load only, and does not"
                )

    def _end(self, kind: Kind, day: int, part: SecureSumState, how: str) -> None:
        part.end(how)
        self._parts.put(kind, day, part)
        self._waits.pop((kind, day), None)
        _log.info("sum over", extra={"home": self._home, "kind": kind, "day": day, "outcome": how})

    def _tell(self, kind: Kind, day: int, what: str, reason: str) -> None:
        """Log each reason once: the same question is asked repeatedly."""
        if (kind, day, reason) not in self._logged:
            self._logged.add((kind, day, reason))
            _log.warning(what, extra={"home": self._home, "kind": kind, "day": day, "reason": reason})

    def _new_backoff(self) -> Backoff:
        return Backoff(self._first_s, self._settings.retry_max_s)
