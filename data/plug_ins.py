"""Plug-ins from other packages, found by name among the entry points of a group (docs/extending.md).

Nothing is loaded unless a setting names it, so that installing a package alone changes nothing.
"""

from __future__ import annotations

from importlib.metadata import EntryPoints, entry_points
from typing import Any

from data.errors import DataError

STRATEGIES, BASELINES, SOURCES = "wattproof.strategies", "wattproof.baselines", "wattproof.sources"


class PlugInMissing(DataError):
    """No installed package has a plug-in of that name."""


def plug_ins(group: str) -> EntryPoints:
    """What other packages provide for `group`."""
    return entry_points(group=group)


def plug_in(group: str, name: str) -> Any:
    """What the entry point `name` of `group` names. Raises PlugInMissing with the names that there are."""
    found = plug_ins(group)
    try:
        return found[name].load()
    except KeyError:
        known = ", ".join(sorted(found.names)) or "none is installed"
        raise PlugInMissing(
            f"no installed package has an entry point {name!r} of {group} (there are: {known}); install the package "
            "that provides it, or remove the name from the settings"
        ) from None
