"""Forecasting errors that a person can act on. None of them ever contains a reading."""


class ForecastError(ValueError):
    """Readings, totals or weights that cannot be forecast, scored or trained on; the message says why."""
