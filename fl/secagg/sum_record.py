"""Which sums a home has been in, on disk: it takes part in only one sum per model that it trains from.

Training is deterministic, so an update is the same whenever a home trains from the same model, and two sums over
different homes show the difference: one home's update. So a home records, before it sends its masked update, which
model it was trained from and which sum it is in; from that model it enters no other sum, whatever the coordinator
calls the round, also after restarts. A failed sum may be repeated once it is certain that nobody will ever open it:
when `threshold` of its members have signed that they never reveal a share in it, too few are left who could. A home
either signs that for a sum, or reveals in it, never both.

    {"start": "1f...", "sum": "a0..."}     its masked update from this model is in this sum
    {"revealed": "a0..."}                  it has revealed its shares in it
    {"closed": "a0..."}                    it never will
    {"one_shot": "counts", "start": "1f...", "last_day": 17000}      the days up to this one are in such a sum

The sums of a one-shot training are of the same days whatever the model is, so a home is in one such training, or it
waits for new days.

Training on export is of other data than training on load: of a model that both begin from, a home enters one sum of
each (`"quantity": "export"` beside `start`).

sums.jsonl lies beside the privacy ledger; one agent at a time has it open.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data import atomic
from data.json_text import loads
from data.quantity import Quantity
from fl.errors import FederationError
from fl.file_lock import InUse, locked
from fl.secagg.session import MaskingRefused
from fl.weights import load, save

_QUANTITY = "quantity"


class SecondSum(MaskingRefused):
    """A second sum of a model that this home has trained from, or another word on one and the same sum."""


class SecondOneShot(SecondSum):
    """A second one-shot training of days that are in one."""


class RecordDamaged(FederationError):
    """The record cannot be read, so it is unknown which sums this home is in."""


class SumRecord:
    """The record of one home. Raises RecordDamaged, FederationError while another process has it open.

    Methods write before they return: only then may what they allow leave the home. `digest`: of a sum's session.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held = ExitStack()
        try:
            self._held.enter_context(locked(path.with_suffix(".lock"), wait=False))
        except InUse as owner:
            raise FederationError(
                f"{path} is in use by {owner}: two agents of one home can't train at once"
            ) from None
        self._sums: dict[tuple[str, bytes], bytes] = {}  # quantity, model -> the sum that the update from it is in
        self._words: dict[bytes, str] = {}  # sum -> "revealed" or "closed"
        self._one_shots: dict[str, tuple[bytes, int]] = {}  # kind -> start and last day of the one entered last
        self._read()

    def close(self) -> None:
        """Let another process have it."""
        self._held.close()

    def enter(self, start: bytes, digest: bytes, closed: Collection[bytes], quantity: Quantity = "load") -> None:
        """Write down that the update from a model is in this sum; `closed` are sums proven never to be opened.

        Raises SecondSum where it is in another one that may be opened.
        """
        self.check(start, digest, closed, quantity)
        of: dict[str, str] = {} if quantity == "load" else {_QUANTITY: quantity}
        self._append({"start": start.hex(), "sum": digest.hex()} | of)

    def check(self, start: bytes, digest: bytes, closed: Collection[bytes], quantity: Quantity = "load") -> None:
        """Raises SecondSum where this home may not send an update from this model into this sum."""
        if digest in self._words:
            raise SecondSum(f"this home has {self._words[digest]} this sum: it is not in it again")
        before = self._sums.get((quantity, start))
        if before is not None and before not in closed:
            raise SecondSum(
                "a second sum of one model: this home's update from it is in another sum, and both together would "
                "show the difference. A round that failed is asked for again with the signatures of its homes that "
                "they never open it; a training that can't go on begins again with another forecasting.seed"
            )

    def enter_one_shot(self, kind: str, start: bytes, last_day: int, fresh_days: int | None) -> None:
        """Write down that the days up to `last_day` are in a one-shot sum of this kind, before `enter`.

        `fresh_days`: so many must be new since the one before; None: there is no other one.
        Raises SecondOneShot.
        """
        before = self._one_shots.get(kind)
        if before is not None and before[0] != start:
            fresh = max(last_day - before[1], 0)
            if fresh_days is None:
                raise SecondOneShot(
                    f"this home's days are in a one-shot sum ({kind}), and enter no other: two sums of the same days "
                    "of different homes would show the difference (one_shot.fresh_days lets it, after new days)"
                )
            if fresh < fresh_days:
                raise SecondOneShot(
                    f"this home has {fresh} days that are new since the last one-shot training, and enters another "
                    f"after {fresh_days} (one_shot.fresh_days): two sums of the same days would show the difference"
                )
        if before is None or before != (start, last_day):
            self._append({"one_shot": kind, "start": start.hex(), "last_day": last_day})

    def keep_entered(self, kept: Collection[int], vector: NDArray[np.int64], last_day: int) -> None:
        """Keep what is about to be entered as statistics of the classes `kept`, so that it can be taken out again."""
        arrays = {"kept": np.array(kept, dtype=np.int64), "vector": vector, "last_day": np.array(last_day)}
        save(self._entered, arrays, private=True)

    def entered(self) -> tuple[tuple[int, ...], NDArray[np.int64], int] | None:
        """What was entered last as statistics: classes, vector, last day; None if nothing was.

        Raises RecordDamaged for a file that does not hold it.
        """
        if not self._entered.exists():
            return None
        try:
            arrays = load(self._entered)
            return tuple(int(c) for c in arrays["kept"]), arrays["vector"], int(arrays["last_day"])
        except (ValueError, KeyError, OSError) as problem:
            raise RecordDamaged(
                f"{self._entered} is damaged ({type(problem).__name__}): what this home has entered can't be taken "
                "out exactly. Put the newest copy back, if there is one"
            ) from None

    @property
    def _entered(self) -> Path:
        return self.path.with_suffix(".entered.npz")

    def reveal(self, digest: bytes) -> None:
        """Write down that this home reveals in the sum. Raises SecondSum if it has signed that it never will."""
        self._say("revealed", digest)

    def never_reveal(self, digest: bytes) -> None:
        """Write down that this home never reveals shares in the sum. Raises SecondSum if it has."""
        self._say("closed", digest)

    def _say(self, word: str, digest: bytes) -> None:
        if self._words.get(digest, word) != word:
            raise SecondSum(f"this home has {self._words[digest]} this sum, and takes nothing back")
        if digest not in self._words:
            self._append({word: digest.hex()})

    def _append(self, entry: Mapping[str, str | int]) -> None:
        atomic.append(self.path, json.dumps(entry).encode() + b"\n")
        self._take(entry)

    def _take(self, entry: Mapping[str, Any]) -> None:
        if "one_shot" in entry:
            self._one_shots[str(entry["one_shot"])] = (bytes.fromhex(entry["start"]), int(entry["last_day"]))
        elif "start" in entry:
            of = str(entry.get(_QUANTITY, "load"))
            self._sums[of, bytes.fromhex(entry["start"])] = bytes.fromhex(entry["sum"])
        else:
            ((word, text),) = entry.items()
            if word not in ("revealed", "closed"):
                raise ValueError(f"unknown word {word}")
            self._words[bytes.fromhex(text)] = word

    def _read(self) -> None:
        if not self.path.exists():
            atomic.write_bytes(self.path, b"", private=True)
        content = self.path.read_bytes()
        whole, _, torn = content.rpartition(b"\n")
        try:
            for line in whole.splitlines():
                self._take(loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise RecordDamaged(
                f"{self.path} is damaged ({type(problem).__name__}), so it is unknown which sums this home is in. An "
                "older copy would not help. Start a new training with another forecasting.seed, and then "
                "delete the file"
            ) from None
        if torn:  # a power cut while it was written: what it was to allow has not left
            with self.path.open("rb+") as file:
                file.truncate(len(content) - len(torn))
                os.fsync(file.fileno())
