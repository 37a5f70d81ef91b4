"""The class of a home's next peak, for the household alone: it never leaves the gateway."""

from __future__ import annotations

from api.config.settings import ApiSettings
from api.gateway.prover import HouseholdProver
from data.windows import make_windows
from fl.one_shot.kept import PEAK_HEAD
from fl.one_shot.peak_file import kept_peak_head
from fl.one_shot.peak_forecast import PeakForecast, forecast_peak
from fl.one_shot.peak_head import PeakHead
from fl.store import RoundStore

_STEPS = 24  # hours of public features that the forecast reads


def peak_head(folders: ApiSettings) -> PeakHead | None:
    """The community's head: as distributed to this gateway, or else from the training on this machine.

    Raises StatisticsRefused for a file that does not hold one.
    """
    kept = kept_peak_head(folders.model_dir)
    if kept is not None:
        return kept
    arrays = RoundStore(folders.state_dir / "rounds").newest(PEAK_HEAD)
    return None if arrays is None else PeakHead.from_arrays(arrays)


def expected_peak(opened: HouseholdProver, head: PeakHead, day: int) -> PeakForecast | None:
    """The class of the home's peak on `day`; None where the week before it is not complete.

    Raises StatisticsRefused for a home with too few days to have terciles.
    """
    past = make_windows(opened.readings, opened.features, opened.clock, steps=_STEPS)
    ahead = make_windows(opened.readings, opened.features, opened.clock, steps=_STEPS, days=[day], with_target=False)
    return forecast_peak(past, ahead, head) if len(ahead) else None
