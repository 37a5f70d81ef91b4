"""The messages of vertical learning, as Flower records and back: a stage, and named byte strings, in type `train`.

Flower's own type `train` is the one that homes answer in every setting (`fl.message_gate`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

import numpy as np
from flwr.app import ConfigRecord, RecordDict

from data.json_text import loads
from fl.vertical.errors import VerticalRefused
from fl.vertical.ridge import JointRidge, Ridge

VERTICAL = "vertical"  # key of the record in a message
KEY_OF = "key of "
NUMBER, COLUMNS, RIDGE, TERMS = ":number", ":columns", ":ridge", ":terms"
"""Items of a partner's messages are by home; these are the same for all, and no home's name has a colon."""
_MOST_COLUMNS = 1024


def message(stage: str, items: Mapping[str, bytes]) -> RecordDict:
    """A request or an answer of one stage."""
    return RecordDict(
        {VERTICAL: ConfigRecord({"stage": stage, "names": list(items), "values": list(items.values())})}
    )


def read(content: RecordDict) -> tuple[str, dict[str, bytes]]:
    """Stage and items of a message. Raises VerticalRefused if it is not of this kind."""
    record = content.config_records.get(VERTICAL)
    try:
        if record is None:
            raise TypeError("no record")
        names, values = cast(list[str], record["names"]), cast(list[bytes], record["values"])
        items = dict(zip(names, values, strict=True))
        stage = record["stage"]
    except (KeyError, TypeError, ValueError) as problem:
        raise VerticalRefused(f"the message is malformed ({type(problem).__name__})") from None
    if not isinstance(stage, str) or not all(isinstance(n, str) and isinstance(v, bytes) for n, v in items.items()):
        raise VerticalRefused("the message is malformed: names or values of a wrong type")
    return stage, items


def item(items: Mapping[str, bytes], name: str) -> bytes:
    """Raises VerticalRefused if it is not there."""
    if name not in items:
        raise VerticalRefused(f"the message has no {name}")
    return items[name]


def number(items: Mapping[str, bytes], name: str) -> int:
    """A whole number of an item. Raises VerticalRefused for none."""
    data = item(items, name)
    if len(data) != 8:
        raise VerticalRefused(f"{name} is no number")
    return int.from_bytes(data, "big")


def number_bytes(value: int) -> bytes:
    return value.to_bytes(8, "big")


def ridge_bytes(ridge: JointRidge) -> bytes:
    """A regression as all are told it."""
    content = {
        "home": ridge.home.tolist(), "partner": ridge.partner.tolist(), "intercept": ridge.intercept,
        "alone": ridge.alone.weight.tolist(), "alone_intercept": ridge.alone.intercept, "rows": ridge.rows,
    }  # fmt: skip
    return json.dumps(content).encode()


def read_ridge(data: bytes) -> JointRidge:
    """Raises VerticalRefused for anything but finite weights."""
    try:
        content = loads(data)
        arrays = {name: np.array(content[name], dtype=np.float64) for name in ("home", "partner", "alone")}
        intercepts = np.array([content["intercept"], content["alone_intercept"]], dtype=np.float64)
        rows = int(content["rows"])
    except (KeyError, TypeError, ValueError) as problem:
        raise VerticalRefused(f"the regression is malformed ({type(problem).__name__})") from None
    every = [*arrays.values(), intercepts]
    if any(array.ndim != 1 or len(array) > _MOST_COLUMNS or not np.isfinite(array).all() for array in every):
        raise VerticalRefused("the regression is not one of finite weights")
    alone = Ridge(arrays["alone"], float(intercepts[1]))
    return JointRidge(arrays["home"], arrays["partner"], float(intercepts[0]), alone, rows)
