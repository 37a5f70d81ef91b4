"""What the coordinator accepts from a home's reply: nothing unchecked.

A reply is whatever a home chose to send: a model or garbage, numbers or infinities, a megabyte where a byte was
requested. A fault affects that home alone: it is left out, with the reason, and the round continues.
"""

from __future__ import annotations

import logging
import math
from typing import cast

from flwr.app import Error, MetricRecord, RecordDict

from fl.aggregation.strategy import Update
from fl.client_app import ARRAYS, EXAMPLES, METRICS, WHO
from fl.errors import UpdateRefused
from fl.weights import Weights, check_like, from_untrusted

_log = logging.getLogger(__name__)
_MOST_METRICS, _LONGEST_NAME, _LONGEST_REASON = 16, 64, 200


def read_update(home: str, content: RecordDict, start: Weights) -> Update:
    """The update that a home trained from `start`. Raises UpdateRefused for anything else."""
    try:
        weights = from_untrusted(content.array_records[ARRAYS], start)
        metrics, examples = _metrics(content)
        loss = metrics.pop("loss")  # last in the mapping whatever its place was: reports list it after the others
    except KeyError as missing:
        raise UpdateRefused(f"the reply has no {missing}") from missing
    except UpdateRefused:
        raise
    except Exception as problem:  # Flower decodes what the home sent: any way that fails is the home's
        _log.warning("a reply could not be read", extra={"home": home}, exc_info=True)
        raise UpdateRefused(f"the reply is not an update ({type(problem).__name__})") from problem
    check_like(weights, start)
    return Update(home, weights, examples, metrics | {"loss": loss})


def read_scores(home: str, content: RecordDict) -> dict[str, float]:
    """A home's metrics of the global model; `num-examples` is one of them. Raises UpdateRefused."""
    try:
        metrics, examples = _metrics(content)
    except KeyError as missing:
        raise UpdateRefused(f"the reply has no {missing}") from missing
    except UpdateRefused:
        raise
    except Exception as problem:
        _log.warning("a reply could not be read", extra={"home": home}, exc_info=True)
        raise UpdateRefused(f"the reply holds no metrics ({type(problem).__name__})") from problem
    return {EXAMPLES: float(examples), **metrics}


def read_name(content: RecordDict) -> str | None:
    """The home that a node says it is, where nobody can lie (`rounds.ask_names`); None if it says nothing usable."""
    record = content.config_records.get(WHO)
    name = None if record is None else record.get("home")
    return name if isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME else None


def reason_of(error: Error) -> str:
    """Why a home sent no content, as it says: one line of at most 200 printable characters."""
    words = "".join(letter if letter.isprintable() else " " for letter in (error.reason or "")[:_LONGEST_REASON])
    return words.strip() or "it failed and did not say why"


def _metrics(content: RecordDict) -> tuple[dict[str, float], int]:
    """The metrics without `num-examples`, and that. A loss that is not a number (NaN) was withheld, and may be."""
    record: MetricRecord = content.metric_records[METRICS]
    if len(record) > _MOST_METRICS or any(len(name) > _LONGEST_NAME for name in record):
        raise UpdateRefused(f"more than {_MOST_METRICS} metrics, or names longer than {_LONGEST_NAME} letters")
    examples = record[EXAMPLES]
    if not isinstance(examples, int) or examples < 1:
        raise UpdateRefused(f"{EXAMPLES} must be a whole number of days from 1, not {examples!r:.40}")
    metrics: dict[str, float] = {}
    for name, value in record.items():
        if name == EXAMPLES:
            continue
        if isinstance(value, list) or not (math.isfinite(value) or (name == "loss" and math.isnan(value))):
            raise UpdateRefused(f"the metric {name!r} must be a finite number, not {value!r:.40}")
        metrics[name] = float(cast(float, value))
    return metrics, examples
