"""Which sums a home has been in, on disk: it takes part in one sum of a model that it trains from.

Training is deterministic, so an update is the same whenever a home trains from the same model, and two sums over
different homes show the difference: one home's update. So a home that is about to send its masked update writes down
from which model it was trained and in which sum it is; from that model it is in no other sum, whatever the
coordinator calls the round, and over restarts. A sum that failed may be asked for again once it is certain that
nobody will ever open it: when `threshold` of its members have signed that they never reveal a share in it, too few
are left who could. A home signs that for a sum, or reveals in it, and never both.

    {"start": "1f...", "sum": "a0..."}     its masked update from this model is in this sum
    {"revealed": "a0..."}                  it has revealed its shares in it
    {"closed": "a0..."}                    it never will

sums.jsonl lies beside the privacy ledger; one agent at a time has it open.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

from data import atomic
from fl.errors import FederationError
from fl.file_lock import InUse, locked
from fl.masking import MaskingRefused


class SecondSum(MaskingRefused):
    """A second sum of a model that this home has trained from, or another word on one and the same sum."""


class RecordDamaged(FederationError):
    """The record can't be read, so nobody knows which sums this home is in."""


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
        self._sums: dict[bytes, bytes] = {}  # model -> the sum that the update from it is in
        self._words: dict[bytes, str] = {}  # sum -> "revealed" or "closed"
        self._read()

    def close(self) -> None:
        """Let another process have it."""
        self._held.close()

    def enter(self, start: bytes, digest: bytes, closed: Collection[bytes]) -> None:
        """Write down that the update from a model is in this sum; `closed` are sums proven never to be opened.

        Raises SecondSum where it is in another one that may be opened.
        """
        self.check(start, digest, closed)
        self._append({"start": start.hex(), "sum": digest.hex()})

    def check(self, start: bytes, digest: bytes, closed: Collection[bytes]) -> None:
        """Raises SecondSum where this home may not send an update from this model into this sum."""
        if digest in self._words:
            raise SecondSum(f"this home has {self._words[digest]} this sum: it is not in it again")
        before = self._sums.get(start)
        if before is not None and before not in closed:
            raise SecondSum(
                "a second sum of one model: this home's update from it is in another sum, and both together would "
                "show the difference. A round that failed is asked for again with the signatures of its homes that "
                "they never open it; a training that can't go on begins again with another forecasting.seed"
            )

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

    def _append(self, entry: dict[str, str]) -> None:
        content = json.dumps(entry).encode() + b"\n"
        with self.path.open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._take(entry)

    def _take(self, entry: dict[str, str]) -> None:
        if "start" in entry:
            self._sums[bytes.fromhex(entry["start"])] = bytes.fromhex(entry["sum"])
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
                self._take(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise RecordDamaged(
                f"{self.path} is damaged ({type(problem).__name__}), so nobody knows which sums this home is in. An "
                "older copy would not know either. Begin a new training with another forecasting.seed, and then "
                "delete the file"
            ) from None
        if torn:  # a power cut while it was written: what it was to allow has not left
            with self.path.open("rb+") as file:
                file.truncate(len(content) - len(torn))
                os.fsync(file.fileno())
