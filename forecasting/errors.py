"""What can go wrong in forecasting, as errors a person can act on. None of them ever carries a reading."""


class ForecastError(ValueError):
    """Readings, totals or weights that can't be forecast, scored or learnt from; the message says why."""
