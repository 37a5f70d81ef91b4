"""What a home or a partner refuses."""

from fl.errors import FederationError


class VerticalRefused(FederationError):
    """A message of vertical learning that must not be acted on; it says which and why, and never a column's value."""
