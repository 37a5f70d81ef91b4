"""`wattproof` with faults: the functions that WATTPROOF_FAULT names raise, with WATTPROOF_WORDS in words and locals.

Processes that it starts load this file too, and have the same faults, but for those of the server, which they are
not.
"""

import importlib
import os
from typing import Any, NoReturn

from api.cli.main import main


def _fault(*_: Any, **__: Any) -> NoReturn:
    words = os.environ["WATTPROOF_WORDS"]
    raise ValueError(f"could not convert {words}")


for fault in os.environ["WATTPROOF_FAULT"].split():
    if __name__ != "__main__" and fault.startswith(("api.http.", "api.operator.")):
        continue
    module, _, name = fault.partition(":")
    *path, last = name.split(".")
    owner: Any = importlib.import_module(module)
    for part in path:
        owner = getattr(owner, part)
    setattr(owner, last, _fault)

if __name__ == "__main__":
    main()
