"""Robust aggregation: one next model from updates of which some are wrong, by accident or on purpose.

    median        the median of each parameter (Yin et al., ICML 2018)
    trimmed_mean  the mean of each parameter without its f lowest and f highest (the same)
    krum          the update nearest to its n - f - 2 nearest others (Blanchard et al., NeurIPS 2017)
    multi_krum    the mean of the n - f - 2 best of these
    bulyan        the n - 2f best by Krum, then of each parameter the mean of the n - 4f values nearest to its median
                  (El Mhamdi et al., ICML 2018; selected in one pass, as Flower does)
    norm_bound    the mean, updates first scaled down to a multiple of their median norm (Sun et al., 2019)
    outliers      the mean without updates far from the median update, by the median absolute deviation

f is `attackers`, n the homes in the round. Every home counts the same, because the number of days is self-reported.
The rules that Flower has are Flower's (the functions inside its strategies, on rows instead of its messages).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from flwr.app import Array, ArrayRecord, RecordDict
from flwr.serverapp.strategy.bulyan import aggregate_n_closest_weights
from flwr.serverapp.strategy.fedtrimmedavg import trim_mean
from flwr.serverapp.strategy.multikrum import select_multikrum
from numpy.typing import NDArray

from fl.aggregation.flat import Rows, moved, rows_of
from fl.aggregation.strategy import Combine, Update
from fl.errors import FederationError
from fl.protection_settings import RobustSettings
from fl.weights import Weights

Step = NDArray[np.float64]


def robust(settings: RobustSettings) -> Combine:
    """The rule as a way to combine a round's updates; FederationError from it for fewer homes than the rule needs."""

    def combine(updates: Sequence[Update], start: Weights) -> Weights:
        return moved(start, aggregate(rows_of(updates, start), settings))

    return combine


def aggregate(rows: Rows, settings: RobustSettings) -> Step:
    """One step from the homes' updates.

    Args:
        rows: float64 [n, parameters].
    Returns float64 [parameters].
    Raises FederationError for fewer rows than the rule needs against `attackers`.
    """
    if len(rows) < settings.fewest_homes:
        raise FederationError(
            f"{settings.rule} against {settings.attackers} wrong homes needs {settings.fewest_homes} updates "
            f"in a round, there are {len(rows)}: lower robust.attackers, raise min_homes or choose another rule"
        )
    return _RULES[settings.rule](rows, settings)


def median(rows: Rows, settings: RobustSettings) -> Step:
    """The median of each parameter."""
    return np.asarray(np.median(rows, axis=0))


def trimmed_mean(rows: Rows, settings: RobustSettings) -> Step:
    """The mean of each parameter without its f lowest and f highest values."""
    # Flower cuts int(fraction * n) values off: a quarter more keeps rounding from making that one too few.
    fraction = (settings.attackers + 0.25) / len(rows)
    return np.asarray(trim_mean(rows, fraction))


def krum(rows: Rows, settings: RobustSettings) -> Step:
    """The single best update by Krum's score."""
    return np.asarray(rows[_by_krum(rows, settings.attackers, 1)[0]])


def multi_krum(rows: Rows, settings: RobustSettings) -> Step:
    """The mean of the n - f - 2 best updates by Krum's score."""
    count = len(rows) - settings.attackers - 2
    return np.asarray(rows[_by_krum(rows, settings.attackers, count)].mean(axis=0))


def bulyan(rows: Rows, settings: RobustSettings) -> Step:
    """Of the n - 2f best updates, for each parameter the mean of the n - 4f values nearest to the median."""
    chosen = rows[_by_krum(rows, settings.attackers, len(rows) - 2 * settings.attackers)]
    nearest = len(rows) - 4 * settings.attackers
    middle = [np.median(chosen, axis=0)]
    return np.asarray(aggregate_n_closest_weights(middle, [[row] for row in chosen], nearest)[0])


def norm_bound(rows: Rows, settings: RobustSettings) -> Step:
    """The mean of the updates, none longer than `norm_multiple` median lengths."""
    norms = np.linalg.norm(rows, axis=1)
    longest = settings.norm_multiple * np.median(norms)
    scale = np.minimum(1.0, longest / np.maximum(norms, np.finfo(float).tiny))
    return np.asarray((rows * scale[:, None]).mean(axis=0))


def outliers(rows: Rows, settings: RobustSettings) -> Step:
    """The mean of the updates whose distance from the median update is not out of the ordinary."""
    distances = np.linalg.norm(rows - np.median(rows, axis=0), axis=1)
    usual = np.median(distances)
    deviation = 1.4826 * np.median(np.abs(distances - usual))  # the standard deviation, were they normal
    return np.asarray(rows[distances <= usual + settings.deviations * deviation].mean(axis=0))


def _plain_mean(rows: Rows, settings: RobustSettings) -> Step:
    return np.asarray(rows.mean(axis=0))


def _by_krum(rows: Rows, attackers: int, count: int) -> list[int]:
    """The `count` best rows by Krum's score, best first."""
    # The second record tells which row a selected one is.
    contents = [
        RecordDict({"arrays": ArrayRecord({"update": Array(row)}), "row": _index(number)})
        for number, row in enumerate(rows)
    ]
    chosen = select_multikrum(contents, attackers, count)
    return [int(cast(ArrayRecord, content["row"])["row"].numpy()) for content in chosen]


def _index(number: int) -> ArrayRecord:
    return ArrayRecord({"row": Array(np.array(number))})


_RULES: dict[str, Callable[[Rows, RobustSettings], Step]] = {
    "none": _plain_mean,
    "median": median,
    "trimmed_mean": trimmed_mean,
    "krum": krum,
    "multi_krum": multi_krum,
    "bulyan": bulyan,
    "norm_bound": norm_bound,
    "outliers": outliers,
}
