"""From the settings to a one-shot training: the loop of the rounds with another way to gather one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from fl.aggregation.strategy import mean
from fl.dp.server import Privacy
from fl.errors import FederationError
from fl.exchange import Gather, Identify
from fl.one_shot.gather import OneShotGather, OpenedCounts
from fl.one_shot.hand_out import newest_peak_head
from fl.one_shot.kept import TOTAL, is_trained
from fl.one_shot.membership import Change, Membership
from fl.one_shot.total import Total
from fl.one_shot.training import OneShot
from fl.rounds import OnRound, Rounds
from fl.secagg.sums import SecureSums
from fl.settings import FederationSettings
from fl.store import RoundStore
from forecasting.shape import ModelShape


def one_shot_rounds(
    settings: FederationSettings,
    store: RoundStore,
    shape: ModelShape,
    *,
    identify: Identify | None = None,
    roster: Callable[[], Mapping[str, bytes]] | None = None,
    on_round: OnRound | None = None,
    hand_out: bool = False,
    change: Change = "all",
    leaving: Sequence[str] = (),
) -> Rounds:
    """A loop whose `run_once` is a one-shot training; arguments as for `Rounds`.

    Homes sum under masks whether or not updates are (`secure_aggregation.enabled`): sums over a home's days tell more
    of it than an update does. `change`, `leaving`: see `Membership`; the total before is that of the last one-shot
    training. Raises as `coordinator_protection` does, FederationError for sums under BFV, StatisticsRefused for a
    total that can't be read.
    """
    if settings.secure_aggregation.scheme != "masks":
        raise FederationError(
            f"a one-shot training with secure_aggregation.scheme: {settings.secure_aggregation.scheme}: its sums "
            "take up to 63 bits, more than BFV's plain modulus has room for; set scheme: masks, at the coordinator "
            "and every gateway"
        )
    saved, folder = store.latest(), store.directory
    trained = saved is not None and is_trained(saved.report)
    one_shot = OneShot(settings.one_shot, settings.privacy, settings.secure_aggregation.fewest_homes)
    kept = None if change == "all" else store.newest(TOTAL)
    before = None if kept is None else Total.from_arrays(kept, one_shot.private)
    membership = Membership(change, before, tuple(leaving))
    sums = SecureSums(settings.secure_aggregation, roster=roster, directory=folder)
    gather: Gather = OneShotGather(
        one_shot, shape, sums, OpenedCounts(folder / "one_shot_counts.json"), trained, membership
    )
    extra = None
    if settings.privacy.mode != "off":
        privacy = Privacy(settings.privacy, folder / "privacy.json", clipped_at_home=True)
        if saved is not None:
            privacy.check_covers(saved.report)
        gather, extra = privacy.gather(gather), privacy.extra
    return Rounds(
        settings, store, identify=identify, gather=gather, combine=mean("equal"), on_round=on_round, extra=extra,
        roster=roster, hand_out=hand_out, hand_out_also=partial(newest_peak_head, store),
    )  # fmt: skip
