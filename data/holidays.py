"""Public holidays of a country and region, as a feature of a day (the `holidays` package).

No model uses it: taking holidays for Sundays gained nothing that communities agree on (docs/accuracy.md).
`holiday_feature` is there for one that does.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.day import DayClock
from data.errors import DataError


def public_holidays(country: str, region: str | None, years: range) -> set[str]:
    """Dates (YYYY-MM-DD) of public holidays, by ISO 3166 codes: `IT`, or `DE` with `BY`. Raises DataError."""
    import holidays

    try:
        found = holidays.country_holidays(country, subdiv=region, years=years)
    except NotImplementedError:
        where = country if region is None else f"{region} of {country}"
        raise DataError(
            f"there are no public holidays known of {where!r}: use ISO 3166 codes such as IT, DE, BY"
        ) from None
    return {day.isoformat() for day in found}


def holiday_feature(
    days: NDArray[np.int64], clock: DayClock, country: str, region: str | None, timezone: str
) -> NDArray[np.float32]:
    """1 for community days most of whose hours are of a public holiday, else 0: [n] -> float32 [n].

    A community day belongs to the local date of its noon (12 hours after it starts).
    """
    noons = clock.starts_of(days) + pd.Timedelta(hours=12)
    local = noons.tz_convert(timezone)
    if len(local) == 0:
        return np.zeros(0, dtype=np.float32)
    known = public_holidays(country, region, range(int(local.year.min()), int(local.year.max()) + 1))
    return np.isin(local.strftime("%Y-%m-%d"), sorted(known)).astype(np.float32)
