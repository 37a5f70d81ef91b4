"""Merges in whole numbers: oracles, what liars can't do, and the same numbers from every way to compute them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import trim_mean

from fl.aggregation.strategy import Update, mean
from fl.errors import UpdateRefused
from fl.gossip.draws import derive
from fl.gossip.epoch import merge_everybody, merge_model
from fl.gossip.fixed_point import FRACTION_BITS, LARGEST, from_fixed, to_fixed
from fl.gossip.merge import clipped, merged, trimmed
from fl.gossip.segments import Segments
from fl.gossip.settings import GossipSettings
from fl.gossip.topology import draw
from fl.weights import Weights
from tests.support.laws import examples

PRECISE = 40  # fractional bits, where 1e-12 is asked for


def models_of(peers: int, length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-(2**28), 2**28, (peers, length))


def test_a_complete_graph_without_trimming_is_federated_averaging() -> None:
    generator = np.random.default_rng(3)
    weights: list[Weights] = [
        {"a": generator.normal(size=(3, 5)).astype(np.float32), "b": generator.normal(size=7).astype(np.float32)}
        for _ in range(9)
    ]
    settings = GossipSettings(segments=4, trim=0)
    models = np.stack([np.rint(to_fixed_precisely(each)) for each in weights]).astype(np.int64)
    after = merge_everybody(models, draw(bytes(32), [0] * 9, settings), Segments(22, 4), settings)
    updates = [Update(str(at), each, 1, {}) for at, each in enumerate(weights)]
    exact = np.mean([to_fixed_precisely(each) for each in weights], axis=0) * 2.0**-PRECISE
    assert np.abs(after * 2.0**-PRECISE - exact).max() < 1e-12
    averaged = mean("equal")(updates, weights[0])
    assert np.allclose(np.concatenate([a.ravel() for a in averaged.values()]), after[0] * 2.0**-PRECISE, atol=1e-7)


def to_fixed_precisely(weights: Weights) -> np.ndarray:
    return np.concatenate([np.ravel(a).astype(np.float64) for a in weights.values()]) * 2.0**PRECISE


@given(st.data())
def test_a_trimmed_mean_is_that_of_scipy(data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, 3))
    count = data.draw(st.integers(2 * cut + 1, 12))
    values = models_of(count, 6, data.draw(st.integers(0, 99)))
    expected = trim_mean(values.astype(np.float64), (cut + 0.25) / count, axis=0)  # scipy cuts int(part * n) off
    assert np.abs(trimmed(values, cut) - expected).max() <= 0.5 + 1e-6


@examples(50)
@given(seed=st.integers(0, 999), lie=st.lists(st.integers(-LARGEST, LARGEST), min_size=6, max_size=6))
def test_one_liar_can_not_move_a_number_beyond_what_honest_peers_have(seed: int, lie: list[int]) -> None:
    honest = models_of(6, 6, seed)
    out = trimmed(np.vstack([honest, lie]), 1)
    assert (honest.min(axis=0) <= out).all() and (out <= honest.max(axis=0)).all()


@examples(50)
@given(seed=st.integers(0, 999), norm=st.integers(1, 2**20))
def test_a_clipped_neighbour_pulls_no_further_than_the_norm(seed: int, norm: int) -> None:
    own, lie = models_of(2, 8, seed)
    assert np.linalg.norm(clipped(own, [lie], [1], 2, norm) - own) <= norm / 2 + 8


def test_near_neighbours_are_not_clipped() -> None:
    own = models_of(1, 8)[0]
    assert (clipped(own, [own + 1000], [1], 2, 2**20) == own + 500).all()


def test_too_few_values_to_trim_are_clipped_and_none_leaves_the_own() -> None:
    settings = GossipSettings(trim=2, clip_norm=0.001)
    own, far = models_of(2, 4)
    assert (merged(own, [], [], 1, settings) == own).all()
    few = merged(own, [far], [1], 2, settings)
    assert np.linalg.norm(few - own) <= 0.001 * 2**FRACTION_BITS


@examples(10)
@given(seed=st.binary(min_size=32, max_size=32), trim=st.integers(0, 3), peers=st.sampled_from([4, 12, 19]))
def test_one_peer_alone_computes_what_the_simulation_does(seed: bytes, trim: int, peers: int) -> None:
    settings = GossipSettings(segments=2, trim=trim)
    models, segments = models_of(peers, 9), Segments(9, 2)
    topology = draw(seed, [at % 2 for at in range(peers)], settings)
    rows = segments.split(models)
    together = merge_everybody(models, topology, segments, settings)
    for peer in range(peers):
        alone, sources = merge_model(
            peer, models[peer], lambda other, at: rows[other, at], topology, segments, settings
        )
        assert (alone == together[peer]).all()
        assert [tuple(each) for each in sources] == [topology.neighbours(at, peer) for at in range(2)]


def test_a_peer_whose_neighbours_are_all_away_keeps_its_model() -> None:
    settings, segments = GossipSettings(segments=2), Segments(9, 2)
    own = models_of(1, 9)[0]
    topology = draw(derive(b"", 1), [0] * 12, settings)
    alone, sources = merge_model(3, own, lambda other, at: None, topology, segments, settings)
    assert (alone == own).all() and sources == [[], []]


@given(length=st.integers(1, 40), power=st.integers(0, 4))
def test_segments_join_to_the_model_and_none_is_a_run_of_it(length: int, power: int) -> None:
    vector = np.arange(length)
    segments = Segments(length, 2**power)
    rows = segments.split(vector)
    assert rows.shape == (2**power, segments.size) and (segments.join(rows) == vector).all()
    assert all((np.diff(row[row > 0]) == 2**power).all() for row in rows)


@given(st.lists(st.floats(-127, 127, width=32), min_size=1, max_size=20))
def test_a_model_in_fixed_point_is_off_by_half_a_unit_at_most(values: list[float]) -> None:
    weights = {"w": np.array(values, dtype=np.float32)}
    again = from_fixed(to_fixed(weights), weights)
    assert np.abs(again["w"].astype(np.float64) - weights["w"]).max() <= 2.0**-24 * 1.01 + 127 * 2.0**-24


@pytest.mark.parametrize("value", [128.0, -200.0, np.inf, np.nan])
def test_a_weight_that_does_not_fit_is_refused(value: float) -> None:
    with pytest.raises(UpdateRefused):
        to_fixed({"w": np.array([value], dtype=np.float32)})
