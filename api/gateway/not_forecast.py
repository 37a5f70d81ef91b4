"""Why a day has no forecast: one class for each reason, with the name under which it is logged and counted."""

from __future__ import annotations

from data.errors import DataError


class NotForecast(DataError):
    """The home cannot forecast a day; the message says why, and what to do."""

    code = "failed"


class TooFewDays(NotForecast):
    """The home's readings begin less than a week before the day."""

    code = "too-few-days"


class GapInWeek(NotForecast):
    """Hours are missing in the week before the day."""

    code = "gap"


class NoReadings(NotForecast):
    """The home's readings end before the day starts."""

    code = "no-readings"


class NoWeather(NotForecast):
    """The weather feed does not cover the week before the day."""

    code = "no-weather"


class NoModel(NotForecast):
    """No community model was published before the day started, or none has arrived here."""

    code = "no-model"


class TooLate(NotForecast):
    """The deadline of the day's forecast has passed."""

    code = "too-late"


class SealedOtherwise(NotForecast):
    """Another forecast of the day was sealed before, and may have been submitted."""

    code = "sealed-otherwise"


class HeadLost(NotForecast):
    """The home is committed to a personal head whose files are gone or damaged."""

    code = "head-lost"


FAILED, API_AWAY, HEAD_UNSETTLED, NOT_RUNNING = NotForecast.code, "api-away", "head-unsettled", "not-running"
REASONS = frozenset({FAILED, API_AWAY, HEAD_UNSETTLED, NOT_RUNNING}) | {
    kind.code for kind in NotForecast.__subclasses__()
}
"""The labels under which days without a forecast are counted."""
