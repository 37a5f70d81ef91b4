"""What the coordinator asks of a home in a one-shot training. Apart from the app: it loads no Flower.

    counts       how many days of each peak class, opened before anything else is summed
    statistics   the sums themselves, of the classes that are kept (none: of the regression alone)
    leave        what homes that want to leave have entered as statistics, to be taken out again

Under differential privacy there are no classes, and the regression is the one with few inputs (`hour_inputs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

from fl.errors import StatisticsRefused
from fl.one_shot.fixed_point import capacity
from fl.one_shot.shape import StatisticsShape
from fl.one_shot.sizes import HOUR_INPUTS, LOAD_BOUND, LOAD_INPUTS, LOAD_TARGETS, PEAK_CLASSES, PEAK_FEATURES

if TYPE_CHECKING:
    from flwr.app import ConfigRecord

ONE_SHOT = "one-shot"  # key of the plan in a message, and how homes count in such a sum
SUMS, LAST_DAY = "sums", "last-day"  # in a home's answer: its vector, and the last day in it, which stays at home
_LEAST_WINDOWS = 2 * LOAD_INPUTS  # a coordinator that takes fewer of a home that has more is after single days
KINDS = COUNTS, STATISTICS, LEAVE = "counts", "statistics", "leave"


@dataclass(frozen=True)
class OneShotPlan:
    """One sum of a one-shot training.

    Attributes:
        kind: `counts`, `statistics` or `leave`.
        kept: the peak classes that are summed, ascending.
        fewest_days: a home with fewer days of a kept class stays out; in counts, it does not count as having it.
        private: the statistics are those of the private twin.
        most_windows: a home enters its latest windows, no more than these, so that no sum overflows.
    """

    kind: str
    kept: tuple[int, ...]
    fewest_days: int
    private: bool
    most_windows: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise StatisticsRefused(f"a one-shot training has no sum of kind {self.kind!r:.40}")
        if list(self.kept) != sorted(set(self.kept) & set(range(PEAK_CLASSES))):
            raise StatisticsRefused(f"{self.kept!r:.80} are not peak classes, each once and ascending")
        if self.private and (self.kept or self.kind == COUNTS):
            raise StatisticsRefused("there are no peak classes under differential privacy")
        if self.private and self.kind == LEAVE:
            raise StatisticsRefused(
                "under differential privacy nobody is taken out of a total: what is subtracted would have no noise, "
                "or leave too little to those that stay; train again without the homes that leave"
            )

    @property
    def shape(self) -> StatisticsShape:
        """Of the statistics."""
        classes, features = len(self.kept), PEAK_FEATURES if self.kept else 0
        if self.private:
            return StatisticsShape(classes, features, inputs=HOUR_INPUTS, targets=1)
        return StatisticsShape(classes, features, inputs=LOAD_INPUTS, targets=LOAD_TARGETS)

    @property
    def length(self) -> int:
        """Entries of the vector that is summed."""
        return 2 * PEAK_CLASSES if self.kind == COUNTS else self.shape.length

    def to_record(self) -> ConfigRecord:
        from flwr.app import ConfigRecord

        return ConfigRecord(asdict(self) | {"kept": list(self.kept)})

    @staticmethod
    def from_record(record: Mapping[str, object]) -> OneShotPlan:
        """Raises StatisticsRefused for a record that is no plan."""
        kinds = {"kind": str, "kept": list, "fewest_days": int, "private": bool, "most_windows": int}
        for name, kind in kinds.items():
            if type(record.get(name)) is not kind:
                raise StatisticsRefused(f"the plan's {name} is malformed: {record.get(name)!r:.40}")
        values = {name: record[name] for name in kinds}
        kept = cast(list[object], record["kept"])
        if not all(type(c) is int for c in kept):
            raise StatisticsRefused("the plan's kept classes are not whole numbers")
        return OneShotPlan(**values | {"kept": tuple(kept)})  # type: ignore[arg-type]

    def check(self, fewest_days: int, private: bool, homes: int) -> None:
        """Raises StatisticsRefused for a plan that a home does not follow, by its own settings and the sum's size."""
        if self.private != private:
            raise StatisticsRefused(
                f"the plan {'has' if self.private else 'lacks'} differential privacy, and this home's own settings "
                f"{'ask for it' if private else 'do not'} (privacy.mode)"
            )
        if self.fewest_days < fewest_days:
            raise StatisticsRefused(
                f"the plan takes homes with {self.fewest_days} days of a class, and this home's own settings ask for "
                f"{fewest_days} (one_shot.fewest_days)"
            )
        most = most_windows(homes, private)
        if not 1 <= self.most_windows <= most:
            raise StatisticsRefused(f"sums of {homes} homes with {self.most_windows} windows each could overflow")
        if not private and self.most_windows < min(_LEAST_WINDOWS, most):
            raise StatisticsRefused(
                f"the plan takes each home's last {self.most_windows} windows only: "
                "the sums of so few show single days"
            )


def most_windows(homes: int, private: bool) -> int:
    """Windows that each of so many homes may enter, so that nothing overflows."""
    rows = LOAD_TARGETS if private else 1  # of a window
    return capacity(LOAD_BOUND) // (homes * rows)
