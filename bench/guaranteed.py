"""How many honest homes are in any masked sum that can be opened, for each size: computed, and searched for attacks.

Part of `python -m bench.privacy`. Of the homes in a roster the coordinator chooses who is in a session, as few as
`fewest_homes` allow. The bound is proven in docs/federation-privacy.md; the search is `bench.sum_attacks`.
Distributed noise is sized by the bound, so that epsilon follows: as it is claimed, as it would be in the smallest sum
found, and where as many homes as the settings are safe from take their parts of the noise away again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from bench.sum_attacks import Rules, search
from fl.privacy import epsilon_of, noise_multiplier_for
from fl.protection_settings import PrivacySettings, SecAggSettings

SHOWN = (5, 6, 9, 12, 15, 17, 30, 60, 65, 100, 200, 300)
_BEFORE = (15, 30, 60, 65, 100)  # sizes at which the rules before the consistency round are searched, too


@dataclass(frozen=True)
class Guarantee:
    """A community with default settings.

    Attributes:
        homes: in the roster.
        computed, searched: homes in the smallest sum, by the bound and as an attack found it; `by`: which one.
        colluders: homes in league with the coordinator up to which the settings are safe (`safe_from`);
            `computed_colluding`, `searched_colluding`: honest homes in the smallest sum with so many;
            `searched_beyond`: with one more.
        epsilon: spent over the rounds, with noise sized for `computed` homes; `epsilon_searched`: in the sum found;
            `epsilon_colluding`: where the colluders' parts of the noise are gone.
        before: homes in the smallest sum found by the rules before; `epsilon_before`: with noise sized by the bound
            that was claimed for them (2h - h^2/t).
    """

    homes: int
    computed: int
    searched: int
    by: str
    colluders: int
    computed_colluding: int
    searched_colluding: int
    searched_beyond: int
    epsilon: float
    epsilon_searched: float
    epsilon_colluding: float
    before: int | None = None
    epsilon_before: float | None = None


def guarantee(homes: int, target: float, rounds: int) -> Guarantee:
    """The figures of one size. `target`: the epsilon that noise is made for; `rounds`: sums released."""
    secure = SecAggSettings(enabled=True)
    computed, colluders = secure.fewest(homes), secure.safe_from(homes)
    searched, by = _smallest(secure, homes, 0)
    colluding, beyond = (_smallest(secure, homes, count)[0] for count in (colluders, colluders + 1))
    before = claimed = None
    if homes in _BEFORE:
        threshold = -(-2 * homes // 3)
        before, _ = search(Rules(homes, threshold, 3, consistent=False))
        claimed = -(-(2 * homes * threshold - homes**2) // threshold)
    return Guarantee(
        homes=homes, computed=computed, searched=searched, by=by, colluders=colluders,
        computed_colluding=computed - colluders, searched_colluding=colluding, searched_beyond=beyond,
        epsilon=spent(target, rounds, 1.0), epsilon_searched=spent(target, rounds, searched / computed),
        epsilon_colluding=spent(target, rounds, 1 - colluders / computed), before=before,
        epsilon_before=None if before is None or claimed is None else spent(target, rounds, before / claimed),
    )  # fmt: skip


def _smallest(secure: SecAggSettings, homes: int, colluders: int) -> tuple[int, str]:
    """The smallest sum that an attack opens in any session of so many homes, some of them the coordinator's."""
    fewest = secure.fewest(homes)
    sizes = range(fewest, homes + 1) if homes <= 30 else (fewest, fewest + 1, fewest + 2, fewest + 3, homes)
    return min(search(Rules(size, secure.shares_needed(size), fewest, colluders)) for size in sizes)


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
        "| homes | certain | smallest sum found | colluders | honest homes then | found | with one more, found "
        "| epsilon | with colluders | before: found | epsilon then |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for g in guarantees:
        if g.homes in SHOWN:
            before = ["", ""] if g.before is None else [str(g.before), f"{g.epsilon_before:.3g}"]
            lines.append(
                f"| {g.homes} | {g.computed} | {g.searched} | {g.colluders} | {g.computed_colluding} "
                f"| {g.searched_colluding} | {g.searched_beyond} | {g.epsilon_searched:.3g} "
                f"| {g.epsilon_colluding:.3g} | {before[0]} | {before[1]} |"
            )
    return "\n".join(lines)
