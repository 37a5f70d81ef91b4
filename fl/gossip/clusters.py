"""Homes with like days, found without anybody seeing a home's day: Lloyd's steps on sums.

A home's profile is its mean load by hour, weekdays and weekends, divided by its mean: 48 numbers. It finds its
nearest centre itself, and enters its profile there, zeros elsewhere, into a masked sum (`fl.secagg`). What is opened
are sums over at least `fewest` homes: the counts of a step are opened first, and homes enter nothing for a smaller
cluster.

A home that changes its cluster between two steps would be the difference of two sums. So each home enters its profile
in one step only: steps take disjoint parts of the homes, drawn from the seed (mini-batches: Sculley, WWW 2010). The
first one finds the mean of its homes; centres start from that mean, leant towards as many hours of the day.

What peers learn of each other in the end is the cluster: one of K kinds of days.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from data.windows import Windows
from fl.errors import FederationError
from fl.gossip.draws import derive, permutation
from fl.secagg.aggregator import Session, Words64, default_threshold, sum_in_process

HOURS, PROFILE = 24, 48
FEWEST_IN_SUM = 3  # as `fl.secagg` has it
_UNIT = 2**20
_WEEKEND = (2, 3)  # days since 1970-01-01, a Thursday, modulo 7
Profile = NDArray[np.float64]
Counts = NDArray[np.int64]
MaskedSum = Callable[[str, Mapping[str, Counts]], Counts]
"""(label, each home's whole numbers) -> their sum; opened over all of these homes or not at all."""


def profile_of(windows: Windows) -> Profile:
    """The home's mean day, weekdays then weekends, relative to its mean load; float64 [48]."""
    whole = windows.at_day_start()
    weekend = np.isin(whole.day % 7, _WEEKEND)
    parts = [
        whole.target[chosen].mean(axis=0) if chosen.any() else whole.target.mean(axis=0)
        for chosen in (~weekend, weekend)
    ]
    joined = np.concatenate(parts)
    return np.asarray(joined / max(1.0, joined.mean()))


def starting_centres(mean: Profile, count: int) -> NDArray[np.float64]:
    """Centres to begin with: the mean, each leant towards another hour of the day; [count, 48]."""
    peaks = (np.arange(count) + 0.5) * HOURS / count
    lean = 1 + 0.2 * np.cos(2 * np.pi * (np.arange(HOURS) - peaks[:, None]) / HOURS)
    return np.asarray(mean * np.tile(lean, (1, 2)))


def nearest(profile: Profile, centres: NDArray[np.float64]) -> int:
    """The cluster of a home; the first of equally near ones."""
    return int(((centres - profile) ** 2).sum(axis=1).argmin())


def entry(profile: Profile, centres: NDArray[np.float64], open_clusters: Sequence[int]) -> Counts:
    """What a home enters into a sum of profiles, [K * 48]: zeros but for its cluster, if that is open."""
    out = np.zeros((len(centres), PROFILE), dtype=np.int64)
    own = nearest(profile, centres)
    if own in open_clusters:
        out[own] = np.rint(profile * _UNIT)
    return out.ravel()


def one_hot(profile: Profile, centres: NDArray[np.float64]) -> Counts:
    """What a home enters into the sum of counts, [K]."""
    return np.asarray(np.arange(len(centres)) == nearest(profile, centres), dtype=np.int64)


def moved_centres(centres: NDArray[np.float64], counts: Counts, sums: Counts, fewest: int) -> NDArray[np.float64]:
    """The means of the clusters that are open; the others stay."""
    means = sums.reshape(len(centres), PROFILE) / (_UNIT * np.maximum(counts, 1))[:, None]
    return np.where((counts >= fewest)[:, None], means, centres)


def find_centres(
    profiles: Mapping[str, Profile], count: int, steps: int, seed: bytes, add: MaskedSum, fewest: int = FEWEST_IN_SUM
) -> NDArray[np.float64]:
    """The centres that homes find together, [count, 48].

    Args:
        steps: at most so many of Lloyd's; each needs 2 * count * fewest homes of its own, but for the first.
        fewest: a sum of fewer profiles is not opened.

    Raises FederationError for fewer homes than two such sums for each cluster take.
    """
    homes = sorted(profiles)
    if len(homes) < 2 * count * fewest:
        raise FederationError(
            f"{count} clusters take at least {2 * count * fewest} homes, so that no sum is of fewer than {fewest}; "
            f"here are {len(homes)}: lower gossip.clusters"
        )
    parts = 1 + max(1, min(steps, len(homes) // (2 * count * fewest) - 1))
    order = permutation(derive(seed, b"steps"), len(homes))
    shares = [{homes[at]: profiles[homes[at]] for at in order[part::parts]} for part in range(parts)]
    everybody = add("mean", {home: np.rint(profile * _UNIT).astype(np.int64) for home, profile in shares[0].items()})
    centres = starting_centres(everybody / (_UNIT * len(shares[0])), count)
    for step, share in enumerate(shares[1:]):
        counts = add(f"counts {step}", {home: one_hot(profile, centres) for home, profile in share.items()})
        opened = [int(at) for at in np.flatnonzero(counts >= fewest)]
        sums = add(f"profiles {step}", {home: entry(profile, centres, opened) for home, profile in share.items()})
        centres = moved_centres(centres, counts, sums, fewest)
    return centres


def sum_under_masks(label: str, entries: Mapping[str, Counts]) -> Counts:
    """A `MaskedSum` of homes that are all in this process (`fl.secagg.aggregator`)."""
    names = tuple(sorted(entries))
    length = len(entries[names[0]])
    session = Session(label.encode(), names, default_threshold(len(names)), length, Words64())
    total, _ = sum_in_process(session, {name: values.tolist() for name, values in entries.items()})
    return np.asarray(total.view(np.int64))


def assigned(profiles: Mapping[str, Profile], centres: NDArray[np.float64], fewest: int) -> dict[str, int]:
    """Each home's cluster, once those with fewer than `fewest` homes have joined the nearest larger one."""
    found = {home: nearest(profile, centres) for home, profile in profiles.items()}
    sizes = np.bincount(list(found.values()), minlength=len(centres))
    large = np.flatnonzero(sizes >= fewest)
    if not len(large):
        return dict.fromkeys(found, 0)
    moved = {
        at: int(large[((centres[large] - centres[at]) ** 2).sum(axis=1).argmin()]) if sizes[at] < fewest else at
        for at in range(len(centres))
    }
    return {home: moved[at] for home, at in found.items()}
