"""Errors of the chain: it cannot be reached, or it refuses, and why."""

import re


class ChainError(Exception):
    """Base of this package's errors."""


class NodeUnreachable(ChainError):
    """The node does not answer."""


class StateGone(ChainError):
    """The node has no state of an earlier block: it was started anew, or keeps that of few blocks."""


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


class AnotherForecast(Refused):
    """The claim is of another forecast than the registered one."""


class DayNotOver(Refused):
    """The day can't be paid before its end."""


class AlreadyClaimed(Refused):
    """The day was paid before."""


class WrongMeter(Refused):
    """A day's commitment is not signed by the household's meter."""


class EarlyForecast(Refused):
    """The day starts in more than two days."""

    remedy = "forecasts are taken from two days before their day starts on"


class LateClaim(Refused):
    """Claims of the day are closed."""

    remedy = "a day is claimed within fourteen days after its end"


class ClaimsOpen(Refused):
    """The day can't be finalised while it can be claimed."""


class NotFinal(Refused):
    """The day was not finalised yet."""


class AlreadyCollected(Refused):
    """The household was paid for the day."""


class CapReached(Refused):
    """The meter has earned all that it can earn in that year."""

    remedy = "a meter earns no more than rewards.year_cap in a year"


class MeterElsewhere(Refused):
    """The meter is, or will be, at another household on that day."""


class MembershipRefused(Refused):
    """A household cannot join, leave or come back as it says."""


class NotTheHousehold(Refused):
    """A statement is not signed by the household it names, was used before, or is for another chain or contract."""


class LateSignature(Refused):
    """A statement's deadline has passed."""

    remedy = "sign it anew"


class VoidForecast(Refused):
    """The forecast was challenged, and nobody answered in time."""

    remedy = "nobody brought its inference proof in time, so it is paid nothing"


class ChallengeRefused(Refused):
    """A forecast can't be challenged, or a challenge not answered in this way."""


class GreenRefused(Refused):
    """A day is not noted as green, or its weights are not registered."""


class NoWeights(GreenRefused):
    """Nobody said how green the hours of the day are, before it started."""


class NoSkillClaim(GreenRefused):
    """The day's claim for the forecast has to be taken before that for its green share."""


class LeafRefused(Refused):
    """A leaf is not in its day's root, or comes too late."""


class Paused(Refused):
    """The operator has paused the contract."""

    remedy = "the operator has stopped the contract: ask there, and try again when it goes on"


class ProofRefused(Refused):
    """The contract's verifier does not accept the skill proof."""


class StaleTransaction(Refused):
    """The transaction was signed for another nonce of its account, or for too low a fee, or waits already."""

    @property
    def can_be_outbid(self) -> bool:
        """Whether a transaction with its nonce waits, for which a higher fee takes its place."""
        return is_outbid(self.reason)


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
    "another forecast": AnotherForecast,
    "day is not over": DayNotOver,
    "already claimed": AlreadyClaimed,
    "early forecast": EarlyForecast,
    "late claim": LateClaim,
    "claims are open": ClaimsOpen,
    "day is not final": NotFinal,
    "already collected": AlreadyCollected,
    "cap of the year": CapReached,
    "meter is elsewhere": MeterElsewhere,
    "forecast is void": VoidForecast,
    "challenged before": ChallengeRefused,
    "late challenge": ChallengeRefused,
    "no features": ChallengeRefused,
    "wrong bond": ChallengeRefused,
    "no root": LeafRefused,
    "not in the root": LeafRefused,
    "late leaf": LeafRefused,
    "root exists": LeafRefused,
    "no weights": NoWeights,
    "narrow weights": GreenRefused,
    "no claim for the forecast": NoSkillClaim,
    "weights exist": GreenRefused,
    "late weights": GreenRefused,
    "not green enough": GreenRefused,
    "green before": GreenRefused,
    "day is not paid": GreenRefused,
    "no challenge": ChallengeRefused,
    "answered before": ChallengeRefused,
    "late answer": ChallengeRefused,
    "another model": ChallengeRefused,
    "other features": ChallengeRefused,
    "another window": ChallengeRefused,
    "malformed answer": ChallengeRefused,
    "not the household": NotTheHousehold,
    "signature is late": LateSignature,
    "household has left": MembershipRefused,
    "household has not left": MembershipRefused,
    "household is enrolled": MembershipRefused,
    "pausable: contract is paused": Paused,
    "not the meter": WrongMeter,
    "invalid proof": ProofRefused,
    "malformed proof": ProofRefused,
    "malformed point": ProofRefused,
    "malformed statement": ProofRefused,
}
_STALE = re.compile("nonce|underpriced|fee (cap|per gas)|already (known|imported)", re.IGNORECASE)
_WAITS = re.compile("underpriced|already (known|imported)", re.IGNORECASE)


def is_outbid(message: str) -> bool:
    """Whether a node says that a transaction of the same nonce waits, which offers as much or more."""
    return _WAITS.search(message) is not None


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


class TooFewTokens(ChainError):
    """The operator has fewer tokens than a period's shares come to; the message says how many are missing."""
