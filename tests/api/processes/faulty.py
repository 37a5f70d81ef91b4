"""Faults: the functions that WATTPROOF_FAULT names raise, with WATTPROOF_WORDS in words and locals."""

import importlib
import os
from typing import Any, NoReturn


def _fault(*_: Any, **__: Any) -> NoReturn:
    words = os.environ["WATTPROOF_WORDS"]
    raise ValueError(f"could not convert {words}")


def put_faults() -> None:
    """Put them into this process, and so into those that it forks."""
    for fault in os.environ["WATTPROOF_FAULT"].split():
        module, _, name = fault.partition(":")
        *path, last = name.split(".")
        owner: Any = importlib.import_module(module)
        for part in path:
            owner = getattr(owner, part)
        setattr(owner, last, _fault)
