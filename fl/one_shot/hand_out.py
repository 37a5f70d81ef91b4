"""The head of the peak classes on its way to homes."""

from __future__ import annotations

from flwr.app import Array, ArrayRecord, RecordDict

from fl.client_app import ARRAYS, PEAKS
from fl.one_shot.kept import PEAK_HEAD
from fl.store import RoundStore


def newest_peak_head(store: RoundStore) -> dict[str, RecordDict]:
    """The head of the last one-shot training, by the type of the message that hands it out; or nothing."""
    arrays = store.newest(PEAK_HEAD)
    if arrays is None:
        return {}
    return {PEAKS: RecordDict({ARRAYS: ArrayRecord({name: Array(values) for name, values in arrays.items()})})}
