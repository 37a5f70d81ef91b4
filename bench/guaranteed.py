"""How many honest homes are in any masked sum that can be opened, for each size: computed, and searched for attacks.

Part of `python -m bench.privacy`. The bound is that of `fl.secagg.session.Session.certain`, proven in
docs/federation-privacy.md; the search is `bench.sum_attacks`. Distributed noise is sized by the bound, so that
epsilon follows: as it is claimed, as it would be in the smallest sum found, and where as many homes as a session is
safe from take their parts of the noise away again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from bench.sum_attacks import Rules, search
from fl.dp.accountant import epsilon_of, noise_multiplier_for
from fl.protection_settings import PrivacySettings, SecAggSettings
from fl.secagg.rings import Words64
from fl.secagg.session import Session

SHOWN = (5, 6, 9, 12, 15, 17, 30, 60, 65, 100, 200, 300)
_BEFORE = (15, 30, 60, 65, 100)  # sizes at which the rules before the consistency round are searched, too


@dataclass(frozen=True)
class Guarantee:
    """One size of a sum, with default settings and `fewest_homes` the threshold.

    Attributes:
        homes: in the session; `threshold`: that must agree and reveal.
        computed, searched: homes in the smallest sum, by the bound and as an attack found it; `by`: which one.
        colluders: homes colluding with the coordinator up to which the session is safe; `computed_colluding`,
            `searched_colluding`: honest homes in the smallest sum with so many.
        epsilon: spent over the rounds, with noise sized for `computed` homes; `epsilon_searched`: in the sum found;
            `epsilon_colluding`: where the colluders' parts of the noise are gone.
        before: homes in the smallest sum found by the rules before; `epsilon_before`: with noise sized by the bound
            that was claimed for them (2h - h^2/t).
    """

    homes: int
    threshold: int
    computed: int
    searched: int
    by: str
    colluders: int
    computed_colluding: int
    searched_colluding: int
    epsilon: float
    epsilon_searched: float
    epsilon_colluding: float
    before: int | None = None
    epsilon_before: float | None = None


def guarantee(homes: int, target: float, rounds: int) -> Guarantee:
    """The figures of one size. `target`: the epsilon that noise is made for; `rounds`: sums released."""
    threshold = SecAggSettings(enabled=True).shares_needed(homes)
    names = tuple(f"{k:04d}" for k in range(homes))
    session = Session(b"bench", names, threshold, 1, Words64())
    searched, by = search(Rules(homes, threshold, session.fewest))
    colluding, _ = search(Rules(homes, threshold, session.fewest, session.colluders))
    before = claimed = None
    if homes in _BEFORE:
        before, _ = search(Rules(homes, threshold, session.fewest, consistent=False))
        claimed = -(-(2 * homes * threshold - homes**2) // threshold)
    return Guarantee(
        homes=homes, threshold=threshold, computed=session.certain, searched=searched, by=by,
        colluders=session.colluders, computed_colluding=session.certain - session.colluders,
        searched_colluding=colluding, epsilon=spent(target, rounds, 1.0),
        epsilon_searched=spent(target, rounds, searched / session.certain),
        epsilon_colluding=spent(target, rounds, 1 - session.colluders / session.certain),
        before=before,
        epsilon_before=None if before is None or claimed is None else spent(target, rounds, before / claimed),
    )  # fmt: skip


def spent(target: float, rounds: int, part: float) -> float:
    """Epsilon after so many sums that hold a part of the noise that is made for `target`."""
    settings = PrivacySettings(mode="distributed")
    z = noise_multiplier_for(target, rounds, settings)
    return round(epsilon_of(rounds / (part * z**2), settings.delta), 3)


def as_json(guarantees: Iterable[Guarantee]) -> list[dict[str, object]]:
    return [asdict(one) for one in guarantees]


def table(guarantees: Sequence[Guarantee]) -> str:
    """A line for each of some sizes. Markdown."""
    lines = [
        "| homes | certain | smallest sum found | colluders | honest homes, with them | found | epsilon "
        "| with colluders | before: found | epsilon then |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for g in guarantees:
        if g.homes in SHOWN:
            before = ["", ""] if g.before is None else [str(g.before), f"{g.epsilon_before:.3g}"]
            lines.append(
                f"| {g.homes} | {g.computed} | {g.searched} | {g.colluders} | {g.computed_colluding} "
                f"| {g.searched_colluding} | {g.epsilon_searched:.3g} | {g.epsilon_colluding:.3g} "
                f"| {before[0]} | {before[1]} |"
            )
    return "\n".join(lines)
