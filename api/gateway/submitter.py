"""Submits a gateway's heads, forecasts, claims, green shares and shares of periods: signs, sends, and repeats.

Delivery is at least once: a submission is repeated until the API confirms it, which it also does for a repeat.
Everything is on disk (`api.gateway.outbox`) before it is sent. This runs in the agent's main process, without a proof
system.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

from api.config.key_file import household_account
from api.config.settings import ApiSettings, GatewaySettings
from api.gateway.client import ApiClient
from api.gateway.day_traces import DayTraces
from api.gateway.head_commitment import read_head_commitment, write_head_commitment
from api.gateway.membership import Membership, NotInvited
from api.gateway.outbox import Kind, Outbox, State, Submission
from api.gateway.period_shares import shares_file
from api.gateway.trust_on_first_use import OtherChain, TrustOnFirstUse
from api.protocol.bounded_client import ApiRefused, Unreachable
from data.damage import whole
from data.errors import DamagedFile
from data.json_text import loads
from data.numbered_files import numbered
from fl.deployment.backoff import Backoff
from fl.deployment.telemetry import AgentMetrics
from rewards.errors import NodeUnreachable
from rewards.rpc_client import RpcClient
from rewards.signing import NO_HEAD, FeeTooHigh, HeadPin, Registration, RegistryCall, sign

_log = logging.getLogger(__name__)
_SIGNINGS = 3  # each may cost its fee, and a cheating API could request one after another

DONE_BEFORE = {
    "head": "head-exists", "forecast": "replayed-proof", "claim": "already-claimed", "green": "already-claimed",
    "share": "share-exists", "export": "replayed-proof",
}  # fmt: skip
"""The refusals of a repeat whose first attempt had succeeded."""
MAY_RESOLVE = frozenset(
    {"unknown-household", "unknown-round", "chain-unreachable", "day-not-over", "no-weather", "wrong-features",
     "no-skill-claim", "paused", "no-open-period"}
)  # fmt: skip
"""Refusals that may be resolved later: the household enrolled, the round published, the feed updated, the claim taken
again after a reorganisation, the contract going on, the period opened."""
FINAL = frozenset(
    {"late-forecast", "duplicate-forecast", "late-round", "old-round", "wrong-model", "wrong-meter",
     "wrong-head", "other-head", "other-household", "other-community", "malformed-proof", "invalid-proof",
     "invalid-statement", "malformed-transaction", "malformed-request", "stale-transaction",
     "no-forecast", "chain-refused", "too-large", "late-claim", "year-cap", "no-green-hours", "not-green",
     "not-in-period"}
)  # fmt: skip
"""Permanent refusals, by the names they are counted under; an API that invents others adds no series."""
_OWN_CODES = frozenset({"unreachable", "other-chain", "fee-too-high", "unconfirmed", "damaged"})
OUTCOMES = frozenset({"ok", "other"}) | FINAL | MAY_RESOLVE | _OWN_CODES
"""The outcomes under which attempts to submit are counted."""


_REMEDY = (
    "Keep it, and restore a copy from your backup, or move it and its submission away: it may then be made again"
)


class _Later(Exception):
    """Not now; `code` says why. The submission waits."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Submitter:
    """Submits for one home.

    Args:
        folders: where the home's proofs, claims and keys are.
        first_s: the first wait before the API is asked again.
        traces: of the home's days.
        client: of the API; the submitter talks to nothing else but the household's own node, if it has one.
    """

    def __init__(
        self,
        home: str,
        folders: ApiSettings,
        settings: GatewaySettings,
        client: ApiClient,
        node: RpcClient | None,
        *,
        first_s: float,
        traces: DayTraces,
    ) -> None:
        self._traces = traces
        self._home, self._api, self._settings, self._first_s = home, folders, settings, first_s
        self._client, self._node = client, node
        self._pin = TrustOnFirstUse(settings, folders.state_dir / "pinned.json")
        self.outbox = Outbox(folders.outbox_dir, home)
        self._connection = self._new_backoff()
        self._waits: dict[tuple[str, int], Backoff] = {}

    def run_once(self, metrics: AgentMetrics) -> None:
        """Submit what is new and what is waiting, if its time has come."""
        self._announce(metrics)
        self._note_new()
        for submission in self.outbox.all():
            self._try_if_due(submission, metrics)
        metrics.submissions_waiting.set(sum(submission.state == "waiting" for submission in self.outbox.all()))

    def head_is_settled(self, number: int, metrics: AgentMetrics) -> bool:
        """Whether it is certain which head is in force; submits the round's head if necessary.

        A transaction that was sent and not answered may or may not have pinned it.
        """
        self._note_new_head(number)
        submission = self.outbox.get("head", number)
        if submission is None:
            return True
        self._try_if_due(submission, metrics)
        submission = self.outbox.get("head", number)
        assert submission is not None  # a submission of a head is never forgotten
        return submission.state != "waiting" or submission.transaction is None

    def join(self) -> bool:
        """Enrol the household if it is invited; whether it is enrolled, as far as the API can be asked."""
        try:
            self._join()
        except _Later as why:
            _log.info("not enrolled yet", extra={"home": self._home, "reason": str(why)})
            return False
        return True

    def _try_if_due(self, submission: Submission, metrics: AgentMetrics) -> None:
        wait = self._waits.setdefault((submission.kind, submission.number), self._new_backoff())
        if submission.state == "waiting" and wait.due and self._connection.due:
            self._try(submission, wait, metrics)

    def _announce(self, metrics: AgentMetrics) -> None:
        """Start every series at zero: Prometheus sees no increase in a series that first appears with a count."""
        for kind in DONE_BEFORE:
            for outcome in OUTCOMES:
                metrics.submissions.labels(kind, outcome)

    def _try(self, submission: Submission, wait: Backoff, metrics: AgentMetrics) -> None:
        unit = "round" if submission.kind == "head" else "day"
        context = {"home": self._home, "kind": submission.kind, unit: submission.number}
        try:
            with self._traces.submitting(submission):
                self._submit(submission)
        except _Later as later:
            backoff = self._connection if later.code == "unreachable" else wait
            again_s = backoff.failed()
            metrics.submissions.labels(submission.kind, later.code).inc()
            # A share that comes late joins the settlement all the same.
            is_old = time.time() - submission.since > self._settings.give_up_hours * 3600
            if is_old and submission.kind != "share":
                self._end(submission, "refused", "given-up")
                _log.error("given up", extra=context | {"code": later.code, "reason": str(later)})
            else:
                _log.warning("not submitted yet", extra=context | {
                    "code": later.code, "reason": str(later), "again_in_s": round(again_s, 1)
                })  # fmt: skip
        except ApiRefused as refused:
            self._connection.worked()
            self._end(submission, "refused", refused.code)
            metrics.submissions.labels(submission.kind, refused.code if refused.code in FINAL else "other").inc()
            _log.error("refused", extra=context | {"code": refused.code, "reason": str(refused)})
        else:
            self._connection.worked()
            self._end(submission, "done")
            metrics.submissions.labels(submission.kind, "ok").inc()
            _log.info("submitted", extra=context)

    def _submit(self, submission: Submission) -> None:
        """Until the API has it. Raises _Later or, for good, ApiRefused."""
        kinds: dict[Kind, Callable[[Submission], None]] = {
            "head": self._submit_head, "forecast": self._submit_forecast, "claim": self._submit_claim,
            "green": self._submit_green, "share": self._submit_shares, "export": self._submit_export,
        }  # fmt: skip
        try:
            kinds[submission.kind](submission)
        except (Unreachable, NodeUnreachable) as down:
            raise _Later("unreachable", str(down)) from down
        except OtherChain as other:
            raise _Later("other-chain", str(other)) from other
        except FeeTooHigh as dear:
            raise _Later("fee-too-high", str(dear)) from dear
        except DamagedFile as damaged:
            raise _Later("damaged", str(damaged)) from damaged
        except ApiRefused as refused:
            if refused.code == "unknown-household":
                self._join()
            relayed = submission.kind in ("claim", "green")
            if refused.code in MAY_RESOLVE or (relayed and refused.code == "stale-transaction"):
                # A claim's transaction is the operator's own: it is for the operator to get it right.
                raise _Later(refused.code, str(refused)) from refused
            if refused.code != DONE_BEFORE[submission.kind]:
                raise

    def _join(self) -> None:
        """Enrol the household by its own signature, if it is invited. Raises _Later where that is not to be had."""
        try:
            Membership(self._wallet, self._client, self._pin).join()
        except (Unreachable, ApiRefused, NotInvited) as why:
            raise _Later("unknown-household", str(why)) from why
        except OtherChain as other:
            raise _Later("other-chain", str(other)) from other

    def _submit_head(self, submission: Submission) -> None:
        """Have the head pinned, and record when, according to the registry."""
        note = read_head_commitment(self._home_folder, submission.number)
        if note is None:
            raise ApiRefused("no-head", f"the home's folder no longer has a head for round {submission.number}", 404)
        pin = HeadPin(submission.number, bytes.fromhex(note.digest[2:]))
        self._send_signed(submission, pin, lambda transaction: self._client.pin_head(pin, transaction))
        kept = (self._node or self._client).head_of(self._wallet.address, pin.round)
        if kept is None:
            raise _Later("unconfirmed", "the API says that the head is pinned, but not in the registry")
        if kept.digest != pin.digest:
            raise ApiRefused(
                "other-head", f"round {pin.round} has another head of this household: 0x{kept.digest.hex()}", 409
            )
        write_head_commitment(self._home_folder, replace(note, pinned_at=kept.pinned_at))

    def _submit_forecast(self, submission: Submission) -> None:
        bundle = _bundle(self._api.proofs_dir, submission.number, self._home)
        registration = self._registration(bundle)
        self._send_signed(submission, registration, lambda transaction: self._client.submit(bundle, transaction))
        if self._node is not None and not self._node.holds(self._wallet.address, registration):
            raise _Later("unconfirmed", "the API says that it is registered, the household's own node does not")

    def _submit_export(self, submission: Submission) -> None:
        self._client.export(_bundle(self._api.proofs_of("export"), submission.number, self._home))

    def _submit_claim(self, submission: Submission) -> None:
        self._client.claim(_bundle(self._api.claims_dir, submission.number, self._home))

    def _submit_green(self, submission: Submission) -> None:
        self._client.green_share(_bundle(self._api.green_dir, submission.number, self._home))

    def _submit_shares(self, submission: Submission) -> None:
        path = shares_file(self._api.shares_dir, submission.number, self._home)
        with whole(path, "a home's shares of a period", _REMEDY):
            content = loads(path.read_bytes())
            period = str(content.pop("period"))
            for share in content["shares"]:
                share.pop("leaf")
        self._client.post_shares(period, json.dumps(content).encode())

    def _registration(self, bundle: bytes) -> Registration:
        """What the registry should record of a bundle this gateway made."""
        content = loads(bundle)
        proof, context = bytes.fromhex(content["proof"][2:]), content["context"]
        note = read_head_commitment(self._home_folder, context["round"]) if content["personal"] else None
        head = NO_HEAD if note is None else bytes.fromhex(note.digest[2:])
        commitment = bytes.fromhex(content["forecast"][2:])
        return Registration(context["day"], context["round"], head, commitment, keccak(proof))

    def _send_signed(self, submission: Submission, said: RegistryCall, send: Callable[[str], None]) -> None:
        """Send the household's transaction; a stale one is signed again, later."""
        submission = self._signed(submission, said)
        assert submission.transaction is not None  # signed just now or before
        try:
            send(submission.transaction)
        except ApiRefused as refused:
            if refused.code == "stale-transaction" and submission.signings < _SIGNINGS:
                self.outbox.put(replace(submission, transaction=None))
                raise _Later(refused.code, str(refused)) from refused
            if refused.code != DONE_BEFORE[submission.kind]:
                raise

    def _signed(self, submission: Submission, said: RegistryCall) -> Submission:
        """The submission with its transaction, on disk before it is sent."""
        if submission.transaction is not None:
            return submission
        wallet = self._wallet
        facts = (self._node or self._client).facts(wallet.address)
        self._pin.check(facts)
        raw = sign(wallet, facts, said, self._settings.most_fee)
        submission = replace(submission, transaction="0x" + raw.hex(), signings=submission.signings + 1)
        self.outbox.put(submission)
        return submission

    @property
    def _home_folder(self) -> Path:
        return self._api.homes_dir / self._home

    @property
    def _wallet(self) -> LocalAccount:
        return household_account(self._home_folder)

    def _note_new_head(self, number: int) -> None:
        """Put the head of a round into the outbox, if there is one that is not pinned."""
        if read_head_commitment(self._home_folder, number) is not None and self.outbox.get("head", number) is None:
            self.outbox.put(Submission("head", number, int(time.time())))

    def _note_new(self) -> None:
        """Put the newest forecasts and every claim on disk into the outbox; older forecasts are too late."""
        now = int(time.time())
        forecasts: tuple[tuple[Kind, Path], ...] = (
            ("forecast", self._api.proofs_dir), ("export", self._api.proofs_of("export")),
        )  # fmt: skip
        for kind, proofs in forecasts:
            known = [e.number for e in self.outbox.all() if e.kind == kind]
            for day in _days(proofs, self._home)[-1:]:
                if day > max(known, default=-1):
                    self.outbox.put(Submission(kind, day, now))
                    self.outbox.forget_before(day)
        for day in self.outbox.unclaimed():
            if (self._api.claims_dir / str(day) / f"{self._home}.json").exists():
                self.outbox.put(Submission("claim", day, now))
        for day in _days(self._api.shares_dir, self._home):
            if self.outbox.get("share", day) is None:
                self.outbox.put(Submission("share", day, now))

    def _end(self, submission: Submission, state: State, code: str = "") -> None:
        kept = self.outbox.get(submission.kind, submission.number) or submission
        self.outbox.put(kept.ended(state, code))
        self._waits.pop((submission.kind, submission.number), None)

    def _new_backoff(self) -> Backoff:
        return Backoff(self._first_s, self._settings.retry_max_s)


def _bundle(folder: Path, day: int, home: str) -> bytes:
    """A bundle made before. Raises DamagedFile, FileNotFoundError."""
    path = folder / str(day) / f"{home}.json"
    with whole(path, "a proof bundle", _REMEDY):
        content = path.read_bytes()
        if loads(content)["context"]["day"] != day:
            raise ValueError("another day")
        return content


def _days(folder: Path, home: str) -> list[int]:
    """Days of which a home has a bundle, ascending."""
    return numbered(path.parent.name for path in folder.glob(f"[0-9]*/{home}.json"))
