"""What a home or a partner refuses, and what its installation lacks."""

import importlib.util

from fl.errors import FederationError


class VerticalRefused(FederationError):
    """A message of vertical learning that must not be acted on; it says which and why, and never a column's value."""


class ExtraMissing(FederationError):
    """PyTorch is not installed."""


def require_pytorch() -> None:
    """Raises ExtraMissing where the extra `vertical` is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise ExtraMissing(
            "learning with a partner (federation.vertical) needs PyTorch, which a gateway's installation leaves out: "
            "install it by its version (docs/deployment.md) and `pip install 'wattproof[vertical]'`"
        )
