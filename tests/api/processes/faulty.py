"""`wattproof` with a fault: the function that WATTPROOF_FAULT names raises, with WATTPROOF_WORDS in words and locals.

Processes that it starts load this file too, and have the same fault.
"""

import importlib
import os
from typing import Any, NoReturn

from api.cli.main import main


def _fault(*_: Any, **__: Any) -> NoReturn:
    words = os.environ["WATTPROOF_WORDS"]
    raise ValueError(f"could not convert {words}")


module, _, name = os.environ["WATTPROOF_FAULT"].partition(":")
*path, last = name.split(".")
owner: Any = importlib.import_module(module)
for part in path:
    owner = getattr(owner, part)
setattr(owner, last, _fault)

if __name__ == "__main__":
    main()
