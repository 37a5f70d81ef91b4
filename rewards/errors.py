"""Errors of the chain: it cannot be reached, or it refuses, and why."""

import re


class ChainError(Exception):
    """Base of this package's errors."""


class NodeUnreachable(ChainError):
    """The node does not answer."""


class JournalCorrupt(ChainError):
    """The embedded chain's journal is not what this program wrote."""


class JournalUnwritable(ChainError):
    """The embedded chain's journal can't be written to: the disk is full or broken."""


class NoPrecompiles(ChainError):
    """The chain can't compute on BLS12-381."""


class ChainBusy(ChainError):
    """Another process has the embedded chain."""


class OutdatedContracts(ChainError):
    """The addresses are of contracts that this version does not know."""


class ContractsLost(ChainError):
    """The contracts cannot be found: the list of addresses is damaged, or they are not on this chain."""


class Refused(ChainError):
    """A contract refused; `reason` is its revert reason, `remedy` what it means and what to do."""

    remedy = ""

    def __init__(self, call: str, reason: str) -> None:
        super().__init__(f"{call} was refused: {reason}" + (f" ({self.remedy})" if self.remedy else ""))
        self.call, self.reason = call, reason


class LateForecast(Refused):
    """The deadline of the day has passed."""

    remedy = "the deadline of the day has passed: the next day can be forecast"


class DuplicateForecast(Refused):
    """The household has already committed to a forecast for that day."""


class UnknownHousehold(Refused):
    """The household is not enrolled."""


class UnknownRound(Refused):
    """No model of that round is registered."""


class LateRound(Refused):
    """The round's model was published only after the day had started."""

    remedy = (
        "its model was published after the day had started. This day is lost; the next one can be forecast with it: "
        "end trainings before a day starts"
    )


class OldRound(Refused):
    """Another round's model had taken the place of this one before the day started."""

    remedy = "a newer model was published before the day started: forecast with that one"


class WrongHead(Refused):
    """The forecast is not made with the personal head that is in force that day, or with one where none is."""


class HeadExists(Refused):
    """The household has pinned a personal head to that round already."""


class NoForecast(Refused):
    """The household registered no forecast of that day."""


class DayNotOver(Refused):
    """The day can't be paid before its end."""


class AlreadyClaimed(Refused):
    """The day was paid before."""


class WrongMeter(Refused):
    """A day's commitment is not signed by the household's meter."""


class ProofRefused(Refused):
    """The contract's verifier does not accept the skill proof."""


class StaleTransaction(Refused):
    """The transaction was signed for another nonce of its account, or for too low a fee."""


BY_REASON: dict[str, type[Refused]] = {
    "late forecast": LateForecast,
    "forecast exists": DuplicateForecast,
    "unknown household": UnknownHousehold,
    "unknown round": UnknownRound,
    "late round": LateRound,
    "old round": OldRound,
    "wrong head": WrongHead,
    "head exists": HeadExists,
    "no forecast": NoForecast,
    "day is not over": DayNotOver,
    "already claimed": AlreadyClaimed,
    "not the meter": WrongMeter,
    "invalid proof": ProofRefused,
    "malformed proof": ProofRefused,
    "malformed point": ProofRefused,
    "malformed statement": ProofRefused,
}
_STALE = re.compile("nonce|underpriced|fee (cap|per gas)", re.IGNORECASE)


def is_reason(message: str) -> bool:
    """Whether a node's message tells a contract's refusal, or that a transaction is out of date."""
    return "revert" in message or _STALE.search(message) is not None or any(r in message for r in BY_REASON)


def refused(call: str, message: str) -> Refused:
    """The error for a revert reason, found anywhere in a node's message."""
    for reason, kind in BY_REASON.items():
        if reason in message:
            return kind(call, reason)
    if _STALE.search(message):
        return StaleTransaction(call, f"its nonce or its fee is out of date, sign it anew ({message})")
    return Refused(call, message.removeprefix("execution reverted: "))
