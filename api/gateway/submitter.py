"""Hands in what a gateway has: its personal head, forecasts, claims. Signs, sends, repeats until there is an answer.

At least once: what has been sent is sent again until the API says that it has it, which it does for a repeat, too.
Everything is on disk (`api.gateway.outbox`) before it is sent. This runs in the agent's own process, without a proof
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

from api.config.community_yaml import Config
from api.config.key_file import household_account
from api.gateway.client import Uplink
from api.gateway.head_commitment import read_note, write_note
from api.gateway.outbox import Errand, ErrandFolder, State
from api.gateway.trust_on_first_use import OtherChain, Pin
from api.protocol.bounded_client import ApiRefused, Unreachable
from data.damage import whole
from data.errors import DamagedFile
from fl.deployment.backoff import Backoff
from fl.deployment.telemetry import AgentMetrics
from rewards.errors import NodeUnreachable
from rewards.rpc_client import OwnNode
from rewards.signing import NO_HEAD, FeeTooHigh, HeadPin, Registration, RegistryCall, sign

_log = logging.getLogger(__name__)
_COIN = 10**18
_SIGNINGS = 3  # each may cost its fee, and an API that cheats could ask for one after the other

DONE_BEFORE = {"head": "head-exists", "forecast": "replayed-proof", "claim": "already-claimed"}
"""What a repeat is told when the first time had worked."""
MAY_MEND = frozenset(
    {"unknown-household", "unknown-round", "chain-unreachable", "day-not-over", "no-weather", "wrong-features"}
)
"""Refusals that may turn out otherwise later: the household is enrolled, the round published, the feed brought up."""
FINAL = frozenset(
    {"late-forecast", "duplicate-forecast", "late-round", "old-round", "wrong-model", "wrong-meter",
     "wrong-head", "other-head", "other-household", "other-community", "malformed-proof", "invalid-proof",
     "invalid-statement", "malformed-transaction", "malformed-request", "stale-transaction",
     "no-forecast", "chain-refused", "too-large"}
)  # fmt: skip
"""Refusals for good, by the names they are counted under; an API that makes up others adds no series."""
_OWN_CODES = frozenset({"unreachable", "other-chain", "fee-too-high", "unconfirmed", "damaged"})
OUTCOMES = frozenset({"ok", "other"}) | FINAL | MAY_MEND | _OWN_CODES
"""All that a try to hand in is counted under."""


_REMEDY = (
    "Keep it, and put a copy from your backup in its place, or move it and its errand away: it may then be made again"
)


class _Later(Exception):
    """Not now; `code` says why. The errand waits."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Courier:
    """Hands in for one home.

    Args:
        uplink: the line to the API; the courier asks nobody else but the household's own node, if it has one.
    """

    def __init__(self, config: Config, home: str, uplink: Uplink, node: OwnNode | None) -> None:
        self._home, self._api, self._settings = home, config.api, config.gateway
        self._uplink, self._node = uplink, node
        self._pin = Pin(config.gateway, config.api.state_dir / "pinned.json")
        self.errands = ErrandFolder(config.api.errands_dir, home)
        self._first_s = config.federation.deployment.duty_s
        self._line = self._new_backoff()
        self._waits: dict[tuple[str, int], Backoff] = {}

    def attend(self, metrics: AgentMetrics) -> None:
        """Hand in what is new and what waits, as far as its time has come."""
        self._announce(metrics)
        self._note_new()
        for errand in self.errands.all():
            self._attend_if_due(errand, metrics)
        metrics.errands_waiting.set(sum(errand.state == "waiting" for errand in self.errands.all()))

    def head_is_settled(self, number: int, metrics: AgentMetrics) -> bool:
        """Whether it is certain which head is in force: that of the round is handed in if need be.

        A transaction that is out, without an answer, may or may not have pinned it.
        """
        self._note_new_head(number)
        errand = self.errands.get("head", number)
        if errand is None:
            return True
        self._attend_if_due(errand, metrics)
        errand = self.errands.get("head", number)
        assert errand is not None  # an errand of a head is never forgotten
        return errand.state != "waiting" or errand.transaction is None

    def _attend_if_due(self, errand: Errand, metrics: AgentMetrics) -> None:
        wait = self._waits.setdefault((errand.kind, errand.number), self._new_backoff())
        if errand.state == "waiting" and wait.due and self._line.due:
            self._attend_to(errand, wait, metrics)

    def _announce(self, metrics: AgentMetrics) -> None:
        """Start every series at zero: Prometheus sees no increase in one that appears with its first count."""
        for kind in DONE_BEFORE:
            for outcome in OUTCOMES:
                metrics.handed_in.labels(kind, outcome)

    def _attend_to(self, errand: Errand, wait: Backoff, metrics: AgentMetrics) -> None:
        unit = "round" if errand.kind == "head" else "day"
        told = {"home": self._home, "kind": errand.kind, unit: errand.number}
        try:
            self._hand_in(errand)
        except _Later as later:
            backoff = self._line if later.code == "unreachable" else wait
            again_s = backoff.failed()
            metrics.handed_in.labels(errand.kind, later.code).inc()
            if time.time() - errand.since > self._settings.give_up_hours * 3600:
                self._end(errand, "refused", "given-up")
                _log.error("given up", extra=told | {"code": later.code, "reason": str(later)})
            else:
                _log.warning("not handed in yet", extra=told | {
                    "code": later.code, "reason": str(later), "again_in_s": round(again_s, 1)
                })  # fmt: skip
        except ApiRefused as refused:
            self._line.worked()
            self._end(errand, "refused", refused.code)
            metrics.handed_in.labels(errand.kind, refused.code if refused.code in FINAL else "other").inc()
            _log.error("refused", extra=told | {"code": refused.code, "reason": str(refused)})
        else:
            self._line.worked()
            self._end(errand, "done")
            metrics.handed_in.labels(errand.kind, "ok").inc()
            _log.info("handed in", extra=told)

    def _hand_in(self, errand: Errand) -> None:
        """Until the API has it. Raises _Later or, for good, ApiRefused."""
        try:
            if errand.kind == "head":
                self._hand_in_head(errand)
            elif errand.kind == "forecast":
                self._hand_in_forecast(errand)
            else:
                self._uplink.claim(_bundle(self._api.claims_dir, errand.number, self._home))
        except (Unreachable, NodeUnreachable) as down:
            raise _Later("unreachable", str(down)) from down
        except OtherChain as other:
            raise _Later("other-chain", str(other)) from other
        except FeeTooHigh as dear:
            raise _Later("fee-too-high", str(dear)) from dear
        except DamagedFile as damaged:
            raise _Later("damaged", str(damaged)) from damaged
        except ApiRefused as refused:
            if refused.code in MAY_MEND or (errand.kind, refused.code) == ("claim", "stale-transaction"):
                # A claim's transaction is the operator's own: it is for the operator to get it right.
                raise _Later(refused.code, str(refused)) from refused
            if refused.code != DONE_BEFORE[errand.kind]:
                raise

    def _hand_in_head(self, errand: Errand) -> None:
        """Pin the head, and note when the registry says that it was."""
        note = read_note(self._home_folder, errand.number)
        if note is None:
            raise ApiRefused("no-head", f"the home's folder has no head of round {errand.number} any more", 404)
        pin = HeadPin(errand.number, bytes.fromhex(note.digest[2:]))
        self._send_signed(errand, pin, lambda transaction: self._uplink.pin_head(pin, transaction))
        kept = (self._node or self._uplink).head_of(self._wallet.address, pin.round)
        if kept is None:
            raise _Later("unconfirmed", "the head is said to be pinned, and the registry is said not to have it")
        if kept.digest != pin.digest:
            raise ApiRefused(
                "other-head", f"round {pin.round} has another head of this household: 0x{kept.digest.hex()}", 409
            )
        write_note(self._home_folder, replace(note, pinned_at=kept.pinned_at))

    def _hand_in_forecast(self, errand: Errand) -> None:
        bundle = _bundle(self._api.proofs_dir, errand.number, self._home)
        registration = self._registration(bundle)
        self._send_signed(errand, registration, lambda transaction: self._uplink.hand_in(bundle, transaction))
        if self._node is not None and not self._node.holds(self._wallet.address, registration):
            raise _Later("unconfirmed", "the API says that it is registered, the household's own node does not")

    def _registration(self, bundle: bytes) -> Registration:
        """What the registry is to keep of a bundle this gateway made."""
        content = json.loads(bundle)
        proof, context = bytes.fromhex(content["proof"][2:]), content["context"]
        note = read_note(self._home_folder, context["round"]) if content["personal"] else None
        head = NO_HEAD if note is None else bytes.fromhex(note.digest[2:])
        commitment = bytes.fromhex(content["forecast"][2:])
        return Registration(context["day"], context["round"], head, commitment, keccak(proof))

    def _send_signed(self, errand: Errand, said: RegistryCall, send: Callable[[str], None]) -> None:
        """Send what the household says with its transaction; what is stale is signed anew, later."""
        errand = self._signed(errand, said)
        assert errand.transaction is not None  # signed just now or before
        try:
            send(errand.transaction)
        except ApiRefused as refused:
            if refused.code == "stale-transaction" and errand.signings < _SIGNINGS:
                self.errands.put(replace(errand, transaction=None))
                raise _Later(refused.code, str(refused)) from refused
            if refused.code != DONE_BEFORE[errand.kind]:
                raise

    def _signed(self, errand: Errand, said: RegistryCall) -> Errand:
        """The errand with its transaction, which is on disk before it goes out."""
        if errand.transaction is not None:
            return errand
        wallet = self._wallet
        facts = (self._node or self._uplink).facts(wallet.address)
        self._pin.check(facts)
        raw = sign(wallet, facts, said, int(self._settings.max_fee * _COIN))
        errand = replace(errand, transaction="0x" + raw.hex(), signings=errand.signings + 1)
        self.errands.put(errand)
        return errand

    @property
    def _home_folder(self) -> Path:
        return self._api.homes_dir / self._home

    @property
    def _wallet(self) -> LocalAccount:
        return household_account(self._home_folder)

    def _note_new_head(self, number: int) -> None:
        """Put the head of a round among the errands, if there is one that is not pinned."""
        if read_note(self._home_folder, number) is not None and self.errands.get("head", number) is None:
            self.errands.put(Errand("head", number, int(time.time())))

    def _note_new(self) -> None:
        """Put the newest forecast and every claim on disk among the errands; older forecasts are too late."""
        now, known = int(time.time()), [e.number for e in self.errands.all() if e.kind == "forecast"]
        for day in _days(self._api.proofs_dir, self._home)[-1:]:
            if day > max(known, default=-1):
                self.errands.put(Errand("forecast", day, now))
                self.errands.forget_before(day)
        for day in self.errands.unclaimed():
            if (self._api.claims_dir / str(day) / f"{self._home}.json").exists():
                self.errands.put(Errand("claim", day, now))

    def _end(self, errand: Errand, state: State, code: str = "") -> None:
        kept = self.errands.get(errand.kind, errand.number) or errand
        self.errands.put(kept.ended(state, code))
        self._waits.pop((errand.kind, errand.number), None)

    def _new_backoff(self) -> Backoff:
        return Backoff(self._first_s, self._settings.retry_max_s)


def _bundle(folder: Path, day: int, home: str) -> bytes:
    """A bundle made before. Raises DamagedFile, FileNotFoundError."""
    path = folder / str(day) / f"{home}.json"
    with whole(path, "a proof bundle", _REMEDY):
        content = path.read_bytes()
        if json.loads(content)["context"]["day"] != day:
            raise ValueError("another day")
        return content


def _days(folder: Path, home: str) -> list[int]:
    """Days of which a home has a bundle, ascending."""
    return sorted(int(path.parent.name) for path in folder.glob(f"[0-9]*/{home}.json"))
