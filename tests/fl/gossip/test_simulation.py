"""A whole training without a server, in one process: as good as averaging, whatever two of seventeen publish."""

from dataclasses import dataclass

import numpy as np

from fl.gossip.simulation import SignFlip, leading, simulate
from fl.plan import LocalPlan
from fl.settings import FederationSettings
from fl.weights import Weights

PEERS = 17


@dataclass(frozen=True)
class Pulled:
    """A home whose data say that the weights are about 1, 2, 3, each a little else."""

    home: str
    wanted: np.ndarray
    examples: int = 1

    def fit(self, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
        return {"w": (weights["w"] + 0.5 * (self.wanted - weights["w"])).astype(np.float32)}, {"loss": 0.0}


def learners() -> list[Pulled]:
    generator = np.random.default_rng(2)
    return [Pulled(f"home-{at:02d}", np.array([1, 2, 3]) + generator.normal(0, 0.1, 3)) for at in range(PEERS)]


def settings(**gossip: object) -> FederationSettings:
    return FederationSettings.model_validate(
        {"topology": "gossip", "rounds": 12, "gossip": {"segments": 2, **gossip}}
    )


START: Weights = {"w": np.zeros(3, dtype=np.float32)}


def test_peers_end_in_agreement_at_the_homes_mean() -> None:
    done = simulate(learners(), settings(trim=0), START, [0] * PEERS)
    mean = np.mean([each.wanted for each in learners()], axis=0)
    assert np.abs(done.model["w"] - mean).max() < 0.02
    assert done.disagreement < 0.001


def test_two_liars_hardly_move_it() -> None:
    liars = (3, 11)
    done = simulate(learners(), settings(trim=2), START, [0] * PEERS, lie=SignFlip(liars), liars=liars)
    assert np.abs(done.model["w"] - [1, 2, 3]).max() < 0.15
    spoilt = simulate(learners(), settings(trim=0), START, [0] * PEERS, lie=SignFlip(liars), liars=liars)
    assert np.abs(spoilt.model["w"] - [1, 2, 3]).max() > 0.3  # without trimming it would


def test_it_is_the_same_each_time() -> None:
    one, other = (simulate(learners(), settings(), START, [0] * PEERS) for _ in range(2))
    assert (one.models == other.models).all()


def test_traffic_of_a_peer_does_not_grow_with_their_number() -> None:
    everybody = [Pulled(f"home-{at:03d}", np.ones(3)) for at in range(60)]
    few, many = (simulate(everybody[:count], settings(), START, [0] * count) for count in (20, 60))
    assert many.bytes_per_peer_epoch < few.bytes_per_peer_epoch * np.log(60) / np.log(20)


def test_no_liar_leads() -> None:
    assert leading(bytes(31) + b"\x02", 5, (2, 3)) == 4
