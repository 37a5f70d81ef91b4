"""Libraries for files that few households have: installed with `wattproof[meters]`."""

import importlib
from pathlib import Path
from typing import Any

from data.errors import ImportRefused


def library(path: Path, name: str, what: str) -> Any:
    """The module `name`, which reads `what`. Raises ImportRefused where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ImportRefused(
            path, f"is {what}, for which a library is missing: pip install 'wattproof[meters]'"
        ) from None
