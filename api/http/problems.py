"""The one form of every refusal, a problem in JSON (RFC 9457), and what each code means."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Problem(BaseModel):
    """Why a request was refused (RFC 9457). `error`: the code; `message`: `detail` again, as before /v1."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    message: str


PROBLEM_JSON = "application/problem+json"


MEANINGS: dict[str, str] = {
    "already-claimed": "the day was paid before",
    "already-open": "the total of the day was opened before",
    "busy": "too many requests are waiting for the same work: try again after the seconds in Retry-After",
    "chain-refused": "a contract refused; its reason is in the message",
    "chain-unreachable": "the chain node does not answer, or the transaction is in no block yet: try again",
    "chain-unwritable": "the server cannot write the embedded chain's journal: nothing was done, try again later",
    "database-unreachable": "the server's database does not answer: try again later",
    "day-not-over": "the day cannot be paid before its end",
    "duplicate-forecast": "the household has committed itself to another forecast of that day",
    "forged-message": "the message is not signed by the member's key",
    "forged-statement": "the statement is not signed by the household, was used before, or names another contract",
    "head-exists": "the household has pinned a personal head to that round",
    "internal": "a fault of the server; its log says more",
    "invalid-proof": "the proof does not prove its statement",
    "invalid-statement": "the bundle's statement is malformed or out of range",
    "late-forecast": "the deadline of the day has passed",
    "late-round": "the round's model was published after the day had started",
    "late-claim": "the day's claims are closed",
    "late-statement": "the statement's deadline has passed: sign it anew",
    "malformed-message": "the message's items are not what its stage asks for",
    "malformed-proof": "the bytes are not a bundle, or its proof is not one",
    "malformed-request": "the request is not of the documented form; the message names the first field that is wrong",
    "malformed-transaction": "the transaction cannot be read",
    "no-claim": "no such claim was taken here",
    "no-day": "nothing is known of that day",
    "no-feed": "this server serves no weather feed, or has none yet",
    "no-forecast": "there is no such forecast",
    "no-green-hours": "nobody registered how green the day's hours are, before it started",
    "no-head": "no personal head is pinned",
    "no-measurement": "the measured total has not been opened",
    "no-model": "no model of that round is published here",
    "no-open-period": "no such period was opened to its members",
    "no-settlement": "no such period was settled here",
    "no-skill-claim": "the day's claim for its forecast has to be taken first",
    "no-surplus": "the surplus hours of this day are not known here",
    "no-share": "no such share is in the settlement",
    "no-such-membership": "the household does not stand where it would have to for this statement",
    "no-sum": "there is no sum of that day for gateways to enter",
    "no-weather": "the community's weather feed does not reach that day yet",
    "not-a-member": "the sender is not in this sum",
    "not-in-period": "the household was no member on any day of the period",
    "not-allowed": "the wallet that is signed in may not see this",
    "not-calibrated": "too few past days are known",
    "not-green": "the percentage is no higher than that of a load that is the same in every hour",
    "not-found": "there is nothing at that path",
    "not-ready": "the server is running, but something it needs is not",
    "not-signed-in": "sign in with a wallet first",
    "old-challenge": "the challenge was issued for another address, is too old, or was used: request a new one",
    "old-round": "a newer round's model was in force when the day started",
    "other-community": "the bundle speaks of another community",
    "other-household": "bundle and transaction are of different households",
    "other-quantity": "the proof is of a forecast of export where one of load is taken, or the reverse",
    "paused": "the operator has stopped the contract",
    "replayed-proof": "the proof was submitted before",
    "second-message": "the member has sent another message in this stage",
    "share-exists": "the member's shares of the period were taken before",
    "slow-request": "the request was not complete in time",
    "stale-transaction": "the transaction's nonce or fee is out of date: sign it again",
    "too-deep": "arrays and objects are nested too deeply",
    "too-early": "it is too early for this request",
    "too-large": "the request is larger than the server reads",
    "too-many-requests": "this address sends more requests than it may: try again after the seconds in Retry-After",
    "unknown-household": "the household is not enrolled",
    "unknown-round": "no model of that round is published",
    "unknown-shape": "the proof's model is not of this community's shape: check it with `wattproof verify`",
    "wrong-features": "the public features are not those of the community's weather feed",
    "wrong-head": "the forecast is not made with the personal head that is in force",
    "wrong-meter": "a day is not signed by the household's meter",
    "wrong-method": "the path does not support that method; Allow lists those it does",
    "wrong-model": "the proof's weights are not those of its round",
    "wrong-signature": "the message is not signed by the address's key",
    "wrong-stage": "the sum does not ask the member for that now",
    "year-cap": "the household's meter has earned all that it can earn in that year",
}
"""What each code means, in general; the message of a refusal says more."""


def content_of(code: str, status: int, message: str) -> dict[str, Any]:
    """The problem as JSON; its type is the code's place in the list of all of them."""
    title = MEANINGS.get(code, code.replace("-", " "))
    return {
        "type": f"/problems#{code}", "title": title, "status": status,
        "detail": message, "error": code, "message": message,
    }  # fmt: skip


def example_name(code: str, status: int) -> str:
    """What the example of a refusal is called among the components of the API's description."""
    return f"{code}-{status}"
