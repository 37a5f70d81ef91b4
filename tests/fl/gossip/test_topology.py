"""Graphs: connected whatever the seed, regular, mixing as their second eigenvalue says; small ones are complete."""

import networkx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fl.gossip.draws import committee, derive, leader, permutation
from fl.gossip.epoch import merge_everybody
from fl.gossip.segments import Segments
from fl.gossip.settings import GossipSettings
from fl.gossip.topology import Topology, draw
from tests.support.laws import examples

SETTINGS = GossipSettings(segments=4, degree=8, pulls=6, trim=0)
seeds = st.binary(min_size=32, max_size=32)


def graph_of(topology: Topology, segment: int) -> networkx.Graph:
    graph = networkx.Graph()
    graph.add_nodes_from(range(topology.peers))
    graph.add_edges_from((a, b) for a in range(topology.peers) for b in topology.neighbours(segment, a))
    return graph


@examples(20)
@given(seed=seeds, peers=st.integers(2, 40), clusters=st.integers(1, 3))
def test_every_segment_has_a_connected_graph_whose_edges_go_both_ways(seed: bytes, peers: int, clusters: int) -> None:
    topology = draw(seed, [peer % clusters for peer in range(peers)], SETTINGS)
    for segment in range(SETTINGS.segments):
        assert networkx.is_connected(graph_of(topology, segment))
        for peer in range(peers):
            others = topology.neighbours(segment, peer)
            assert peer not in others and list(others) == sorted(set(others))
            assert all(peer in topology.neighbours(segment, other) for other in others)


@examples(9)
@given(seed=seeds, peers=st.sampled_from([17, 40, 100]))
def test_a_peer_takes_a_segment_from_as_many_neighbours_as_the_settings_say(seed: bytes, peers: int) -> None:
    topology = draw(seed, [0] * peers, SETTINGS)
    degrees = [len(topology.neighbours(segment, peer)) for segment in range(4) for peer in range(peers)]
    assert max(degrees) == SETTINGS.pulls and min(degrees) >= 4
    assert sum(degree == SETTINGS.pulls for degree in degrees) >= 0.8 * len(degrees)
    assert all(len(topology.all_neighbours(peer)) <= SETTINGS.degree for peer in range(peers))


def test_few_peers_all_merge_with_each_other() -> None:
    topology = draw(bytes(32), [0] * 9, SETTINGS)
    assert all(topology.neighbours(0, peer) == tuple(p for p in range(9) if p != peer) for peer in range(9))


def test_clusters_are_joined_by_one_cycle_through_all() -> None:
    clusters = [0] * 30 + [1] * 30
    topology = draw(derive(b"", 7), clusters, SETTINGS)
    crossing = [(a, b) for a in range(30) for b in topology.neighbours(0, a) if b >= 30]
    assert 2 <= len(crossing) < 60 and networkx.is_connected(graph_of(topology, 0))


def test_another_seed_gives_other_neighbours() -> None:
    one, other = (draw(derive(b"", number), [0] * 50, SETTINGS) for number in (1, 2))
    same = sum(one.neighbours(0, peer) == other.neighbours(0, peer) for peer in range(50))
    assert same < 5


@examples(10)
@given(seed=seeds, clusters=st.lists(st.integers(0, 1), min_size=5, max_size=30))
def test_mixing_is_symmetric_and_doubly_stochastic(seed: bytes, clusters: list[int]) -> None:
    mixing = draw(seed, clusters, SETTINGS).mixing(1)
    assert np.allclose(mixing, mixing.T) and np.allclose(mixing.sum(axis=0), 1) and (mixing >= -1e-12).all()


@examples(10)
@given(seed=seeds)
def test_disagreement_shrinks_by_the_second_eigenvalue_when_nobody_trains(seed: bytes) -> None:
    """Ten epochs on one graph: the distance to the mean falls by the factor of the mixing matrix, or faster."""
    settings = SETTINGS.model_copy(update={"segments": 1})
    topology, segments = draw(seed, [0] * 24, settings), Segments(5, 1)
    second = np.sort(np.abs(np.linalg.eigvalsh(topology.mixing(0))))[-2]
    assert second < 0.9
    models = np.random.default_rng(1).integers(-(2**30), 2**30, (24, 5))
    mean = models.mean(axis=0)
    distance = np.linalg.norm(models - mean)
    for _ in range(10):
        models = merge_everybody(models, topology, segments, settings)
        shrunk = np.linalg.norm(models - mean)
        assert shrunk <= second * distance + 24  # half a unit of rounding for each number
        distance = shrunk


@given(seed=seeds, count=st.integers(0, 100))
def test_a_permutation_has_every_number_once(seed: bytes, count: int) -> None:
    assert sorted(permutation(seed, count)) == list(range(count))


@examples(30)
@given(seed=seeds, members=st.integers(1, 50))
def test_every_member_may_lead_at_some_rank_and_a_committee_has_nobody_twice(seed: bytes, members: int) -> None:
    assert {leader(seed, rank, members) for rank in range(members)} == set(range(members))
    assert len(set(committee(seed, 9, members))) == min(9, members)
