"""Challenges of forecasts, and the inference proofs that answer them (`contracts/challenges.vy`).

All of an answer is public: the bundle of a forecast holds it. So anybody answers for a household, and takes the bond.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak
from web3.contract import Contract

from rewards.answers import Answer
from rewards.chain import Chain
from rewards.challenge_client import ANSWER_GAS, Challenge
from rewards.deploy import Contracts
from rewards.errors import NoPrecompiles
from rewards.events import events
from zkp.lstm.integer_model import Ints


def features_digest(steps: Ints, exogenous: Ints) -> bytes:
    """Keccak-256 of a day's public features, steps [1, T, public] and exogenous [1, E], as in a statement."""
    return keccak(steps.astype(">i8").tobytes() + exogenous.astype(">i8").tobytes())


def publish_features(chain: Chain, contracts: Contracts, operator: LocalAccount, day: int, digest: bytes) -> None:
    """Register the digest of a day's features, unless there is one. Raises Refused."""
    challenges = _challenges(contracts).functions
    if not any(challenges.features_of(day).call()):
        chain.send(operator, challenges.publish_features(day, digest))


def challenge(chain: Chain, contracts: Contracts, challenger: LocalAccount, household: str, day: int) -> None:
    """Doubt a forecast, with the bond. Raises Refused."""
    challenges = _challenges(contracts).functions
    chain.send(challenger, challenges.challenge(household, day), value=int(challenges.BOND().call()))


def challenge_of(contracts: Contracts, household: str, day: int) -> Challenge | None:
    """The challenge of a household's forecast of a day; None where nobody doubted it."""
    who, deadline, answered, closed = _challenges(contracts).functions.case_of(household, day).call()
    if not int(who, 16):
        return None
    return Challenge(household, day, str(who), int(deadline), bool(answered), bool(closed))


def open_challenges(contracts: Contracts, since: int) -> Iterator[Challenge]:
    """Challenges from block `since` on that nobody has answered, those included that nobody can any more."""
    for told in events(_challenges(contracts), "Challenged", since):
        found = challenge_of(contracts, str(told["household"]), int(told["day"]))
        if found is not None and not found.answered:
            yield found


def answer_call(contracts: Contracts, answer: Answer) -> Any:
    """The call that answers a challenge. Raises MalformedProof for a point that is none."""
    return _challenges(contracts).functions.answer(*answer.arguments)


def send_answer(chain: Chain, contracts: Contracts, sender: LocalAccount, answer: Answer) -> None:
    """Answer a challenge; the bond goes to the sender. Raises Refused."""
    chain.send(sender, answer_call(contracts, answer), ANSWER_GAS)


def _challenges(contracts: Contracts) -> Contract:
    if contracts.challenges is None:
        raise NoPrecompiles("this community's contracts check no inference proofs, so no forecast can be challenged")
    return contracts.challenges
