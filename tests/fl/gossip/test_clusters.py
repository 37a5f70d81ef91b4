"""Clusters found by sums: Lloyd's steps as scikit-learn's, and no sum that is one home's profile."""

import numpy as np
from sklearn.cluster import KMeans

from fl.gossip.clusters import (
    FEWEST_IN_SUM,
    PROFILE,
    assigned,
    entry,
    find_centres,
    moved_centres,
    nearest,
    one_hot,
    profile_of,
    starting_centres,
    sum_under_masks,
)
from tests.fl.federation import made_up_windows


def profiles_of(count: int) -> dict[str, np.ndarray]:
    """Two kinds of days, and noise."""
    generator = np.random.default_rng(5)
    hours = np.tile(np.arange(24), 2)
    found = {}
    for number in range(count):
        peak = 7 if number % 2 else 19
        found[f"home-{number:03d}"] = (
            1 + 0.6 * np.cos(2 * np.pi * (hours - peak) / 24) + generator.normal(0, 0.05, 48)
        )
    return found


def test_one_step_is_lloyds_from_the_same_start() -> None:
    profiles = profiles_of(24)
    rows = np.stack(list(profiles.values()))
    start = starting_centres(rows.mean(axis=0), 2)
    counts = np.sum([one_hot(row, start) for row in rows], axis=0)
    sums = np.sum([entry(row, start, [0, 1]) for row in rows], axis=0)
    ours = moved_centres(start, counts, sums, FEWEST_IN_SUM)
    theirs = KMeans(2, init=start, n_init=1, max_iter=1, algorithm="lloyd").fit(rows)
    labels = [nearest(row, start) for row in rows]
    means = np.stack([rows[np.array(labels) == at].mean(axis=0) for at in range(2)])
    assert np.abs(ours - means).max() < 1e-6
    assert np.abs(np.sort(theirs.cluster_centers_, axis=0) - np.sort(ours, axis=0)).max() < 1e-6


def test_homes_find_their_kinds_under_masks() -> None:
    profiles = profiles_of(30)
    centres = find_centres(profiles, 2, 3, bytes(32), sum_under_masks)
    found = assigned(profiles, centres, 5)
    kinds = [{found[home] for home in list(profiles)[at::2]} for at in (0, 1)]
    assert all(len(kind) == 1 for kind in kinds) and kinds[0] != kinds[1]


def test_a_home_enters_its_profile_into_one_sum_only() -> None:
    """Two sums that one home is in, and in the other not, would differ by its profile."""
    entered: dict[str, int] = {}

    def watched(label: str, entries: dict[str, np.ndarray]) -> np.ndarray:
        for home, values in entries.items():
            if len(values) >= PROFILE:
                entered[home] = entered.get(home, 0) + 1
        return np.sum(list(entries.values()), axis=0)

    find_centres(profiles_of(60), 2, 3, bytes(32), watched)
    assert set(entered.values()) == {1} and len(entered) == 60


def test_a_cluster_of_too_few_homes_is_not_summed() -> None:
    """One home of another kind than all the others: its profile is in no sum of a cluster."""
    profiles = {home: p for at, (home, p) in enumerate(profiles_of(41).items()) if at % 2 == 0}
    profiles |= {"odd": profiles_of(2)["home-001"]}
    opened = []

    def watched(label: str, entries: dict[str, np.ndarray]) -> np.ndarray:
        total = np.asarray(np.sum(list(entries.values()), axis=0))
        if label.startswith("profiles"):
            present = [(values != 0).reshape(2, PROFILE).any(axis=1) for values in entries.values()]
            opened.extend(np.sum(present, axis=0).tolist())
        return total

    find_centres(profiles, 2, 1, bytes(32), watched)
    assert opened and all(count == 0 or count >= FEWEST_IN_SUM for count in opened)


def test_small_clusters_join_the_nearest() -> None:
    centres = np.stack([np.ones(48), np.ones(48) * 1.1, np.ones(48) * 5])
    profiles = {f"h{at}": np.ones(48) * (1.0 if at < 6 else 1.1 if at < 8 else 5.0) for at in range(16)}
    found = assigned(profiles, centres, 5)
    assert found["h6"] == found["h0"] != found["h9"]


def test_a_profile_is_relative_and_knows_weekends() -> None:
    windows = made_up_windows(("home-a",), 28)
    profile = profile_of(windows)
    assert profile.shape == (48,) and abs(profile.mean() - 1) < 1e-9
