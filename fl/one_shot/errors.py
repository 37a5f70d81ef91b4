"""What can be wrong with statistics, as an error a person can act on."""

from fl.errors import FederationError


class StatisticsRefused(FederationError):
    """Days that make no statistics, or sums that no days can have; the message says which, and what to do."""
