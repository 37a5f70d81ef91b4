"""Which modules a piece of work goes through: the data paths of docs/architecture.md are held to what happens."""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[2]
WHOLE = ("zkp", "data.importing")
"""Packages whose inside is no part of a data path: it is described in their own docs."""
OURS = ("api", "data", "fl", "forecasting", "rewards", "zkp")
_INSIDE = {f"{ROOT / top}/": top for top in OURS}


@dataclass
class Walk:
    """`steps`: modules in the order in which work was handed to them, from one to the next."""

    steps: list[str] = field(default_factory=list)

    @property
    def modules(self) -> list[str]:
        """Each module once, in the order of the first visit; a package of `WHOLE` counts as one module."""
        whole = (next((w for w in WHOLE if step.startswith(f"{w}.")), step) for step in self.steps)
        return list(dict.fromkeys(whole))

    def __str__(self) -> str:
        return f"{len(self.steps)} calls from one module into another, {len(self.modules)} modules"


def _module_of(frame: FrameType | None) -> str | None:
    """The module of ours that the nearest frame runs in."""
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(str(ROOT)) and any(path.startswith(folder) for folder in _INSIDE):
            return ".".join(Path(path).relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        frame = frame.f_back
    return None


@contextmanager
def walked() -> Iterator[Walk]:
    """Records the calls from one module of ours into another, in all threads started meanwhile, until the block ends.

    What modules do when they are imported is not counted; nothing is logged, as an earlier test may have set that up.
    """
    walk, known = Walk(), dict[object, str | None]()

    def look(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_name == "<module>":
            return
        if code not in known:
            known[code] = _module_of(frame) if any(code.co_filename.startswith(f) for f in _INSIDE) else None
        here = known[code]
        if here is not None and here != _module_of(frame.f_back):
            walk.steps.append(here)

    logging.disable()
    threading.setprofile(look)
    sys.setprofile(look)
    try:
        yield walk
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
        logging.disable(logging.NOTSET)


def drawn(title: str) -> list[str]:
    """The modules of the data path that docs/architecture.md draws under this title, in its order."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = text.split(f"### {title}\n", 1)[1].split("```", 2)[1].removeprefix("text\n")
    return re.findall(r"^ *([a-z_]+(?:\.[a-z_]+)*)", block, re.MULTILINE)
