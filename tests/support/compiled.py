"""Contracts and the arithmetic of proofs, compiled into their caches (`make compiled`): in a fresh checkout, each
process of the tests that needs one would compile it for itself, several of them the same one at once.
"""

from __future__ import annotations

from bench.proof_case import Case
from fl.task import initial_weights
from forecasting.integer import quantise
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from rewards.compile import artefact
from rewards.deploy import CHALLENGES, GREEN, NAMES, VERIFIER
from tests.rewards.conftest import proven
from zkp.lstm.weights import commit_weights
from zkp.statements import inference, skill

CONTRACTS = (*NAMES, VERIFIER, CHALLENGES, GREEN, "gossip_registry", "settlement_registry", "settlement_payments")


def compile_all() -> None:
    """Proofs of two kinds use all of the arithmetic."""
    for name in CONTRACTS:
        artefact(name)
    skill.verify(proven().statement, proven().proof)
    shape = ModelShape.of(ModelSettings(hidden=4))
    weights = initial_weights(shape, 7)
    model = quantise(weights, shape)
    home = Case(weights, model, commit_weights(model.weights), 1).home(1, 1)
    inference.verify(home.statement, home.prove(model.weights))


if __name__ == "__main__":
    compile_all()
